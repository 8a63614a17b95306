/**
 * How likely something is right, from signals that are all signs of it: a logistic regression on standardized
 * signals that rises with each of them.
 */
import { itemAt, zip } from '../lists.ts'
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
): Float32Array => means.map((centre, i) => (itemAt(signals, i) - centre) / itemAt(deviations, i))

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Weak, since there are few weights for all rows. */
const L2 = 1

/**
 * The weights of the log-odds of "right", or their bias: what those of both classes differ by.
 * @param numbers the weights of wrong and right, `[2, signals]`, or their biases, `[2]`
 */
export const oddsOf = (numbers: Float32Array): number[] => {
  const half = numbers.length / 2
  const wrong = numbers.subarray(0, half)
  return Array.from(numbers.subarray(half), (right, i) => right - itemAt(wrong, i))
}

/**
 * What few rows say against a signal is chance: signals with a negative weight are left out, the most negative first.
 * @param signals standardized, `dims` numbers a row
 */
const trainRising = (signals: readonly Float32Array[], dims: number, isRight: Int32Array): Head => {
  const used = new Set(Array(dims).keys())
  for (;;) {
    const features = new Float32Array(signals.length * dims)
    for (const [place, row] of signals.entries())
      features.set(
        row.map((value, i) => (used.has(i) ? value : 0)),
        place * dims
      )
    const head = trainHead({ features, dims, labels: isRight, classes: 2, l2: L2 })
    const slopes = [...oddsOf(head.weights).entries()].filter(([i]) => used.has(i))
    const [worst] = slopes.toSorted(([, one], [, other]) => one - other)
    if (worst === undefined) return head
    const [signal, slope] = worst
    if (slope >= 0) return head
    used.delete(signal)
  }
}

/** The numbers of each signal. */
const columnsOf = (rows: readonly (readonly number[])[]): number[][] => {
  const columns: number[][] = []
  for (const row of rows) for (const [i, value] of row.entries()) (columns[i] ??= []).push(value)
  return columns
}

/**
 * @param signals one list a row, all equally long
 * @param isRight 1 or 0 for each row
 */
export const trainRegression = (
  signals: readonly (readonly number[])[],
  isRight: Int32Array
): RisingRegression => {
  const columns = columnsOf(signals)
  const means = Float32Array.from(columns, mean)
  const deviations = Float32Array.from(
    zip(columns, [...means]),
    ([values, centre]) => Math.sqrt(mean(values.map((value) => (value - centre) ** 2))) || 1
  )
  const scaled = signals.map((row) => standardized(row, { means, deviations }))
  return { means, deviations, head: trainRising(scaled, means.length, isRight) }
}
