/**
 * How likely an answer made of fields is right: a logistic regression on how sure the tagger was of its fields,
 * trained on rows that the tagger has not learned from. Plain numbers, which are stored with the head.
 */
import type { Decoded } from '../form/decode-targets.ts'
import { logOdds, slopeOf, trainRegression } from './rising-regression.ts'

/** Standardizes each signal, and weighs it; both classes share one weight, with opposite signs. */
export interface FieldAcceptor {
  means: number[]
  deviations: number[]
  /** of the log-odds of "right" */
  weights: number[]
  bias: number
}

/** Each is higher for an answer that is more likely right. */
const signalsOf = ({ fieldLogProbs }: Decoded, words: number): number[] => {
  const sum = fieldLogProbs.reduce((total, each) => total + each, 0)
  const least = Math.min(0, ...fieldLogProbs)
  return [logOdds(Math.exp(sum)), logOdds(Math.exp(least)), -Math.log1p(words)]
}

export interface JudgedFields {
  decoded: Decoded
  /** words of the row's sources */
  words: number
  isRight: boolean
}

/** Null where all rows are right, or all are wrong: then the product of the probabilities counts. */
export const trainFieldAcceptor = (rows: readonly JudgedFields[]): FieldAcceptor | null => {
  const labels = Int32Array.from(rows, ({ isRight }) => Number(isRight))
  if (new Set(labels).size < 2) return null
  const { means, deviations, head } = trainRegression(
    rows.map(({ decoded, words }) => signalsOf(decoded, words)),
    labels
  )
  return {
    means: [...means],
    deviations: [...deviations],
    weights: Array.from(means, (_, i) => slopeOf(head, i)),
    bias: head.bias[1]! - head.bias[0]!,
  }
}

/** Natural logarithm of the probability that the answer is right. @param words of the row's sources */
export const fieldConfidence = (
  acceptor: FieldAcceptor | null,
  decoded: Decoded,
  words: number
): number => {
  if (acceptor === null) return decoded.fieldLogProbs.reduce((total, each) => total + each, 0)
  const { means, deviations, weights, bias } = acceptor
  const odds = signalsOf(decoded, words).reduce(
    (sum, value, at) => sum + (weights[at]! * (value - means[at]!)) / deviations[at]!,
    bias
  )
  return -Math.log1p(Math.exp(-odds))
}
