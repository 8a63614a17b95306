/** The shape of a Llama-family decoder, in one vocabulary for GGUF and Hugging Face files. */
import type { QuantizedMatrix } from './quantize.ts'
import type { TemplateTokens } from '../text/chat-template.ts'
import type { TokenizerJson } from '../text/text-tokenizer.ts'
import type { OpenFile, StoredTensor } from './weight-file.ts'

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

/** Of a configuration, what the embedded engine's graphs cannot compute; absent where there is none. */
export interface ModelExtras {
  /** `qwen2`, `qwen3` */
  model_type?: string
  rope_scaling?: Record<string, unknown>
  attention_bias?: true
  mlp_bias?: true
  hidden_act?: string
}

export interface ModelParts {
  config: LlamaConfig
  extras: ModelExtras
  /** by Hugging Face's names */
  tensors: Map<string, StoredTensor>
  files: OpenFile[]
  tokenizer: TokenizerJson
  chatTemplate: string
  templateTokens: TemplateTokens
  eosIds: number[]
  name: string
}

export interface LlamaConfig {
  vocabSize: number
  hiddenSize: number
  layers: number
  heads: number
  kvHeads: number
  headDim: number
  intermediateSize: number
  ropeTheta: number
  rmsNormEps: number
  maxPositions: number
  /** the output head is the embedding matrix */
  tiedEmbeddings: boolean
}

/** The linear layers of one decoder layer, by Hugging Face's names; each can carry a lora. */
export const LINEAR_LAYERS = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const

export type LinearLayer = (typeof LINEAR_LAYERS)[number]

/** Hugging Face's name of a linear layer's module; its weight and its lora are named after it. */
export const moduleName = (layer: number, linear: LinearLayer): string =>
  `model.layers.${layer}.${linear}`

/** Rows (outputs) and columns (inputs) of a linear layer's weight `[out, in]`. */
export const linearShape = (
  config: Pick<LlamaConfig, 'hiddenSize' | 'intermediateSize' | 'heads' | 'kvHeads' | 'headDim'>,
  layer: LinearLayer
): { out: number; in: number } => {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  switch (layer) {
    case 'self_attn.q_proj':
      return { out: heads * headDim, in: hiddenSize }
    case 'self_attn.k_proj':
    case 'self_attn.v_proj':
      return { out: kvHeads * headDim, in: hiddenSize }
    case 'self_attn.o_proj':
      return { out: hiddenSize, in: heads * headDim }
    case 'mlp.gate_proj':
    case 'mlp.up_proj':
      return { out: intermediateSize, in: hiddenSize }
    case 'mlp.down_proj':
      return { out: hiddenSize, in: intermediateSize }
  }
}

/** Weights by Hugging Face's tensor names (`model.layers.0.self_attn.q_proj.weight`), `[out, in]`. */
export interface WeightSource {
  /**
   * Dequantized to float32, row-major, a copy the caller owns.
   * @throws AppError `invalid-model` naming the missing or ill-shaped tensor
   */
  float32(name: string): Float32Array
  /** The matrix in blocks, which `float32` is worth; null for norms. Absent: serve in float32. */
  quantized?(name: string): QuantizedMatrix | null
}
