/**
 * TRACER's acceptor: how likely an answer agrees, from four numbers of the surrogate's probabilities. It knows
 * nothing of the text or of its neighbours. Pure.
 */
import { probabilities, trainHead } from '../../../src/core/learn/softmax-head.ts'
import { scaled, standardScale } from './standard-scale.ts'

const SIGNALS = 4
/** scikit-learn's default strength, C = 1 */
const L2 = 1

/** Highest and second probability, their difference, and the entropy over that of equal shares. */
const signalsOf = (row: Float32Array): number[] => {
  const [first = 0, second = 0] = row.toSorted((a, b) => b - a)
  const entropy = row.reduce((sum, p) => sum - p * Math.log(Math.max(p, 1e-12)), 0)
  return [first, second, first - second, entropy / Math.log(row.length)]
}

/** Of each row, 0 to 1. @param all `[rows, classes]` */
export type AcceptanceScores = (all: Float32Array) => Float32Array

const rowsOf = (all: Float32Array, classes: number): Float32Array[] =>
  Array.from({ length: all.length / classes }, (_, row) =>
    all.subarray(row * classes, (row + 1) * classes)
  )

/**
 * A logistic regression on standardized signals; the highest probability where all answers agree, or none does.
 * @param all the surrogate's probabilities of rows that it was not trained on, `[rows, classes]`
 * @param agrees one entry a row
 */
export const trainScores = (
  all: Float32Array,
  classes: number,
  agrees: readonly boolean[]
): AcceptanceScores => {
  const signals = (values: Float32Array): Float32Array =>
    Float32Array.from(rowsOf(values, classes).flatMap(signalsOf))
  if (new Set(agrees).size < 2)
    return (values) => Float32Array.from(rowsOf(values, classes), (row) => Math.max(...row))
  const features = signals(all)
  const scale = standardScale(features, SIGNALS)
  const head = trainHead({
    features: scaled(scale, features),
    dims: SIGNALS,
    labels: Int32Array.from(agrees, Number),
    classes: 2,
    l2: L2,
  })
  return (values) =>
    probabilities(head, scaled(scale, signals(values))).filter((_, at) => at % 2 === 1)
}
