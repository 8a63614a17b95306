/** Paired differences of arms and their intervals. Numbers in, numbers out. */
import { groupBy } from '../../../src/core/group-by.ts'
import { bisectFalling, incompleteBeta, normalCdf } from '../../../src/core/gate/statistics.ts'

/** P(T ≤ t) of Student's distribution with `degrees` degrees of freedom (DLMF 8.17, t ≥ 0). */
const studentCdf = (t: number, degrees: number): number =>
  1 - incompleteBeta(degrees / (degrees + t * t), degrees / 2, 1 / 2) / 2

const LARGEST_T = 1e4

/** The t below which `probability` of Student's distribution lies; 0.5 ≤ probability < 1. */
export const studentQuantile = (probability: number, degrees: number): number =>
  bisectFalling((t) => 1 - studentCdf(t, degrees), 1 - probability, 0, LARGEST_T)

/**
 * One-sided level at which the percentiles of a bootstrap of the mean of `size` values are taken, so
 * that the interval has the width of Student's: the percentile interval of a few values is too narrow
 * (Hesterberg 2015, The American Statistician 69:371, "expanded percentile").
 */
export const expandedLevel = (alpha: number, size: number): number => {
  const t = studentQuantile(1 - alpha, size - 1)
  return normalCdf(-t * Math.sqrt(size / (size - 1)))
}

export interface Interval {
  mean: number
  low: number
  high: number
}

export interface BootstrapOptions {
  /** 0.95: the interval leaves out 2.5 % at each end */
  level: number
  random: () => number
  draws?: number
}

/** With fewer there is no interval: the bootstrap has too few different draws. */
export const LEAST_CLUSTERS = 4

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/**
 * Two-sided interval of a mean by the cluster bootstrap: whole clusters are drawn with replacement,
 * percentiles at the expanded level.
 * @param clusters the values of each cluster
 * @returns null with fewer than four clusters
 */
export const clusterInterval = (
  clusters: readonly (readonly number[])[],
  { level, random, draws = 20_000 }: BootstrapOptions
): Interval | null => {
  if (clusters.length < LEAST_CLUSTERS) return null
  const means: number[] = []
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0
    let count = 0
    for (let place = 0; place < clusters.length; place++) {
      const drawn = clusters[Math.floor(random() * clusters.length)]!
      for (const value of drawn) sum += value
      count += drawn.length
    }
    means.push(sum / count)
  }
  means.sort((a, b) => a - b)
  const tail = expandedLevel((1 - level) / 2, clusters.length)
  const cut = Math.floor(tail * draws)
  return { mean: mean(clusters.flat()), low: means[cut]!, high: means[draws - 1 - cut]! }
}

/** Accuracy of one arm on one subject with one seed, 0 to 1. */
export interface Accuracy {
  subject: string
  seed: number
  accuracy: number
}

export interface Difference {
  /** points */
  mean: number
  /** points; null with too few clusters */
  interval: Interval | null
  pairs: number
  clusters: number
}

const pairKey = ({ subject, seed }: Accuracy): string => `${subject}/${seed}`

/**
 * Differences a − b in points, paired by subject and seed. The clusters are the subjects; where there
 * are fewer than four of them, each pair is a cluster, and the interval speaks of these subjects only.
 * @returns null without a pair
 */
export const pairedDifference = (
  a: readonly Accuracy[],
  b: readonly Accuracy[],
  options: BootstrapOptions
): Difference | null => {
  const others = new Map(b.map((other) => [pairKey(other), other.accuracy]))
  const pairs = a.flatMap((one) => {
    const other = others.get(pairKey(one))
    return other === undefined ? [] : [{ ...one, points: 100 * (one.accuracy - other) }]
  })
  if (pairs.length === 0) return null
  const bySubject = groupBy(pairs, ({ subject }) => subject)
  const grouped = bySubject.size >= LEAST_CLUSTERS ? bySubject : groupBy(pairs, pairKey)
  const clusters = [...grouped.values()].map((group) => group.map(({ points }) => points))
  return {
    mean: mean(pairs.map(({ points }) => points)),
    interval: clusterInterval(clusters, options),
    pairs: pairs.length,
    clusters: clusters.length,
  }
}
