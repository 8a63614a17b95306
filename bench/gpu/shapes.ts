/** Shapes of the models that are measured and estimated, by their `config.json`. */
import type { StepShape } from '../training/useful-operations.ts'

interface Shape extends StepShape {
  tiedEmbeddings: boolean
}

const QWEN3 = { vocabSize: 151_936, kvHeads: 8, headDim: 128 }

export const QWEN3_SHAPES = {
  '0.6B': {
    ...QWEN3,
    hiddenSize: 1024,
    layers: 28,
    heads: 16,
    intermediateSize: 3072,
    tiedEmbeddings: true,
  },
  '4B': {
    ...QWEN3,
    hiddenSize: 2560,
    layers: 36,
    heads: 32,
    intermediateSize: 9728,
    tiedEmbeddings: true,
  },
  '8B': {
    ...QWEN3,
    hiddenSize: 4096,
    layers: 36,
    heads: 32,
    intermediateSize: 12_288,
    tiedEmbeddings: false,
  },
} satisfies Record<string, Shape>

export type Qwen3Size = keyof typeof QWEN3_SHAPES

/** As `config.json` names them. */
export const qwen3Config = (shape: Shape): object => ({
  vocab_size: shape.vocabSize,
  hidden_size: shape.hiddenSize,
  num_hidden_layers: shape.layers,
  num_attention_heads: shape.heads,
  num_key_value_heads: shape.kvHeads,
  head_dim: shape.headDim,
  intermediate_size: shape.intermediateSize,
  tie_word_embeddings: shape.tiedEmbeddings,
  max_position_embeddings: 40_960,
})
