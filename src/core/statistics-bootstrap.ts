/**
 * Resampling: the cluster bootstrap for graded similarities and the effective
 * sample size of clustered binary outcomes. Knows nothing of what the clusters are.
 */

export interface ClusterSums {
  /** sum of the values of each cluster */
  sums: Float64Array
  /** number of values of each cluster */
  counts: Float64Array
}

/** Adds values up by cluster; clusters in the order of their first value. */
export const sumByCluster = (values: ArrayLike<number>, clusters: string[]): ClusterSums => {
  const place = new Map<string, number>()
  for (const cluster of clusters) if (!place.has(cluster)) place.set(cluster, place.size)
  const sums = new Float64Array(place.size)
  const counts = new Float64Array(place.size)
  clusters.forEach((cluster, i) => {
    const at = place.get(cluster)!
    sums[at]! += values[i]!
    counts[at]! += 1
  })
  return { sums, counts }
}

/**
 * Lower confidence bound on a mean by the cluster bootstrap: whole clusters are drawn with
 * replacement, the alpha quantile of the resampled means is the bound (percentile method, Efron
 * and Tibshirani 1993, ch. 13). For paired data the values are the differences.
 * @param values one a row; `clusters[i]` names the cluster of `values[i]`
 * @returns the bound; −Infinity without rows
 */
export const bootstrapLowerBound = (
  values: ArrayLike<number>,
  clusters: string[],
  { alpha, random, draws = 10_000 }: { alpha: number; random: () => number; draws?: number }
): number => {
  const { sums, counts } = sumByCluster(values, clusters)
  const size = sums.length
  if (size === 0) return -Infinity
  const means = new Float64Array(draws)
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0
    let count = 0
    for (let i = 0; i < size; i++) {
      const pick = Math.floor(random() * size)
      sum += sums[pick]!
      count += counts[pick]!
    }
    means[draw] = sum / count
  }
  means.sort()
  return means[Math.max(0, Math.ceil(alpha * draws) - 1)]!
}

/**
 * Rows that a clustered sample of binary outcomes is worth (Kish's design effect, used with exact
 * binomial tails as Korn and Graubard 1998, Survey Methodology 24:193, do). Rows in clusters of
 * their own are worth exactly themselves. Without any variance among the rows the clusters are all
 * there is to count.
 */
export const effectiveRows = (outcomes: ArrayLike<number>, clusters: string[]): number => {
  const rows = clusters.length
  const { sums, counts } = sumByCluster(outcomes, clusters)
  const size = sums.length
  if (size === rows || size < 2) return size
  const mean = sums.reduce((a, b) => a + b, 0) / rows
  if (mean === 0 || mean === 1) return size
  let spread = 0
  for (let i = 0; i < size; i++) spread += (sums[i]! - mean * counts[i]!) ** 2
  const clustered = ((size / (size - 1)) * spread) / (rows * rows)
  const independent = (mean * (1 - mean)) / rows
  return Math.max(1, rows / Math.max(1, clustered / independent))
}
