/** Cholesky's factorization of a symmetric positive definite matrix, and solving with it. */

/**
 * Replaces the lower triangle of `matrix` `[size, size]` with its factor L, where L·Lᵀ is the matrix.
 * @throws RangeError when the matrix is not positive definite
 */
export const factorize = (matrix: Float64Array, size: number): void => {
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * size + column]!
      for (let k = 0; k < column; k++) {
        sum -= matrix[row * size + k]! * matrix[column * size + k]!
      }
      if (row !== column) {
        matrix[row * size + column] = sum / matrix[column * size + column]!
        continue
      }
      if (!(sum > 0)) throw new RangeError(`the matrix is not positive definite in row ${row}`)
      matrix[row * size + row] = Math.sqrt(sum)
    }
  }
}

/** Solves L·Lᵀ·x = `vector[from, from + size)` in place; `factor` as `factorize` leaves it. */
export const solve = (
  factor: Float64Array,
  size: number,
  vector: Float64Array,
  from: number
): void => {
  for (let row = 0; row < size; row++) {
    let sum = vector[from + row]!
    for (let k = 0; k < row; k++) sum -= factor[row * size + k]! * vector[from + k]!
    vector[from + row] = sum / factor[row * size + row]!
  }
  for (let row = size - 1; row >= 0; row--) {
    const value = vector[from + row]! / factor[row * size + row]!
    vector[from + row] = value
    for (let k = 0; k < row; k++) vector[from + k]! -= factor[row * size + k]! * value
  }
}
