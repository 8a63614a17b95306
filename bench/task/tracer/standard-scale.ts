/** Columns with mean 0 and deviation 1, as scikit-learn's StandardScaler makes them. Pure. */

export interface StandardScale {
  /** `[dims]` */
  means: Float64Array
  /** `[dims]`; 1 for a constant column */
  deviations: Float64Array
}

const columnMeans = (
  features: Float32Array,
  dims: number,
  valueOf: (value: number, column: number) => number
): Float64Array => {
  const sums = new Float64Array(dims)
  for (let at = 0; at < features.length; at++) sums[at % dims]! += valueOf(features[at]!, at % dims)
  return sums.map((sum) => (sum * dims) / features.length)
}

/** @param features `[rows, dims]`, at least one row */
export const standardScale = (features: Float32Array, dims: number): StandardScale => {
  const means = columnMeans(features, dims, (value) => value)
  const variances = columnMeans(features, dims, (value, k) => (value - means[k]!) ** 2)
  return { means, deviations: variances.map((variance) => Math.sqrt(variance) || 1) }
}

/** @param features `[rows, dims]` */
export const scaled = (
  { means, deviations }: StandardScale,
  features: Float32Array
): Float32Array => {
  const dims = means.length
  return features.map((value, at) => (value - means[at % dims]!) / deviations[at % dims]!)
}
