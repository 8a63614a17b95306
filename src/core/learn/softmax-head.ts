/**
 * A regularized softmax classifier on dense features: multinomial logistic regression with an L2
 * penalty, its strength chosen and its probabilities calibrated by cross-validation. It does not know
 * where features come from.
 */
import { AppError } from '../../errors.ts'
import { calibrateTemperature, scaledLoss } from './head/calibrate.ts'
import { denseForward } from './head/dense-products.ts'
import { assignFolds } from './head/folds.ts'
import { minimize } from './head/minimize.ts'
import { createSoftmaxLoss, softmaxInPlace, type HeadRows } from './head/softmax-loss.ts'

export type { HeadRows } from './head/softmax-loss.ts'

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
/** Rows whose logits are computed at a time. */
const CHUNK_ROWS = 256
/** Strengths of the penalty that are tried, the strongest first, over the features' mean square norm. */
const RELATIVE_L2 = [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003]
const FOLDS = 5

const invalid = (reason: string) => new AppError('invalid-request', `label head: ${reason}`)

const checkRows = ({ features, dims, labels, classes, weights }: HeadRows): void => {
  if (classes < 2) throw invalid(`needs at least two labels, not ${classes}`)
  if (labels.length === 0) throw invalid('there are no rows')
  if (dims < 1 || features.length !== labels.length * dims) {
    throw invalid(`${features.length} features are not ${labels.length} rows of ${dims}`)
  }
  if (weights && weights.length !== labels.length) throw invalid('each row needs a weight')
  if (labels.some((label) => label < 0 || label >= classes))
    throw invalid('a label is out of range')
  if (features.some((value) => !Number.isFinite(value))) throw invalid('a feature is not a number')
}

/** Trains from `start` `[classes, dims + 1]`, which is overwritten with the result. */
const trainFrom = (start: Float64Array, rows: HeadRows, l2: number, tolerance: number): void => {
  const loss = createSoftmaxLoss(rows, { l2, biasL2: BIAS_L2 })
  const gradient = new Float64Array(loss.size)
  loss.evaluate(new Float64Array(loss.size), gradient)
  const solved = gradient.slice()
  loss.precondition(solved)
  const norm = Math.sqrt(gradient.reduce((sum, value, at) => sum + value * solved[at]!, 0))
  minimize(start, {
    evaluate: loss.evaluate,
    precondition: loss.precondition,
    tolerance: tolerance * norm,
    maxIterations: MAX_ITERATIONS,
  })
}

const headOf = (point: Float64Array, { dims, classes }: HeadRows, temperature: number): Head => {
  const width = dims + 1
  const weights = new Float32Array(classes * dims)
  const bias = new Float32Array(classes)
  for (let c = 0; c < classes; c++) {
    weights.set(point.subarray(c * width, c * width + dims), c * dims)
    bias[c] = point[c * width + dims]!
  }
  return { dims, classes, weights, bias, temperature }
}

/**
 * Trains by L-BFGS on all rows at once from zero weights; the same rows give the same head. It
 * minimizes `Σ weight · −ln p(label) + l2/2 · ‖weights‖²`, so `l2` is scikit-learn's 1/C. It ends when
 * the gradient has a thousandth of its norm at zero weights, or after 300 iterations.
 * @returns a head with temperature 1
 * @throws AppError `invalid-request` for fewer than two classes, sizes that do not fit, or a feature
 * that is not finite
 */
export const trainHead = ({ l2, ...rows }: HeadRows & { l2: number }): Head => {
  checkRows(rows)
  const point = new Float64Array(rows.classes * (rows.dims + 1))
  trainFrom(point, rows, l2, TOLERANCE)
  return headOf(point, rows, 1)
}

/** Logits before the temperature, `[rows, classes]`. */
const logitsOf = ({ dims, classes, weights, bias }: Head, features: Float32Array): Float32Array => {
  const rows = features.length / dims
  const wide = Float64Array.from(weights)
  const products = new Float64Array(CHUNK_ROWS * classes)
  const logits = new Float32Array(rows * classes)
  for (let from = 0; from < rows; from += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, rows - from)
    const chunk = features.subarray(from * dims, (from + count) * dims)
    denseForward(chunk, wide, products, { rows: count, dims, outputs: classes })
    for (let at = 0; at < count * classes; at++) {
      logits[from * classes + at] = products[at]! + bias[at % classes]!
    }
  }
  return logits
}

