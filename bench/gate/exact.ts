/**
 * Exact error and power: sums over all outcomes instead of drawing them. Of the paired score test
 * alone, and of the gate's whole sequence where confidence says nothing.
 */
import { cutsOf } from '../../src/core/gate/samples.ts'
import { testThresholds, type SelectiveOptions } from '../../src/core/gate/selective.ts'
import { binomialLowerTail, tangoNonInferiority } from '../../src/core/gate/statistics.ts'

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
const chanceToPass = (
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

/** Ranks at which the gate may begin a sequence, and the level that each has to itself. */
const startsOf = (size: number, options: SelectiveOptions): { rows: number; level: number }[] => {
  // rows that agree everywhere pass every test, so the level rises by a share at each start
  const tests = testThresholds(
    cutsOf(
      Array.from({ length: size }, (_, i) => ({
        confidence: -i,
        agrees: true,
        upstreamAgrees: null,
        at: i,
        conversation: String(i),
        isTraffic: true,
        isUnseen: true,
      })),
      0
    ),
    options
  )
  return tests.flatMap(({ rows, level }, i) => {
    const own = level - (tests[i - 1]?.level ?? 0)
    return own > 0 ? [{ rows, level: own }] : []
  })
}

/**
 * Chance that the gate promotes an arm whose agreement is `agreement` at every confidence, without
 * fresh upstream answers. A sequence begins at a start or not at all, so it is the chance that any
 * start passes: disagreements are followed from start to start as long as none has.
 */
export const chanceToPromote = (
  size: number,
  agreement: number,
  options: SelectiveOptions
): number => {
  let [waiting, before] = [[1], 0]
  for (const { rows, level } of startsOf(size, options)) {
    const added = Array.from({ length: rows - before + 1 }, (_, k) =>
      pmf(k, rows - before, 1 - agreement)
    )
    const next = Array.from({ length: rows + 1 }, () => 0)
    waiting.forEach((chance, wrong) =>
      added.forEach((share, more) => (next[wrong + more]! += chance * share))
    )
    waiting = next.map((chance, wrong) =>
      binomialLowerTail(wrong, rows, options.margin) <= level ? 0 : chance
    )
    before = rows
  }
  return 1 - waiting.reduce((sum, chance) => sum + chance, 0)
}

/**
 * Upper bound on the same chance where every row has a fresh upstream answer: the sum over starts.
 * @param truth as in `chanceToPass`
 */
export const chanceToPromotePaired = (
  size: number,
  truth: { discordance: number; difference: number },
  options: SelectiveOptions
): number =>
  startsOf(size, options).reduce(
    (sum, { rows, level }) =>
      sum + chanceToPass(rows, truth, { margin: options.margin, alpha: level }),
    0
  )
