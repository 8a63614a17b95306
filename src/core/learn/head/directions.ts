/** Directions of vectors in eight bits. A head keeps those of its training rows, and compares requests with them. */

export interface Directions {
  dims: number
  /** `[rows, dims]`, each row scaled by its largest number */
  codes: Int8Array
  /** lengths of the rows of `codes` */
  norms: Float32Array
}

const HIGHEST_CODE = 127

const codesOf = (vectors: Float32Array, dims: number): Int8Array => {
  const codes = new Int8Array(vectors.length)
  for (let from = 0; from < vectors.length; from += dims) {
    let largest = 0
    for (let k = from; k < from + dims; k++) largest = Math.max(largest, Math.abs(vectors[k]!))
    const scale = largest === 0 ? 0 : HIGHEST_CODE / largest
    for (let k = from; k < from + dims; k++) codes[k] = Math.round(vectors[k]! * scale)
  }
  return codes
}

const normsOf = (codes: Int8Array, dims: number): Float32Array =>
  Float32Array.from({ length: codes.length / dims }, (_, row) => {
    let sum = 0
    for (let k = row * dims; k < (row + 1) * dims; k++) sum += codes[k]! ** 2
    return Math.sqrt(sum)
  })

/** @param codes `[rows, dims]`, as they were stored */
export const storedDirections = (codes: Int8Array, dims: number): Directions => ({
  dims,
  codes,
  norms: normsOf(codes, dims),
})

/** @param vectors `[rows, dims]` of any lengths */
export const directionsOf = (vectors: Float32Array, dims: number): Directions =>
  storedDirections(codesOf(vectors, dims), dims)

/** Cosine of a vector `[dims]` and the row at a place. */
export const cosineTo = (
  { codes, norms, dims }: Directions,
  vector: Float32Array
): ((place: number) => number) => {
  const length = Math.hypot(...vector)
  return (place) => {
    let sum = 0
    for (let k = 0, at = place * dims; k < dims; k++, at++) sum += codes[at]! * vector[k]!
    return Math.min(1, sum / (norms[place]! * length || 1))
  }
}

/** Cosine of two rows, by place. */
export const cosineBetween =
  ({ codes, norms, dims }: Directions) =>
  (place: number, other: number): number => {
    let sum = 0
    for (let k = 0; k < dims; k++) sum += codes[place * dims + k]! * codes[other * dims + k]!
    return sum / (norms[place]! * norms[other]! || 1)
  }
