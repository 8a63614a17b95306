/**
 * Exact error and power of the paired score test: sums over all outcomes instead of drawing them.
 */
import { binomialLowerTail, tangoNonInferiority } from '../../src/core/statistics.ts'

const pmf = (k: number, n: number, p: number): number =>
  p <= 0 ? Number(k === 0) : binomialLowerTail(k, n, p) - binomialLowerTail(k - 1, n, p)

/** Outcomes further out than this many standard deviations are left out. */
const REACH = 7

const range = (n: number, p: number): [number, number] => {
  const [mean, sd] = [n * p, Math.sqrt(n * p * (1 - p))]
  return [Math.max(0, Math.floor(mean - REACH * sd)), Math.min(n, Math.ceil(mean + REACH * sd) + 1)]
}

/**
 * Chance that non-inferiority is shown.
 * @param truth discordant share of all pairs, and the true difference new − reference
 */
export const chanceToPass = (
  pairs: number,
  truth: { discordance: number; difference: number },
  { margin, alpha }: { margin: number; alpha: number }
): number => {
  const onlyReferenceShare = (truth.discordance - truth.difference) / 2
  const onlyNewShare = (truth.discordance + truth.difference) / 2
  const given = onlyNewShare / (1 - onlyReferenceShare)
  const [first, last] = range(pairs, onlyReferenceShare)
  let chance = 0
  for (let onlyReference = first; onlyReference <= last; onlyReference++) {
    const rest = pairs - onlyReference
    const passes = (onlyNew: number): boolean =>
      tangoNonInferiority({ pairs, onlyNew, onlyReference }, margin) <= alpha
    // more pairs that only the new method gets right never hurt
    let [low, high] = [0, rest + 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (passes(middle)) high = middle
      else low = middle + 1
    }
    const atLeast = low > rest ? 0 : 1 - binomialLowerTail(low - 1, rest, given)
    chance += pmf(onlyReference, pairs, onlyReferenceShare) * atLeast
  }
  return chance
}

/** Fewest pairs at which the chance to pass at equality is at least `power`, to about one per cent. */
export const pairsForPower = (
  power: number,
  discordance: number,
  options: { margin: number; alpha: number }
): number => {
  let [low, high] = [20, 20_000]
  while (high - low > Math.max(1, low / 100)) {
    const middle = (low + high) >> 1
    if (chanceToPass(middle, { discordance, difference: 0 }, options) >= power) high = middle
    else low = middle
  }
  return high
}
