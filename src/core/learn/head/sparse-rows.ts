/**
 * Rows of features of which most are zero, and the matrix products of a layer on them. A pass goes through all
 * rows for one output, whose weights then stay in the cache.
 */
import type { DenseShape } from './dense-products.ts'

export interface SparseRows {
  /** `[rows + 1]`: where each row starts in `places` and `values`, and their end */
  starts: Uint32Array
  /** which features of a row are not zero; none is there twice */
  places: Uint16Array
  values: Float32Array
}

/** Rows as lists of place and value. */
export const sparseRows = (rows: readonly ReadonlyMap<number, number>[]): SparseRows => {
  const starts = new Uint32Array(rows.length + 1)
  for (const [row, { size }] of rows.entries()) starts[row + 1] = starts[row]! + size
  const places = new Uint16Array(starts[rows.length]!)
  const values = new Float32Array(places.length)
  for (const [row, entries] of rows.entries()) {
    places.set([...entries.keys()], starts[row])
    values.set([...entries.values()], starts[row])
  }
  return { starts, places, values }
}

export const rowCount = ({ starts }: SparseRows): number => starts.length - 1

/** The rows at `places`, in that order. */
export const selectSparse = (all: SparseRows, rows: readonly number[]): SparseRows => {
  const starts = new Uint32Array(rows.length + 1)
  for (const [at, row] of rows.entries())
    starts[at + 1] = starts[at]! + all.starts[row + 1]! - all.starts[row]!
  const places = new Uint16Array(starts[rows.length]!)
  const values = new Float32Array(places.length)
  for (const [at, row] of rows.entries()) {
    const [from, to] = [all.starts[row], all.starts[row + 1]]
    places.set(all.places.subarray(from, to), starts[at])
    values.set(all.values.subarray(from, to), starts[at])
  }
  return { starts, places, values }
}

/** The rows with a column of ones behind their features. */
export const sparseWithConstant = (all: SparseRows, dims: number): SparseRows => {
  const rows = rowCount(all)
  const starts = all.starts.map((start, row) => start + row)
  const places = new Uint16Array(all.places.length + rows).fill(dims)
  const values = new Float32Array(places.length).fill(1)
  for (let row = 0; row < rows; row++) {
    places.set(all.places.subarray(all.starts[row], all.starts[row + 1]), starts[row])
    values.set(all.values.subarray(all.starts[row], all.starts[row + 1]), starts[row])
  }
  return { starts, places, values }
}

/**
 * `products[r, o] = Σ_k features[from + r, k] · weights[o, k]`.
 * @param weights `[outputs, dims]`
 * @param products `[rows, outputs]`, overwritten
 */
export const sparseForward = (
  { starts, places, values }: SparseRows,
  from: number,
  weights: Float64Array | Float32Array,
  products: Float64Array,
  { rows, dims, outputs }: DenseShape
): void => {
  for (let output = 0; output < outputs; output++) {
    const base = output * dims
    for (let row = 0; row < rows; row++) {
      let sum = 0
      const end = starts[from + row + 1]!
      for (let at = starts[from + row]!; at < end; at++)
        sum += values[at]! * weights[base + places[at]!]!
      products[row * outputs + output] = sum
    }
  }
}

/**
 * `gradient[o, k] += Σ_r residuals[r, o] · features[from + r, k]`.
 * @param residuals `[rows, outputs]`
 * @param gradient `[outputs, dims]`, added to
 */
export const sparseBackward = (
  { starts, places, values }: SparseRows,
  from: number,
  residuals: Float64Array,
  gradient: Float64Array,
  { rows, dims, outputs }: DenseShape
): void => {
  for (let output = 0; output < outputs; output++) {
    const base = output * dims
    for (let row = 0; row < rows; row++) {
      const residual = residuals[row * outputs + output]!
      const end = starts[from + row + 1]!
      for (let at = starts[from + row]!; at < end; at++)
        gradient[base + places[at]!]! += residual * values[at]!
    }
  }
}
