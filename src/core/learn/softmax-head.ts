/**
 * A regularized softmax classifier on dense or sparse features: multinomial logistic regression with an L2
 * penalty, its strength chosen and its probabilities calibrated by cross-validation. It does not know
 * where features come from.
 */
import { AppError } from '../../errors.ts'
import { itemAt, zip, type NonEmpty } from '../lists.ts'
import { denseForward, type DenseShape } from './algebra/dense-products.ts'
import { minimize } from './algebra/minimize.ts'
import { sparseForward } from './algebra/sparse-rows.ts'
import { addAt, dot } from './algebra/vectors.ts'
import { calibrateTemperature, scaledLoss } from './head/calibrate.ts'
import {
  createPreconditioner,
  createSoftmaxLoss,
  softmaxInPlace,
  type Features,
  type HeadRows,
} from './head/softmax-loss.ts'
import { selectLabels, selectVectors } from './head/text-rows.ts'
import { groupBy } from '../group-by.ts'
import { seededRandom, shuffle } from '../../random.ts'

/** Folds for cross-validation: groups stay whole, labels are spread evenly where groups allow it. */
interface FilledFold {
  number: number
  rows: number
  /** of each label's rows, `[classes]`: a rare label counts as much as a frequent one */
  shares: Float64Array
}

interface FoldedRow {
  place: number
  label: number
  /** of the label's rows */
  share: number
}

/** The fold that has the smallest shares of a group's labels, then the fewest rows; the first one at a tie. */
const foldFor = (group: readonly FoldedRow[], folds: readonly FilledFold[]): FilledFold =>
  folds
    .map((fold) => ({
      fold,
      shared: group.reduce((sum, { label }) => sum + itemAt(fold.shares, label), 0),
    }))
    .reduce((best, one) =>
      one.shared < best.shared || (one.shared === best.shared && one.fold.rows < best.fold.rows)
        ? one
        : best
    ).fold

/**
 * Assigns each row a fold, 0 to `folds` − 1. The largest groups are placed first; a group goes to the
 * fold that has the smallest shares of its labels, then the fewest rows. There are fewer folds than asked
 * for when there are fewer groups.
 * @param groups one entry a row: rows of one group share a fold
 * @param labels one entry a row
 */
export const assignFolds = (
  groups: readonly string[],
  labels: Int32Array,
  classes: number,
  { folds, seed }: { folds: number; seed: number }
): { fold: Int32Array; folds: number } => {
  const total = new Float64Array(classes)
  for (const label of labels) addAt(total, label, 1)
  const rows = zip(groups, [...labels]).map(([group, label], place) => ({
    group,
    place,
    label,
    share: 1 / itemAt(total, label),
  }))
  const members = shuffle([...groupBy(rows, ({ group }) => group).values()], seededRandom(seed))
  members.sort((one, other) => other.length - one.length)
  const parts = Array.from(
    { length: Math.min(folds, members.length) },
    (_, number): FilledFold => ({
      number,
      rows: 0,
      shares: new Float64Array(classes),
    })
  )
  const fold = new Int32Array(labels.length)
  for (const group of members) {
    const part = foldFor(group, parts)
    part.rows += group.length
    for (const { place, label, share } of group) {
      fold[place] = part.number
      addAt(part.shares, label, share)
    }
  }
  return { fold, folds: parts.length }
}

export type { Features, HeadRows } from './head/softmax-loss.ts'

export interface Head {
  dims: number
  classes: number
  /** `[classes, dims]`, row-major */
  weights: Float32Array
  /** `[classes]` */
  bias: Float32Array
  /** divides the logits */
  temperature: number
}

/**
 * Penalty of the biases. A class without a row would have a bias of minus infinity; with it, a class
 * that 1,000 rows do not have keeps a probability of about 1e-4.
 */
const BIAS_L2 = 0.01
/** Gradient's norm at the end, in the preconditioner's measure, over its norm at zero weights. */
const TOLERANCE = 1e-3
/** The same in cross-validation. */
const LOOSE_TOLERANCE = 1e-2
const MAX_ITERATIONS = 300
/** Rows of one pass, which bounds the memory for their logits. */
const CHUNK_ROWS = 256
/** Strengths of the penalty that are tried, the strongest first, over the features' mean square norm. */
const RELATIVE_L2: NonEmpty<number> = [1, 0.3, 0.1, 0.03, 0.01, 0.003]
const FOLDS = 5

const invalid = (reason: string) => new AppError('invalid-request', `label head: ${reason}`)

/** The numbers of the features, without zeros that are left out. */
const valuesOf = (features: Features): Float32Array[] =>
  features instanceof Float32Array ? [features] : features.map(({ values }) => values)

const rowsOf = (features: Features, dims: number): number =>
  features instanceof Float32Array ? features.length / dims : features.length

