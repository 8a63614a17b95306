/**
 * The function that training minimizes: the rows' negative log probabilities, weighted and summed,
 * plus an L2 penalty; with its gradient and an approximate inverse of its second derivatives.
 */
import { denseBackward, denseForward, type DenseShape } from '../algebra/dense-products.ts'
import {
  sparseBackward,
  sparseForward,
  sparseWithConstant,
  type SparseRows,
} from '../algebra/sparse-rows.ts'
import { addAt, addScaled, divideEach, largest, multiply, type Vector } from '../algebra/vectors.ts'

/** A row of the factor L, where L·Lᵀ is the matrix. */
interface FactorRow {
  /** left of the diagonal; as many as there are rows above */
  before: Float64Array
  diagonal: number
}

/** `vector[n] − Σ_k vector[k] · before[k]`, where n is the length of `before`: a step of a triangular solution. */
const remainder = (vector: Float64Array, before: Float64Array): number => {
  let rest = vector[before.length]!
  for (let k = 0; k < before.length; k++) rest -= vector[k]! * before[k]!
  return rest
}

/**
 * Overwrites the lower triangle of `matrix` `[size, size]`.
 * @throws RangeError when the matrix is not positive definite
 */
const factorize = (matrix: Float64Array, size: number): FactorRow[] => {
  const factor: FactorRow[] = []
  for (let row = 0; row < size; row++) {
    const values = matrix.subarray(row * size, (row + 1) * size)
    for (const [column, { before, diagonal }] of factor.entries())
      values[column] = remainder(values, before) / diagonal
    const before = values.subarray(0, row)
    const square = remainder(values, before)
    if (!(square > 0)) throw new RangeError(`the matrix is not positive definite in row ${row}`)
    factor.push({ before, diagonal: Math.sqrt(square) })
  }
  return factor
}

/**
 * Solves L·Lᵀ·x = `vector` in place.
 * @param upwards the rows of the factor, the last one first
 */
const solve = (
  factor: readonly FactorRow[],
  upwards: readonly FactorRow[],
  vector: Float64Array
): void => {
  for (const [row, { before, diagonal }] of factor.entries())
    vector[row] = remainder(vector, before) / diagonal
  for (const { before, diagonal } of upwards) {
    const value = vector[before.length]! / diagonal
    vector[before.length] = value
    addScaled(vector, -value, before)
  }
}

/**
 * @param matrix `[size, size]`; its lower triangle is overwritten
 * @returns the inverse, `[size, size]`
 * @throws RangeError when the matrix is not positive definite
 */
const invert = (matrix: Float64Array, size: number): Float64Array => {
  const factor = factorize(matrix, size)
  const upwards = factor.toReversed()
  const inverse = new Float64Array(size * size)
  for (let row = 0; row < size; row++) {
    inverse[row * size + row] = 1
    solve(factor, upwards, inverse.subarray(row * size, (row + 1) * size))
  }
  return inverse
}

/** `[rows, dims]`, row-major, or those that are not zero. */
export type Features = Float32Array | SparseRows

export interface HeadRows<Rows extends Features = Float32Array> {
  features: Rows
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
}

/** Rows of a pass: bounds the memory for their products and keeps them in the cache. */
const CHUNK_ROWS = 256

/** The features with a column of ones, so that the bias is one more weight. */
const denseWithConstant = (features: Float32Array, dims: number): Float32Array => {
  const rows = features.length / dims
  const extended = new Float32Array(rows * (dims + 1)).fill(1)
  for (let row = 0; row < rows; row++) {
    extended.set(features.subarray(row * dims, (row + 1) * dims), row * (dims + 1))
  }
  return extended
}

/** The products of a layer with some of the rows, from `from` on; both as in `algebra/dense-products.ts`. */
interface Layer {
  forward(weights: Float64Array, products: Float64Array, from: number, shape: DenseShape): void
  backward(residuals: Float64Array, gradient: Float64Array, from: number, shape: DenseShape): void
}

const denseLayer = (features: Float32Array): Layer => {
  const part = (from: number, { rows, dims }: DenseShape) =>
    features.subarray(from * dims, (from + rows) * dims)
  return {
    forward: (weights, products, from, shape) =>
      denseForward(part(from, shape), weights, products, shape),
    backward: (residuals, gradient, from, shape) =>
      denseBackward(part(from, shape), residuals, gradient, shape),
  }
}

const sparseLayer = (features: SparseRows): Layer => {
  const part = (from: number, { rows }: DenseShape) => features.slice(from, from + rows)
  return {
    forward: (weights, products, from, shape) =>
      sparseForward(part(from, shape), weights, products, shape),
    backward: (residuals, gradient, from, shape) =>
      sparseBackward(part(from, shape), residuals, gradient, shape),
  }
}

const layerOf = ({ features, dims }: HeadRows<Features>): Layer =>
  features instanceof Float32Array
    ? denseLayer(denseWithConstant(features, dims))
    : sparseLayer(sparseWithConstant(features, dims))

/**
 * Turns the logits of one row into probabilities, in place.
 * @returns ln Σ exp(logit)
 */
