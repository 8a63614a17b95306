/**
 * How likely an answer made of fields is right: a logistic regression on how sure the tagger was of its fields, and
 * on the rows it has learned that are nearest to the request, trained on rows that the tagger has not learned from
 * (docs/experiments.md#field-heads). Plain numbers, which are stored with the head.
 */
import type { Decoded } from '../form/decode-targets.ts'
import { itemAt } from '../lists.ts'
import type { Neighbourhood } from './head/neighbourhood.ts'
import { logOdds, oddsOf, trainRegression } from './rising-regression.ts'

/** Standardizes each signal, and weighs it; both classes share one weight, with opposite signs. */
export interface FieldAcceptor {
  means: number[]
  deviations: number[]
  /** of the log-odds of "right" */
  weights: number[]
  bias: number
}

/** An answer, and what tells whether it is right. */
export interface FilledForm {
  decoded: Decoded
  /** words of the row's sources */
  words: number
  /** null for all answers of a head, or for none */
  near: Neighbourhood | null
}

/** Each is higher for an answer that is more likely right. */
const signalsOf = ({ decoded: { fieldLogProbs }, words, near }: FilledForm): number[] => {
  const sum = fieldLogProbs.reduce((total, each) => total + each, 0)
  const least = Math.min(0, ...fieldLogProbs)
  const sure = [logOdds(Math.exp(sum)), logOdds(Math.exp(least)), -Math.log1p(words)]
  return near === null ? sure : [...sure, near.nearest, near.agreeing, near.same - near.other]
}

export interface JudgedFields extends FilledForm {
  isRight: boolean
}

/** Null where all rows are right, or all are wrong: then the product of the probabilities counts. */
export const trainFieldAcceptor = (rows: readonly JudgedFields[]): FieldAcceptor | null => {
  const labels = Int32Array.from(rows, ({ isRight }) => Number(isRight))
  if (new Set(labels).size < 2) return null
  const { means, deviations, head } = trainRegression(rows.map(signalsOf), labels)
  return {
    means: [...means],
    deviations: [...deviations],
    weights: oddsOf(head.weights),
    bias: itemAt(oddsOf(head.bias), 0),
  }
}

/** Natural logarithm of the probability that the answer is right. */
export const fieldConfidence = (acceptor: FieldAcceptor | null, filled: FilledForm): number => {
  if (acceptor === null) return filled.decoded.fieldLogProbs.reduce((sum, each) => sum + each, 0)
  const { means, deviations, weights, bias } = acceptor
  const odds = signalsOf(filled).reduce(
    (sum, value, at) =>
      sum + (itemAt(weights, at) * (value - itemAt(means, at))) / itemAt(deviations, at),
    bias
  )
  return -Math.log1p(Math.exp(-odds))
}
