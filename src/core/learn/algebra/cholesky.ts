/** The inverse of a symmetric positive definite matrix, by Cholesky's factorization. */
import { addScaled } from './vectors.ts'

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
export const invert = (matrix: Float64Array, size: number): Float64Array => {
  const factor = factorize(matrix, size)
  const upwards = factor.toReversed()
  const inverse = new Float64Array(size * size)
  for (let row = 0; row < size; row++) {
    inverse[row * size + row] = 1
    solve(factor, upwards, inverse.subarray(row * size, (row + 1) * size))
  }
  return inverse
}
