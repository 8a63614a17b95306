/**
 * The function that training minimizes: the rows' negative log probabilities, weighted and summed,
 * plus an L2 penalty; with its gradient and an approximation of its second derivatives.
 */
import { factorize, solve } from './cholesky.ts'
import { denseBackward, denseForward } from './dense-products.ts'

export interface HeadRows {
  /** `[rows, dims]`, row-major */
  features: Float32Array
  dims: number
  /** the right class of each row, 0 to `classes` − 1 */
  labels: Int32Array
  classes: number
  /** multiplies a row's loss; 1 where absent */
  weights?: Float32Array
}

export interface Penalty {
  /** of the weights */
  l2: number
  /** of the biases */
  biasL2: number
}

export interface SoftmaxLoss {
  /** numbers of a point: `[classes, dims + 1]`, the bias last */
  size: number
  /** Writes the gradient into zeros and returns the value, nats. */
  evaluate(point: Float64Array, gradient: Float64Array): number
  /** Multiplies by an approximate inverse of the second derivatives, in place. */
  precondition(vector: Float64Array): void
}

/** Rows of a pass: bounds the memory for their products and keeps them in the cache. */
const CHUNK_ROWS = 256

/** The features with a column of ones, so that the bias is one more weight. */
const withConstant = (features: Float32Array, dims: number): Float32Array => {
  const rows = features.length / dims
  const extended = new Float32Array(rows * (dims + 1)).fill(1)
  for (let row = 0; row < rows; row++) {
    extended.set(features.subarray(row * dims, (row + 1) * dims), row * (dims + 1))
  }
  return extended
}

/**
 * Turns the logits of one row into probabilities, in place.
 * @returns ln Σ exp(logit)
 */
export const softmaxInPlace = (
  logits: Float64Array | Float32Array,
  from: number,
  classes: number
): number => {
  let highest = -Infinity
  for (let c = 0; c < classes; c++) highest = Math.max(highest, logits[from + c]!)
  let sum = 0
  for (let c = 0; c < classes; c++) sum += Math.exp(logits[from + c]! - highest)
  const total = highest + Math.log(sum)
  for (let c = 0; c < classes; c++) logits[from + c] = Math.exp(logits[from + c]! - total)
  return total
}

/**
 * `Σ_r weight_r · x_r·x_rᵀ · (1 − 1/classes) / classes + penalty`: the second derivatives for one
 * class when all classes are equally probable (Böhning 1992, Ann. Inst. Stat. Math. 44:197). One
 * factorization serves all classes.
 */
const secondDerivatives = (
  extended: Float32Array,
  { dims, classes, weights }: HeadRows,
  { l2, biasL2 }: Penalty
): Float64Array => {
  const width = dims + 1
  const rows = extended.length / width
  const curvature = (1 - 1 / classes) / classes
  const matrix = new Float64Array(width * width)
  for (let from = 0; from < rows; from += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, rows - from)
    const features = extended.subarray(from * width, (from + count) * width)
    const scaled = Float64Array.from(
      features,
      (value, at) => value * curvature * (weights?.[from + Math.floor(at / width)] ?? 1)
    )
    denseBackward(features, scaled, matrix, { rows: count, dims: width, outputs: width })
  }
  for (let k = 0; k < width; k++) matrix[k * width + k]! += k < dims ? l2 : biasL2
  return matrix
}

/** Value and residuals (probability minus right answer, weighted) of one chunk; in place of logits. */
const residualsInPlace = (logits: Float64Array, rows: HeadRows, from: number, count: number) => {
  let loss = 0
  for (let row = 0; row < count; row++) {
    const at = row * rows.classes
    const right = at + rows.labels[from + row]!
    const weight = rows.weights?.[from + row] ?? 1
    const logit = logits[right]!
    loss += weight * (softmaxInPlace(logits, at, rows.classes) - logit)
    logits[right]! -= 1
    if (weight !== 1) for (let c = at; c < at + rows.classes; c++) logits[c]! *= weight
  }
  return loss
}

export const createSoftmaxLoss = (rows: HeadRows, penalty: Penalty): SoftmaxLoss => {
  const { dims, classes, labels } = rows
  const width = dims + 1
  const extended = withConstant(rows.features, dims)
  const factor = secondDerivatives(extended, rows, penalty)
  factorize(factor, width)
  const logits = new Float64Array(CHUNK_ROWS * classes)
  return {
    size: classes * width,
    evaluate: (point, gradient) => {
      let loss = 0
      for (let at = 0; at < point.length; at++) {
        const strength = at % width < dims ? penalty.l2 : penalty.biasL2
        loss += (strength / 2) * point[at]! ** 2
        gradient[at] = strength * point[at]!
      }
      for (let from = 0; from < labels.length; from += CHUNK_ROWS) {
        const count = Math.min(CHUNK_ROWS, labels.length - from)
        const shape = { rows: count, dims: width, outputs: classes }
        const features = extended.subarray(from * width, (from + count) * width)
        denseForward(features, point, logits, shape)
        loss += residualsInPlace(logits, rows, from, count)
        denseBackward(features, logits, gradient, shape)
      }
      return loss
    },
    precondition: (vector) => {
      for (let c = 0; c < classes; c++) solve(factor, width, vector, c * width)
    },
  }
}
