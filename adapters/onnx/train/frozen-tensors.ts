/** Which tensors of a base model the training graph reads. Knows nothing of files. */
import { LINEAR_LAYERS, linearShape, type LlamaConfig } from '../llama-config.ts'
import { moduleName } from './lora-layout.ts'

export interface FrozenTensor {
  /** Hugging Face's name */
  name: string
  dims: number[]
}

/** All frozen tensors in a fixed order; `lm_head.weight` only where it is not the embedding. */
export const frozenTensors = (config: LlamaConfig): FrozenTensor[] => {
  const { hiddenSize, vocabSize, layers, tiedEmbeddings } = config
  const tensors: FrozenTensor[] = [
    { name: 'model.embed_tokens.weight', dims: [vocabSize, hiddenSize] },
    { name: 'model.norm.weight', dims: [hiddenSize] },
  ]
  if (!tiedEmbeddings) tensors.push({ name: 'lm_head.weight', dims: [vocabSize, hiddenSize] })
  for (let layer = 0; layer < layers; layer++) {
    for (const norm of ['input_layernorm', 'post_attention_layernorm'])
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
  frozenTensors(config).reduce((sum, { dims }) => sum + elements(dims), 0)
