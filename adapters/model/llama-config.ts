/** The shape of a Llama-family decoder, in one vocabulary for GGUF and Hugging Face files. */
import type { QuantizedMatrix } from './quantize.ts'

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
