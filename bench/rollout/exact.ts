/** Exact chances of a decision that depends on the numbers of pairs and losses alone. */
import type { LossCounts } from '../../src/core/rollout/evidence.ts'

/** Chances below this are left out; over 100,000 pairs that is 1e-11 at most. */
const NEGLIGIBLE = 1e-20

/**
 * Chance that the decision was taken by the n-th pair, for n = 0 to `pairs`. Pairs are independent, and
 * each is lost with the same chance. The counts that decide are the largest or the smallest numbers of
 * losses, so the others form a range, and the recursion is over the chances in it.
 */
export const decidedBy = (
  loss: number,
  pairs: number,
  decides: (counts: LossCounts) => boolean
): Float64Array => {
  const chances = new Float64Array(pairs + 2)
  const decided = new Float64Array(pairs + 1)
  chances[0] = 1
  let [low, high] = [0, 0]
  for (let n = 1; n <= pairs; n++) {
    high++
    for (let losses = high; losses > low; losses--)
      chances[losses] = chances[losses]! * (1 - loss) + chances[losses - 1]! * loss
    chances[low]! *= 1 - loss
    let absorbed = 0
    const isDone = (losses: number): boolean => {
      const isDecided = decides({ pairs: n, losses, credits: 0 })
      if (isDecided) absorbed += chances[losses]!
      return isDecided || chances[losses]! < NEGLIGIBLE
    }
    while (low <= high && isDone(high)) chances[high--] = 0
    while (low <= high && isDone(low)) chances[low++] = 0
    decided[n] = decided[n - 1]! + absorbed
    if (low > high) {
      decided.fill(decided[n]!, n)
      break
    }
  }
  return decided
}

/** The first pair by which the decision was taken with this chance. @throws RangeError if none is */
export const quantile = (decided: Float64Array, chance: number): number => {
  const pair = decided.findIndex((value) => value >= chance)
  if (pair < 0) throw new RangeError('the decision is taken later')
  return pair
}