export const softmaxInPlace = (logits: Vector, from: number, classes: number): number => {
  const highest = largest(logits, from, classes)
  let sum = 0
  for (let c = 0; c < classes; c++) sum += Math.exp(logits[from + c]! - highest)
  const total = highest + Math.log(sum)
  for (let c = 0; c < classes; c++) logits[from + c] = Math.exp(logits[from + c]! - total)
  return total
}

/** Of one class when all classes are equally probable (Böhning 1992, Ann. Inst. Stat. Math. 44:197). */
const curvatureOf = (classes: number): number => (1 - 1 / classes) / classes

/**
 * `Σ_r weight_r · x_r·x_rᵀ · curvature + penalty`: the second derivatives for one class. One inverse serves
 * all classes.
 */
const secondDerivatives = (
  features: Float32Array,
  { dims, classes, weights }: HeadRows<Features>,
  { l2, biasL2 }: Penalty
): Float64Array => {
  const width = dims + 1
  const extended = denseWithConstant(features, dims)
  const rows = extended.length / width
  const curvature = curvatureOf(classes)
  const matrix = new Float64Array(width * width)
  for (let from = 0; from < rows; from += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, rows - from)
    const part = extended.subarray(from * width, (from + count) * width)
    const scaled = Float64Array.from(
      part,
      (value, at) => value * curvature * (weights?.[from + Math.floor(at / width)] ?? 1)
    )
    denseBackward(part, scaled, matrix, { rows: count, dims: width, outputs: width })
  }
  for (let k = 0; k < width; k++) addAt(matrix, k * width + k, k < dims ? l2 : biasL2)
  return matrix
}

/** Their diagonal. Of features that are rarely in one row with others it is most of them. */
const diagonalDerivatives = (
  features: SparseRows,
  { dims, classes, weights }: HeadRows<Features>,
  { l2, biasL2 }: Penalty
): Float64Array => {
  const curvature = curvatureOf(classes)
  const diagonal = new Float64Array(dims + 1).fill(l2)
  diagonal[dims] = biasL2
  for (const [row, { places, values }] of sparseWithConstant(features, dims).entries()) {
    const weight = curvature * (weights?.[row] ?? 1)
    for (const [at, place] of places.entries()) addAt(diagonal, place, weight * values[at]! ** 2)
  }
  return diagonal
}

/** Value and residuals (probability minus right answer, weighted) of one chunk; in place of logits. */
const residualsInPlace = (
  logits: Float64Array,
  rows: HeadRows<Features>,
  from: number,
  count: number
) => {
  let loss = 0
  for (let row = 0; row < count; row++) {
    const at = row * rows.classes
    const right = at + rows.labels[from + row]!
    const weight = rows.weights?.[from + row] ?? 1
    const logit = logits[right]!
    loss += weight * (softmaxInPlace(logits, at, rows.classes) - logit)
    addAt(logits, right, -1)
    if (weight !== 1) multiply(logits.subarray(at, at + rows.classes), weight)
  }
  return loss
}

const densePreconditioner = (
  features: Float32Array,
  rows: HeadRows<Features>,
  penalty: Penalty
): ((vector: Float64Array) => void) => {
  const width = rows.dims + 1
  const shape = { rows: rows.classes, dims: width, outputs: width }
  const inverse = invert(secondDerivatives(features, rows, penalty), width)
  const copy = new Float32Array(rows.classes * width)
  return (vector) => {
    copy.set(vector)
    // the inverse is symmetric
    denseForward(copy, inverse, vector, shape)
  }
}

/**
 * Multiplies a point's numbers by an approximate inverse of the second derivatives, in place. It serves
 * parts of the rows, too, since an approximation is enough.
 */
export const createPreconditioner = (
  rows: HeadRows<Features>,
  penalty: Penalty
): ((vector: Float64Array) => void) => {
  const { features } = rows
  if (features instanceof Float32Array) return densePreconditioner(features, rows, penalty)
  const diagonal = diagonalDerivatives(features, rows, penalty)
  return (vector) => {
    for (let from = 0; from < vector.length; from += diagonal.length)
      divideEach(vector.subarray(from, from + diagonal.length), diagonal)
  }
}

export const createSoftmaxLoss = (rows: HeadRows<Features>, penalty: Penalty): SoftmaxLoss => {
  const { dims, classes, labels } = rows
  const width = dims + 1
  const layer = layerOf(rows)
  const logits = new Float64Array(CHUNK_ROWS * classes)
  return {
    size: classes * width,
    evaluate: (point, gradient) => {
      let loss = 0
      for (let from = 0; from < point.length; from += width) {
        for (let k = 0; k < width; k++) {
          const strength = k < dims ? penalty.l2 : penalty.biasL2
          const value = point[from + k]!
          loss += (strength / 2) * value * value
          gradient[from + k] = strength * value
        }
      }
      for (let from = 0; from < labels.length; from += CHUNK_ROWS) {
        const count = Math.min(CHUNK_ROWS, labels.length - from)
        const shape = { rows: count, dims: width, outputs: classes }
        layer.forward(point, logits, from, shape)
        loss += residualsInPlace(logits, rows, from, count)
        layer.backward(logits, gradient, from, shape)
      }
      return loss
    },
  }
}
