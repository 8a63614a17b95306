/**
 * How likely an answer made of fields is right: a logistic regression on how sure the tagger was of its fields,
 * trained on rows that the tagger has not learned from. Plain numbers, which are stored with the head.
 */
import { trainHead } from './softmax-head.ts'
import type { Decoded } from '../form/decode-targets.ts'

/** Standardizes each signal, and weighs it; both classes share one weight, with opposite signs. */
export interface FieldAcceptor {
  means: number[]
  deviations: number[]
  /** of the log-odds of "right" */
  weights: number[]
  bias: number
}

/** Keeps logarithms finite. */
const LEAST = 1e-9

/** Log-odds of a probability that is given as its natural logarithm. */
const logOdds = (logProb: number): number => {
  const inside = Math.min(1 - LEAST, Math.max(LEAST, Math.exp(logProb)))
  return Math.log(inside / (1 - inside))
}

const SIGNALS = 3

/** Each is higher for an answer that is more likely right. */
const signalsOf = ({ fieldLogProbs }: Decoded, words: number): number[] => {
  const sum = fieldLogProbs.reduce((total, each) => total + each, 0)
  return [logOdds(sum), logOdds(Math.min(0, ...fieldLogProbs)), -Math.log1p(words)]
}

export interface JudgedFields {
  decoded: Decoded
  /** words of the row's sources */
  words: number
  isRight: boolean
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Weak: three weights for all rows. */
const L2 = 1

/**
 * A regression that rises with each signal: what few rows say against one is chance, so a signal with a negative
 * weight is left out, the most negative first.
 */
const trainRising = (
  rows: readonly number[][],
  labels: Int32Array
): Pick<FieldAcceptor, 'weights' | 'bias'> => {
  const used = new Set(Array(SIGNALS).keys())
  for (;;) {
    const features = Float32Array.from(
      rows.flatMap((row) => row.map((value, at) => (used.has(at) ? value : 0)))
    )
    const { weights, bias } = trainHead({ features, dims: SIGNALS, classes: 2, labels, l2: L2 })
    const slopes = Array.from({ length: SIGNALS }, (_, at) => weights[SIGNALS + at]! - weights[at]!)
    const [worst] = [...used].toSorted((one, other) => slopes[one]! - slopes[other]!)
    if (worst === undefined || slopes[worst]! >= 0)
      return { weights: slopes, bias: bias[1]! - bias[0]! }
    used.delete(worst)
  }
}

/** Null where all rows are right, or all are wrong: then the product of the probabilities counts. */
export const trainFieldAcceptor = (rows: readonly JudgedFields[]): FieldAcceptor | null => {
  const labels = Int32Array.from(rows, ({ isRight }) => Number(isRight))
  if (new Set(labels).size < 2) return null
  const signals = rows.map(({ decoded, words }) => signalsOf(decoded, words))
  const column = (at: number): number[] => signals.map((row) => row[at]!)
  const means = Array.from({ length: SIGNALS }, (_, at) => mean(column(at)))
  const deviations = means.map(
    (centre, at) => Math.sqrt(mean(column(at).map((value) => (value - centre) ** 2))) || 1
  )
  const standardized = signals.map((row) =>
    row.map((value, at) => (value - means[at]!) / deviations[at]!)
  )
  return { means, deviations, ...trainRising(standardized, labels) }
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