const checkRows = ({ features, dims, labels, classes, weights }: HeadRows<Features>): void => {
  if (classes < 2) throw invalid(`needs at least two labels, not ${classes}`)
  if (labels.length === 0) throw invalid('there are no rows')
  const values = valuesOf(features)
  if (dims < 1 || rowsOf(features, dims) !== labels.length) {
    const count = values.reduce((sum, { length }) => sum + length, 0)
    throw invalid(`${count} features are not ${labels.length} rows of ${dims}`)
  }
  if (weights && weights.length !== labels.length) throw invalid('each row needs a weight')
  if (labels.some((label) => label < 0 || label >= classes))
    throw invalid('a label is out of range')
  if (values.some((part) => part.some((value) => !Number.isFinite(value))))
    throw invalid('a feature is not a number')
}

interface Training {
  l2: number
  tolerance: number
  precondition: (vector: Float64Array) => void
}

/** Trains from `start` `[classes, dims + 1]`, which is overwritten with the result. */
const trainFrom = (
  start: Float64Array,
  rows: HeadRows<Features>,
  { l2, tolerance, precondition }: Training
): void => {
  const loss = createSoftmaxLoss(rows, { l2, biasL2: BIAS_L2 })
  const gradient = new Float64Array(loss.size)
  loss.evaluate(new Float64Array(loss.size), gradient)
  const solved = gradient.slice()
  precondition(solved)
  const norm = Math.sqrt(dot(gradient, solved))
  minimize(start, {
    evaluate: loss.evaluate,
    precondition,
    tolerance: tolerance * norm,
    maxIterations: MAX_ITERATIONS,
  })
}

const headOf = (
  point: Float64Array,
  { dims, classes }: HeadRows<Features>,
  temperature: number
): Head => {
  const width = dims + 1
  const weights = new Float32Array(classes * dims)
  const bias = new Float32Array(classes)
  for (let c = 0; c < classes; c++) {
    const end = c * width + dims
    weights.set(point.subarray(c * width, end), c * dims)
    bias.set(point.subarray(end, end + 1), c)
  }
  return { dims, classes, weights, bias, temperature }
}

/**
 * Trains by L-BFGS on all rows at once from zero weights; the same rows give the same head. It
 * minimizes `Σ weight · −ln p(label) + l2/2 · ‖weights‖²`, so `l2` is scikit-learn's 1/C. It ends when
 * the gradient has `tolerance`, by default a thousandth, of its norm at zero weights, or after 300 iterations.
 * @returns a head with temperature 1
 * @throws AppError `invalid-request` for fewer than two classes, sizes that do not fit, or a feature
 * that is not finite
 */
export const trainHead = ({
  l2,
  tolerance = TOLERANCE,
  ...rows
}: HeadRows<Features> & { l2: number; tolerance?: number }): Head => {
  checkRows(rows)
  const point = new Float64Array(rows.classes * (rows.dims + 1))
  const precondition = createPreconditioner(rows, { l2, biasL2: BIAS_L2 })
  trainFrom(point, rows, { l2, tolerance, precondition })
  return headOf(point, rows, 1)
}

/** Writes the products of some rows, from `from` on, with the weights. */
type Products = (from: number, products: Float64Array, shape: DenseShape) => void

const productsOf = (features: Features, weights: Float32Array): Products => {
  if (!(features instanceof Float32Array))
    return (from, products, shape) =>
      sparseForward(features.slice(from, from + shape.rows), weights, products, shape)
  // the dense product reads weights of 64 bits
  const wide = Float64Array.from(weights)
  return (from, products, shape) => {
    const chunk = features.subarray(from * shape.dims, (from + shape.rows) * shape.dims)
    denseForward(chunk, wide, products, shape)
  }
}

/** Logits before the temperature, `[rows, classes]`. */
const logitsOf = ({ dims, classes, weights, bias }: Head, features: Features): Float32Array => {
  const rows = rowsOf(features, dims)
  const multiplied = productsOf(features, weights)
  const products = new Float64Array(Math.min(CHUNK_ROWS, rows) * classes)
  const logits = new Float32Array(rows * classes)
  for (let from = 0; from < rows; from += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, rows - from)
    multiplied(from, products, { rows: count, dims, outputs: classes })
    for (let at = 0; at < count * classes; at++)
      logits[from * classes + at] = products[at]! + bias[at % classes]!
  }
  return logits
}

const scale = (logits: Float32Array, temperature: number): Float32Array => {
  for (let at = 0; at < logits.length; at++) logits[at]! /= temperature
  return logits
}

/** Logits over the temperature, `[rows, classes]`. */
export const scaledLogits = (head: Head, features: Features): Float32Array =>
  scale(logitsOf(head, features), head.temperature)

/** Turns scaled logits `[rows, classes]` into probabilities, in place. */
export const toProbabilities = (logits: Float32Array, classes: number): Float32Array => {
  for (let from = 0; from < logits.length; from += classes) softmaxInPlace(logits, from, classes)
  return logits
}

/**
 * Calibrated probabilities, `[rows, classes]`.
 * @param features `[rows, dims]`
 */
