/**
 * Operations on vectors (level 1 of BLAS). Sums are float64 and in the order of the places, so the same numbers give
 * the same bits. What the minimizer calls takes one kind of array: a function that has seen two is slower for both.
 */

export type Vector = Float64Array | Float32Array

/** `Σ_k a[k] · b[k]`; both are equally long. */
export const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!
  return sum
}

/** `target[k] += factor · vector[k]`, for each number of `vector`; the target may be longer. */
export const addScaled = (target: Float64Array, factor: number, vector: Float64Array): void => {
  for (let k = 0; k < vector.length; k++) target[k]! += factor * vector[k]!
}

/** `vector[k] *= factor` */
export const multiply = (vector: Float64Array, factor: number): void => {
  for (let k = 0; k < vector.length; k++) vector[k]! *= factor
}

/** `vector[k] /= divisors[k]` */
export const divideEach = <Numbers extends Vector>(vector: Numbers, divisors: Numbers): Numbers => {
  for (let k = 0; k < vector.length; k++) vector[k]! /= divisors[k]!
  return vector
}

/** `vector[place] += value` */
export const addAt = (vector: Vector, place: number, value: number): void => {
  vector[place]! += value
}

/** The largest of `count` numbers from `from` on. */
export const largest = (vector: Vector, from: number, count: number): number => {
  let most = -Infinity
  for (let k = from; k < from + count; k++) most = Math.max(most, vector[k]!)
  return most
}