const toProbabilities = (logits: Float32Array, classes: number, temperature: number) => {
  for (let at = 0; at < logits.length; at++) logits[at]! /= temperature
  for (let from = 0; from < logits.length; from += classes) softmaxInPlace(logits, from, classes)
  return logits
}

/**
 * Calibrated probabilities, `[rows, classes]`.
 * @param features `[rows, dims]`
 */
export const probabilities = (head: Head, features: Float32Array): Float32Array =>
  toProbabilities(logitsOf(head, features), head.classes, head.temperature)

export interface CrossValidationOptions extends HeadRows {
  /** one entry a row: rows of one group, such as a conversation, are never in two folds */
  groups: readonly string[]
  /** at most one for each group; default 5 */
  folds?: number
  /** orders the groups; default 0 */
  seed?: number
}

export interface CrossValidation {
  /** of each row by heads that did not see its group, calibrated; `[rows, classes]` */
  probabilities: Float32Array
  /** chosen strength of the penalty */
  l2: number
  temperature: number
  /** mean negative log probability of the right labels, nats per row, calibrated */
  loss: number
}

const selectRows = (rows: HeadRows, places: readonly number[]): HeadRows => {
  const features = new Float32Array(places.length * rows.dims)
  for (const [at, place] of places.entries()) {
    features.set(rows.features.subarray(place * rows.dims, (place + 1) * rows.dims), at * rows.dims)
  }
  return {
    ...rows,
    features,
    labels: Int32Array.from(places, (place) => rows.labels[place]!),
    ...(rows.weights && { weights: Float32Array.from(places, (place) => rows.weights![place]!) }),
  }
}

interface Fold {
  training: HeadRows
  heldOut: HeadRows
  /** places of the held-out rows */
  places: number[]
  /** where the next strength starts: the result of the one before */
  point: Float64Array
}

const makeFolds = (rows: HeadRows, fold: Int32Array, folds: number): Fold[] =>
  Array.from({ length: folds }, (_, number) => {
    const all = Array.from(fold.keys())
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

/** Logits of all rows, each from the fold that holds it out. */
const outOfFold = (folds: readonly Fold[], rows: HeadRows, l2: number): Float32Array => {
  const logits = new Float32Array(rows.labels.length * rows.classes)
  for (const { training, heldOut, places, point } of folds) {
    trainFrom(point, training, l2, LOOSE_TOLERANCE)
    const part = logitsOf(headOf(point, rows, 1), heldOut.features)
    for (const [at, place] of places.entries()) {
      logits.set(part.subarray(at * rows.classes, (at + 1) * rows.classes), place * rows.classes)
    }
  }
  return logits
}

const meanSquareNorm = ({ features, labels }: HeadRows): number =>
  features.reduce((sum, value) => sum + value * value, 0) / labels.length || 1

/**
 * Probabilities of each row from heads that were trained without its group, at the strength of the
 * penalty with the least calibrated loss. Strengths are tried from the strongest, each starting from
 * the weights of the one before, until two in a row are no better. A label that the training part of a fold lacks
 * has a low probability there. Row weights count in training, not in the loss or the temperature.
 * @throws AppError `invalid-request` as `trainHead`, and when there are fewer than two groups
 */
export const crossValidated = ({
  groups,
  folds: wanted = FOLDS,
  seed = 0,
  ...rows
}: CrossValidationOptions): CrossValidation => {
  checkRows(rows)
  const { fold, folds } = assignFolds(groups, rows.labels, rows.classes, { folds: wanted, seed })
  if (folds < 2) throw invalid('cross-validation needs at least two groups')
  const parts = makeFolds(rows, fold, folds)
  const scale = meanSquareNorm(rows)
  let worse = 0
  let best: (Omit<CrossValidation, 'probabilities'> & { logits: Float32Array }) | null = null
  for (const relative of RELATIVE_L2) {
    const l2 = relative * scale
    const logits = outOfFold(parts, rows, l2)
    const temperature = calibrateTemperature(logits, rows.labels, rows.classes)
    const loss =
      scaledLoss(logits, rows.labels, rows.classes, temperature).loss / rows.labels.length
    if (!best || loss < best.loss) {
      best = { logits, l2, temperature, loss }
      worse = 0
    } else if (++worse === 2) break
  }
  const { logits, ...chosen } = best!
  return {
    ...chosen,
    probabilities: toProbabilities(logits, rows.classes, chosen.temperature),
  }
}