export const probabilities = (head: Head, features: Features): Float32Array =>
  toProbabilities(scaledLogits(head, features), head.classes)

export interface CrossValidationOptions extends HeadRows<Features> {
  /**
   * one entry a judged row: rows of one group, such as a conversation, are never in two folds. Further rows are in
   * every training part, and are not judged.
   */
  groups: readonly string[]
  /** at most one for each group; default 5 */
  folds?: number
  /** orders the groups; default 0 */
  seed?: number
  /** of the penalty, over the features' mean square norm, the strongest first; default six of them */
  strengths?: NonEmpty<number>
}

export interface CrossValidation {
  /** of each judged row by heads that did not see its group, calibrated; `[judged, classes]` */
  probabilities: Float32Array
  /** of each judged row */
  fold: Int32Array
  /** chosen strength of the penalty */
  l2: number
  temperature: number
  /** mean negative log probability of the right labels, nats per row, calibrated */
  loss: number
}

const selectFeatures = (features: Features, dims: number, places: readonly number[]): Features =>
  features instanceof Float32Array
    ? selectVectors(features, dims, places)
    : places.map((place) => itemAt(features, place))

const selectRows = (rows: HeadRows<Features>, places: readonly number[]): HeadRows<Features> => ({
  ...rows,
  features: selectFeatures(rows.features, rows.dims, places),
  ...selectLabels(rows, places),
})

interface Fold {
  training: HeadRows<Features>
  heldOut: HeadRows<Features>
  /** places of the held-out rows */
  places: number[]
  /** where the next strength starts: the result of the one before */
  point: Float64Array
}

const makeFolds = (rows: HeadRows<Features>, fold: Int32Array, folds: number): Fold[] =>
  Array.from({ length: folds }, (_, number) => {
    const all = Array.from(rows.labels.keys())
    const places = all.filter((place) => fold[place] === number)
    return {
      training: selectRows(
        rows,
        all.filter((place) => fold[place] !== number)
      ),
      heldOut: selectRows(rows, places),
      places,
      point: new Float64Array(rows.classes * (rows.dims + 1)),
    }
  })

/** Logits of the judged rows, each from the fold that holds it out. */
const outOfFold = (
  folds: readonly Fold[],
  rows: HeadRows<Features>,
  { l2, judged }: { l2: number; judged: number }
): Float32Array => {
  const logits = new Float32Array(judged * rows.classes)
  const precondition = createPreconditioner(rows, { l2, biasL2: BIAS_L2 })
  for (const { training, heldOut, places, point } of folds) {
    trainFrom(point, training, { l2, tolerance: LOOSE_TOLERANCE, precondition })
    const part = logitsOf(headOf(point, rows, 1), heldOut.features)
    for (const [at, place] of places.entries()) {
      logits.set(part.subarray(at * rows.classes, (at + 1) * rows.classes), place * rows.classes)
    }
  }
  return logits
}

const meanSquareNorm = ({ features, labels }: HeadRows<Features>): number =>
  valuesOf(features).reduce(
    (sum, values) => values.reduce((part, value) => part + value * value, sum),
    0
  ) / labels.length || 1

/**
 * Probabilities of each row from heads that were trained without its group, at the strength of the
 * penalty with the least calibrated loss. Strengths are tried from the strongest, each starting from
 * the weights of the one before, until one is no better. The temperature makes up for a penalty that
 * is too strong, so the first strength is never far off. A label that the training part of a fold
 * lacks has a low probability there. Row weights count in training, not in the loss or the
 * temperature.
 * @throws AppError `invalid-request` as `trainHead`, and when there are fewer than two groups
 */
export const crossValidated = ({
  groups,
  folds: wanted = FOLDS,
  seed = 0,
  strengths = RELATIVE_L2,
  ...rows
}: CrossValidationOptions): CrossValidation => {
  checkRows(rows)
  const { classes } = rows
  const judged = groups.length
  const labels = rows.labels.subarray(0, judged)
  const { fold, folds } = assignFolds(groups, labels, classes, { folds: wanted, seed })
  if (folds < 2) throw invalid('cross-validation needs at least two groups')
  const parts = makeFolds(rows, fold, folds)
  const norm = meanSquareNorm(rows)
  const tried = (relative: number) => {
    const l2 = relative * norm
    const logits = outOfFold(parts, rows, { l2, judged })
    const temperature = calibrateTemperature(logits, labels, classes)
    const loss = scaledLoss(logits, labels, classes, temperature).loss / judged
    return { logits, l2, temperature, loss }
  }
  const [strongest, ...weaker] = strengths
  let best = tried(strongest)
  for (const relative of weaker) {
    const next = tried(relative)
    if (next.loss >= best.loss) break
    best = next
  }
  const { logits, ...chosen } = best
  return {
    ...chosen,
    fold,
    probabilities: toProbabilities(scale(logits, chosen.temperature), classes),
  }
}
