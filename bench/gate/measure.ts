/**
 * Shares of draws with their confidence limits, and how many draws a setting needs: few draws can
 * prove little, so the limit is what counts, and a setting near the bar is drawn again and again.
 */
import { proportionLowerBound } from '../../src/core/gate/statistics.ts'
import type { Outcome } from './rules.ts'

/** One-sided upper confidence limit on a share (Clopper and Pearson 1934). */
export const upperLimit = (hits: number, draws: number, alpha: number): number =>
  1 - proportionLowerBound(draws - hits, draws, alpha)

export interface Measured {
  draws: number
  promoted: number
  broken: number
  /** upper 95 % limit on `broken`, valid for any number of looks */
  brokenUpper: number
  /** mean true coverage, 0 for a rejection */
  coverage: number
  /** mean true agreement of promoted arms */
  agreement: number
  /** share of draws with true coverage ≥ 55 %, with agreement ≥ 96 % */
  wide: number
  sure: number
  /** share of draws in which the first arm was taken */
  firstArm: number
}

const LIMIT_ALPHA = 0.05
/** Times the first number of draws: a look at each, at an equal share of the alpha of the limit. */
const LOOKS = [1, 10, 100]

const summarize = (outcomes: Outcome[]): Measured => {
  const draws = outcomes.length
  const promoted = outcomes.flatMap((outcome) => outcome.promoted ?? [])
  const share = (test: (one: (typeof promoted)[number]) => boolean): number =>
    promoted.filter(test).length / draws
  const sum = (value: (one: (typeof promoted)[number]) => number): number =>
    promoted.reduce((total, one) => total + value(one), 0)
  const broken = share((one) => one.broken)
  return {
    draws,
    promoted: promoted.length / draws,
    broken,
    brokenUpper: upperLimit(Math.round(broken * draws), draws, LIMIT_ALPHA / LOOKS.length),
    coverage: sum(({ coverage }) => coverage) / draws,
    agreement: sum(({ agreement }) => agreement) / Math.max(1, promoted.length),
    wide: share(({ coverage }) => coverage >= 0.55),
    sure: share(({ agreement }) => agreement >= 0.96),
    firstArm: outcomes.filter(({ arm }) => arm === 0).length / draws,
  }
}

/**
 * Draws until every limit is below `bar` or `maxDraws` is reached. The limit is split over all
 * looks beforehand, so stopping at a lucky one is paid for.
 */
export const measure = (
  draw: () => Outcome,
  { draws, maxDraws, bar }: { draws: number; maxDraws: number; bar: number }
): Measured => {
  const outcomes: Outcome[] = []
  for (const times of LOOKS) {
    const wanted = Math.min(maxDraws, times * draws)
    while (outcomes.length < wanted) outcomes.push(draw())
    const measured = summarize(outcomes)
    if (measured.brokenUpper <= bar || wanted === maxDraws) return measured
  }
  return summarize(outcomes)
}
