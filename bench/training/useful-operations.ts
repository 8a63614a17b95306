/** Floating-point operations that a training step of a lora needs. Pure. */
import { LINEAR_LAYERS, linearShape, type LlamaConfig } from '../../adapters/model/llama-config.ts'

export interface StepWork {
  /** tokens that are computed, a shared prefix once */
  tokens: number
  /** completion tokens, for which the output layer is computed */
  labels: number
  /** of query and key that attention lets through, in one head of one layer */
  pairs: number
}

/** The shape's part that decides operations. */
export type StepShape = Pick<
  LlamaConfig,
  'layers' | 'heads' | 'kvHeads' | 'headDim' | 'vocabSize' | 'hiddenSize' | 'intermediateSize'
>

export const causalPairs = (tokens: number): number => (tokens * (tokens + 1)) / 2

/**
 * What the method needs, as model FLOP/s utilization counts it (PaLM, arXiv 2204.02311, appendix B):
 * neither what is computed twice nor what pads. A product with n weights costs a token 2n forward and 2n
 * for its input's gradient; a lora's matrices 2n more for their own, the frozen base none. Attention
 * costs 4 · heads · width a pair forward and twice that backward.
 */
export const usefulOperations = (
  shape: StepShape,
  rank: number,
  { tokens, labels, pairs }: StepWork
): number => {
  const { layers, heads, headDim, vocabSize, hiddenSize } = shape
  let perToken = 0
  for (const linear of LINEAR_LAYERS) {
    const { in: inputs, out: outputs } = linearShape(shape, linear)
    perToken += 4 * inputs * outputs + 6 * rank * (inputs + outputs)
  }
  const attention = 12 * heads * headDim * pairs
  return layers * (tokens * perToken + attention) + 4 * vocabSize * hiddenSize * labels
}
