/**
 * How likely something is right, from signals that are all signs of it: a logistic regression on standardized
 * signals that rises with each of them.
 */
import { trainHead, type Head } from './softmax-head.ts'

export interface RisingRegression {
  /** of the signals, `[signals]` */
  means: Float32Array
  deviations: Float32Array
  /** two classes: wrong and right */
  head: Head
}

/** Keeps logarithms finite. */
export const LEAST = 1e-9

/** @param probability 0 to 1 */
export const logOdds = (probability: number): number => {
  const inside = Math.min(1 - LEAST, Math.max(LEAST, probability))
  return Math.log(inside / (1 - inside))
}

export const standardized = (
  signals: readonly number[],
  { means, deviations }: Pick<RisingRegression, 'means' | 'deviations'>
): Float32Array => means.map((centre, i) => (signals[i]! - centre) / deviations[i]!)

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Weak, since there are few weights for all rows. */
const L2 = 1

/** Of the log-odds of "right" in a signal. */
export const slopeOf = ({ weights, dims }: Head, i: number): number =>
  weights[dims + i]! - weights[i]!

/**
 * What few rows say against a signal is chance: signals with a negative weight are left out, the most negative first.
 * @param signals standardized, one list a row
 */
const trainRising = (signals: readonly Float32Array[], isRight: Int32Array): Head => {
  const dims = signals[0]!.length
  const used = new Set(Array(dims).keys())
  for (;;) {
    const features = new Float32Array(signals.length * dims)
    for (const [place, row] of signals.entries())
      for (const i of used) features[place * dims + i] = row[i]!
    const head = trainHead({ features, dims, labels: isRight, classes: 2, l2: L2 })
    const slopes = [...used].map((i) => ({ i, slope: slopeOf(head, i) }))
    const [worst] = slopes.toSorted((one, other) => one.slope - other.slope)
    if (worst === undefined || worst.slope >= 0) return head
    used.delete(worst.i)
  }
}

/**
 * @param signals one list a row, all equally long
 * @param isRight 1 or 0 for each row
 */
export const trainRegression = (
  signals: readonly (readonly number[])[],
  isRight: Int32Array
): RisingRegression => {
  const column = (i: number): number[] => signals.map((row) => row[i]!)
  const places = [...signals[0]!.keys()]
  const means = Float32Array.from(places, (i) => mean(column(i)))
  const deviations = Float32Array.from(
    places,
    (i) => Math.sqrt(mean(column(i).map((value) => (value - means[i]!) ** 2))) || 1
  )
  const scaled = signals.map((row) => standardized(row, { means, deviations }))
  return { means, deviations, head: trainRising(scaled, isRight) }
}
