/** Names and shapes of a Llama-family model's tensors, for all readers of its weights. */
import { LINEAR_LAYERS, linearShape, moduleName, type LlamaConfig } from './llama-config.ts'

export interface ModelTensor {
  /** Hugging Face's name */
  name: string
  dims: number[]
}

const NORMS = ['input_layernorm', 'post_attention_layernorm']

/** All tensors in a fixed order, with `lm_head.weight` only when it differs from the embedding. */
export const modelTensors = (config: LlamaConfig): ModelTensor[] => {
  const { hiddenSize, vocabSize, layers, tiedEmbeddings } = config
  const tensors: ModelTensor[] = [
    { name: 'model.embed_tokens.weight', dims: [vocabSize, hiddenSize] },
    { name: 'model.norm.weight', dims: [hiddenSize] },
  ]
  if (!tiedEmbeddings) tensors.push({ name: 'lm_head.weight', dims: [vocabSize, hiddenSize] })
  for (let layer = 0; layer < layers; layer++) {
    for (const norm of NORMS)
      tensors.push({ name: `model.layers.${layer}.${norm}.weight`, dims: [hiddenSize] })
    for (const linear of LINEAR_LAYERS) {
      const shape = linearShape(config, linear)
      tensors.push({ name: `${moduleName(layer, linear)}.weight`, dims: [shape.out, shape.in] })
    }
  }
  return tensors
}

export const elements = (dims: number[]): number => dims.reduce((product, dim) => product * dim, 1)

export const parameterCount = (config: LlamaConfig): number =>
  modelTensors(config).reduce((sum, { dims }) => sum + elements(dims), 0)
