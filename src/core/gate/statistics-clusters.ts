/**
 * Statistics of clustered values: the effective sample size, and the cluster bootstrap for graded
 * similarities. Knows nothing of conversations.
 */

/**
 * Effective sample size of clustered rows, updated row by row: (Σn)² / Σn² over the sizes n of the
 * clusters. This is Kish's design effect with an intra-class correlation of 1, used with exact
 * binomial tails like Korn and Graubard 1998, Survey Methodology 24:193. The correlation is not
 * estimated, so that the value depends on the sizes only:
 * docs/decisions/2026-11-28-conversations-counted-whole.md.
 */
export const createEffectiveRows = () => {
  const sizes = new Map<string, number>()
  let rows = 0
  let squares = 0
  return {
    add(cluster: string): void {
      const size = sizes.get(cluster) ?? 0
      sizes.set(cluster, size + 1)
      rows++
      squares += 2 * size + 1
    },
    /** 0 without rows */
    read: (): number => (rows === 0 ? 0 : (rows * rows) / squares),
  }
}

/** Effective sample size of all rows at once. @param clusters name of the cluster of each row */
export const effectiveRows = (clusters: Iterable<string>): number => {
  const counter = createEffectiveRows()
  for (const cluster of clusters) counter.add(cluster)
  return counter.read()
}

interface ClusterSums {
  /** sum of the values of each cluster */
  sums: Float64Array
  /** number of values of each cluster */
  counts: Float64Array
}

/** Sums of the values by cluster; clusters in the order of their first value. */
const sumByCluster = (values: ArrayLike<number>, clusters: string[]): ClusterSums => {
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
 * and Tibshirani 1993, ch. 13). For paired data the values are the differences. 0 < alpha < 1.
 * @param values one value for each row, at least one; `clusters[i]` names the cluster of `values[i]`
 */
export const bootstrapLowerBound = (
  values: ArrayLike<number>,
  clusters: string[],
  { alpha, random, draws = 10_000 }: { alpha: number; random: () => number; draws?: number }
): number => {
  const { sums, counts } = sumByCluster(values, clusters)
  const size = sums.length
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
  return means[Math.ceil(alpha * draws) - 1]!
}
