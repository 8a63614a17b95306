/**
 * Whether a successor may replace the route that is live, by what both make of the same held-out traffic.
 * The gate has proven the successor's promise before. Knows nothing of engines or the log.
 */
import { confidenceOf } from '../route/confidence.ts'
import { reasonOf, type Reason } from '../reason.ts'
import type { ArmFigures, JudgedAnswer } from './figures.ts'
import { tangoLowerBound, type PairedCounts } from './statistics.ts'
import { effectiveRows, type ClusteredRow } from './effective-rows.ts'

/** What a route makes of a request: an answer that agrees with the upstream's or not, or no answer. */
export type Routed = 'right' | 'wrong' | 'upstream'

export interface ComparedRow extends ClusteredRow {
  present: Routed
  successor: Routed
}

export interface ReplacementFigures {
  rows: number
  /** shares of the rows */
  coverage: { present: number; successor: number }
  wrong: { present: number; successor: number }
  /** one-sided 95 % bounds: what the successor answers more, and what it answers wrong more */
  moreCoverage: number
  moreWrong: number
}

const ALPHA = 0.05
/** Wrong answers that a successor may add where it answers no more, as a share of the margin. */
const TOLERATED_SHARE = 0.5

type Test = (routed: Routed) => boolean

const isAnswered: Test = (routed) => routed !== 'upstream'
const isWrong: Test = (routed) => routed === 'wrong'
const isNotWrong: Test = (routed) => routed !== 'wrong'

const shares = (rows: readonly ComparedRow[], test: Test) => ({
  present: rows.filter(({ present }) => test(present)).length / rows.length,
  successor: rows.filter(({ successor }) => test(successor)).length / rows.length,
})

/** Turns of a conversation, and requests of a burst, are worth less than as many single ones. */
const pairedCounts = (rows: readonly ComparedRow[], burstMs: number, test: Test): PairedCounts => {
  const pairs = effectiveRows(rows, burstMs)
  const worth = pairs / rows.length
  const count = (isOne: (row: ComparedRow) => boolean): number => worth * rows.filter(isOne).length
  return {
    pairs,
    onlyNew: count(({ present, successor }) => test(successor) && !test(present)),
    onlyReference: count(({ present, successor }) => test(present) && !test(successor)),
  }
}

/** What a route makes of a request. @param answer undefined where the lora was not asked */
export const routedBy = (
  { confidence: statistic, threshold }: Pick<ArmFigures, 'confidence' | 'threshold'>,
  answer: JudgedAnswer | undefined
): Routed => {
  if (answer === undefined || answer.deferred !== null || threshold === null) return 'upstream'
  if (!(confidenceOf(statistic, answer) >= threshold)) return 'upstream'
  return (answer.agreesToday ?? answer.agrees) ? 'right' : 'wrong'
}

/** @param rows at least one */
export const compareRoutes = (
  rows: readonly ComparedRow[],
  burstMs: number
): ReplacementFigures => ({
  rows: rows.length,
  coverage: shares(rows, isAnswered),
  wrong: shares(rows, isWrong),
  moreCoverage: tangoLowerBound(pairedCounts(rows, burstMs, isAnswered), ALPHA),
  moreWrong: -tangoLowerBound(pairedCounts(rows, burstMs, isNotWrong), ALPHA),
})

/**
 * Why the successor may not replace the present route; null: it may. It must not be worse: at 95 %, it adds wrong
 * answers to half a margin of the requests at most, and to a margin of those that it answers more, which is what
 * its own proof allows. Unless the present route has drifted it must also answer more.
 */
export const replacementObjection = (
  { coverage, wrong, moreCoverage, moreWrong }: ReplacementFigures,
  { margin, hasDrifted }: { margin: number; hasDrifted: boolean }
): Reason | null => {
  if (moreWrong > margin * (TOLERATED_SHARE + Math.max(0, moreCoverage)))
    return reasonOf('more-wrong', { moreWrong, ...wrong })
  return !hasDrifted && moreCoverage <= 0 ? reasonOf('not-more-answered', coverage) : null
}
