/**
 * Rows of features of which most are zero, and the matrix products of a layer on them. A pass goes through all
 * rows for one output, whose weights then stay in the cache.
 */
import type { DenseShape } from './dense-products.ts'

/** The features of a row that are not zero. */
export interface SparseRow {
  /** which ones; none is there twice */
  places: Uint16Array
  /** as many as places */
  values: Float32Array
}

export type SparseRows = readonly SparseRow[]

/** Rows as lists of place and value. They share their memory: two arrays for each row take longer to make. */
export const sparseRows = (rows: readonly ReadonlyMap<number, number>[]): SparseRows => {
  const places = new Uint16Array(rows.reduce((sum, { size }) => sum + size, 0))
  const values = new Float32Array(places.length)
  let end = 0
  return rows.map((entries) => {
    const start = end
    end += entries.size
    places.set([...entries.keys()], start)
    values.set([...entries.values()], start)
    return { places: places.subarray(start, end), values: values.subarray(start, end) }
  })
}

/** The rows with a column of ones behind their features. */
export const sparseWithConstant = (rows: SparseRows, dims: number): SparseRows =>
  rows.map((row) => {
    const places = new Uint16Array(row.places.length + 1).fill(dims)
    const values = new Float32Array(places.length).fill(1)
    places.set(row.places)
    values.set(row.values)
    return { places, values }
  })

/** `Σ_k row[k] · weights[base + k]` */
const product = (
  { places, values }: SparseRow,
  weights: Float64Array | Float32Array,
  base: number
): number => {
  let sum = 0
  for (let at = 0; at < places.length; at++) sum += values[at]! * weights[base + places[at]!]!
  return sum
}

/** `target[base + k] += factor · row[k]` */
const addRow = (
  target: Float64Array,
  base: number,
  factor: number,
  { places, values }: SparseRow
): void => {
  for (let at = 0; at < places.length; at++) target[base + places[at]!]! += factor * values[at]!
}

/**
 * `products[r, o] = Σ_k features[r, k] · weights[o, k]`.
 * @param weights `[outputs, dims]`
 * @param products `[rows, outputs]`, overwritten
 */
export const sparseForward = (
  features: SparseRows,
  weights: Float64Array | Float32Array,
  products: Float64Array,
  { dims, outputs }: DenseShape
): void => {
  for (let output = 0; output < outputs; output++)
    for (let row = 0; row < features.length; row++)
      products[row * outputs + output] = product(features[row]!, weights, output * dims)
}

/**
 * `gradient[o, k] += Σ_r residuals[r, o] · features[r, k]`.
 * @param residuals `[rows, outputs]`
 * @param gradient `[outputs, dims]`, added to
 */
export const sparseBackward = (
  features: SparseRows,
  residuals: Float64Array,
  gradient: Float64Array,
  { dims, outputs }: DenseShape
): void => {
  for (let output = 0; output < outputs; output++)
    for (let row = 0; row < features.length; row++)
      addRow(gradient, output * dims, residuals[row * outputs + output]!, features[row]!)
}
