/**
 * Distributions, exact binomial bounds and the paired score test behind the gate's decisions.
 * Numbers in, numbers out; knows nothing of exchanges, arms or thresholds.
 */

/** Lanczos approximation, g = 7, n = 9: relative error below 1e-13 for x > 0. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
]

const logGamma = (x: number): number => {
  const z = x - 1
  const t = z + 7.5
  const series = LANCZOS.reduce((sum, c, i) => (i === 0 ? c : sum + c / (z + i)), 0)
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(series)
}

/** Continued fraction of the incomplete beta function, modified Lentz (DLMF 8.17.22). */
const betaFraction = (x: number, a: number, b: number): number => {
  const tiny = 1e-300
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let result = d
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    const factor = d * c
    result *= factor
    if (Math.abs(factor - 1) < 1e-14) break
  }
  return result
}

/** Regularized incomplete beta function I_x(a, b) for a, b > 0 (DLMF 8.17). */
export const incompleteBeta = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)
  )
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b
}

/**
 * P(X ≤ k) for X ~ Binomial(n, p). n and k may be fractional (effective sample sizes); p below 0
 * counts as 0 and p above 1 as 1.
 */
export const binomialLowerTail = (k: number, n: number, p: number): number => {
  if (k < 0) return 0
  if (k >= n) return 1
  return incompleteBeta(1 - p, n - k, k + 1)
}

/** Largest x in [low, high] with f(x) ≥ target for a falling function f, to 1e-12. */
export const bisectFalling = (
  f: (x: number) => number,
  target: number,
  low: number,
  high: number
): number => {
  let [inside, outside] = [low, high]
  while (outside - inside > 1e-12) {
    const middle = (inside + outside) / 2
    if (f(middle) >= target) inside = middle
    else outside = middle
  }
  return (inside + outside) / 2
}

/**
 * Exact one-sided lower confidence bound on a proportion (Clopper and Pearson 1934).
 * @param successes may be fractional when the trials are an effective sample size
 * @returns bound in [0, 1] that the true proportion exceeds with probability ≥ 1 − alpha
 */
export const proportionLowerBound = (successes: number, trials: number, alpha: number): number => {
  if (successes <= 0) return 0
  // P(X ≥ successes | p) = I_p(successes, trials − successes + 1) = alpha
  return bisectFalling(
    (p) => 1 - incompleteBeta(p, successes, trials - successes + 1),
    1 - alpha,
    0,
    1
  )
}

/** Standard normal distribution function (Marsaglia 2004, J. Stat. Softw. 11(4), series form). */
export const normalCdf = (x: number): number => {
  if (x < -8) return 0
  if (x > 8) return 1
  // the series would never come to rest
  if (Number.isNaN(x)) return x
  let sum = x
  let previous = Number.NaN
  let term = x
  for (let i = 3; sum !== previous; i += 2) {
    previous = sum
    term *= (x * x) / i
    sum += term
  }
  return 0.5 + (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI)
}

export const normalQuantile = (probability: number): number =>
  bisectFalling((x) => 1 - normalCdf(x), 1 - probability, -8, 8)

/** Paired binary outcomes; the other pairs have both methods right or both wrong. */
export interface PairedCounts {
  /** at least 1 */
  pairs: number
  /** pairs where only the new method is right */
  onlyNew: number
  /** pairs where only the reference is right */
  onlyReference: number
}

/**
 * Score statistic of H0: p_new − p_reference = delta (Tango 1998, Stat. Med. 17:891, eq. 4).
 * Finite with zero discordant pairs, for any delta in (−1, 1).
 */
const tangoScore = (counts: PairedCounts, delta: number): number => {
  const { pairs: n, onlyNew: b, onlyReference: c } = counts
  // restricted maximum likelihood of the reference-only cell: A q² + B q + C = 0
  const linear = -b - c + (2 * n - b + c) * delta
  const constant = -c * delta * (1 - delta)
  const root = Math.sqrt(Math.max(0, linear * linear - 8 * n * constant))
  const q = (root - linear) / (4 * n)
  const variance = n * (2 * q + delta * (1 - delta))
  return (b - c - n * delta) / Math.sqrt(Math.max(Number.MIN_VALUE, variance))
}

/**
 * Lower confidence bound on the difference of two paired proportions, new − reference.
 * Tango 1998, Stat. Med. 17:891; valid with zero discordant pairs.
 * @returns bound in [−1, 1]
 */
export const tangoLowerBound = (counts: PairedCounts, alpha: number): number => {
  const z = normalQuantile(1 - alpha)
  return bisectFalling((delta) => tangoScore(counts, delta), z, -1 + 1e-12, 1 - 1e-12)
}

/** One-sided p-value of H0: new − reference ≤ −margin (non-inferiority), 0 < margin < 1. */
export const tangoNonInferiority = (counts: PairedCounts, margin: number): number =>
  1 - normalCdf(tangoScore(counts, -margin))
