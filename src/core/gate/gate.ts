/**
 * The promotion decision and the figures behind it. The promise: among the adapted model's answers
 * above a confidence threshold, agreement with the upstream is at least the upstream's own agreement
 * with itself minus the margin, both in traffic as it comes and among questions that training never saw.
 * It holds at confidence 1 − alpha over all arms and thresholds together. Knows nothing of engines,
 * prices or the comparison of answers (`agreement.ts`).
 */
import type { ResponseType } from '../answer/response-type.ts'
import {
  LEAST_UPSTREAM_AGREEMENT,
  armFigures,
  type ArmFigures,
  type ArmRows,
  type SharedRow,
} from './figures.ts'
import type { CheckerFacts } from './checker.ts'
import type { ReplacementFigures } from './replacement.ts'
import { failingSlices } from './slices.ts'
import { reasonOf, type Reason } from '../reason.ts'
import { effectiveRows } from './effective-rows.ts'
import { incompleteBeta } from './statistics.ts'

/**
 * Whether the upstream answers today as it did when the log was written. Two fresh answers tell a change from its
 * own noise. Knows nothing of adapted answers.
 */
interface UpstreamChange {
  /** held-out requests with two fresh answers */
  rows: number
  /** both fresh answers agree, and not with the logged one */
  changed: number
  /** the logged answer agrees with one of two fresh answers that do not agree */
  noisy: number
  /** H0: the logged answer and both fresh ones come from one distribution */
  pValue: number
  isChanged: boolean
}

/** Chance that an upstream that did not change is said to have changed. */
const LEVEL = 0.01

/**
 * If nothing changed, the logged answer and both fresh ones are exchangeable given the request. So of the
 * requests on which two of the three agree and the third does not, each of the three is the odd one equally
 * often: the number in which the logged answer is the odd one is binomial with a share of one third. The test is
 * exact and one-sided, and conditions on the number of such requests, so noise of any size is no change.
 * @returns null without fresh answers
 */
export const upstreamChange = (
  held: readonly SharedRow[],
  burstMs: number
): UpstreamChange | null => {
  const rows = held.flatMap((row) => (row.fresh === null ? [] : { ...row, fresh: row.fresh }))
  if (rows.length === 0) return null
  const worth = effectiveRows(rows, burstMs) / rows.length
  const changed = rows.filter(({ fresh }) => fresh.repeats && !fresh.asLogged[0]).length
  const noisy = rows.filter(({ fresh: { asLogged } }) => asLogged[0] !== asLogged[1]).length
  const [odd, all] = [worth * changed, worth * (changed + noisy)]
  const pValue = odd === 0 ? 1 : incompleteBeta(1 / 3, odd, all - odd + 1)
  return { rows: rows.length, changed, noisy, pValue, isChanged: pValue <= LEVEL }
}

export type { ArmFigures, HeldOutRow } from './figures.ts'

export interface Verdict {
  verdict: 'promote' | 'reject'
  reason: Reason
  responseType: ResponseType
  margin: number
  /** index of the winning arm in the plan */
  arm: number
  /** of the winning arm's answers: the share on which the upstream repeats itself; 1 without fresh answers */
  upstreamAgreement: number
  arms: ArmFigures[]
  alpha: number
  minCoverage: number
  /**
   * whether the upstream answers as it did when the log was written; null without fresh answers, and where a judge
   * compared them: they are compared with each other, so a change is no allowance
   */
  change: UpstreamChange | null
  /** of the operator's checker that vouched for agreement; absent: none did */
  checker?: CheckerFacts
  /** against the live route; absent without one */
  replacement?: ReplacementFigures
}

export interface GateInput {
  /** in the plan's order */
  arms: ArmRows[]
  /**
   * The arm that is expected to win, by data other than these rows. It is tested at most of alpha,
   * the others share the rest; null gives every arm the same share.
   */
  favouredArm?: number | null
  responseType: ResponseType
  /** agreement of fresh answers is an admitted judge's (`core/judge`); false: it is equality */
  isJudged?: boolean
  /** agreement that may be lost, 0 to 1 */
  margin: number
  alpha?: number
  /** least share of the traffic that a route must answer, 0 to 1 */
  minCoverage?: number
  /** see `createEffectiveRows` */
  burstMs: number
}

/** Place of the arm that answers most. Ties: more agreement among its answers, then over all rows. */
const winnerOf = (arms: ArmFigures[]): number => {
  const [best] = arms.toSorted(
    (a, b) =>
      b.coverage - a.coverage ||
      b.agreementAnswered - a.agreementAnswered ||
      b.agreement - a.agreement
  )
  return best === undefined ? 0 : arms.indexOf(best)
}

const sliceRejection = ({ slices }: ArmFigures): Reason | null => {
  const failing = failingSlices(slices).map(({ slice, agreement, rows, upstreamAgreement }) => ({
    slice,
    agreement,
    rows,
    upstreamAgreement,
  }))
  return failing.length === 0 ? null : reasonOf('slices-worse', { slices: failing })
}

const rejection = (
  winner: ArmFigures,
  change: UpstreamChange | null,
  input: Required<GateInput>
): Reason | null => {
  const { isJudged, minCoverage, margin } = input
  if (input.responseType === 'free-text' && !isJudged) return reasonOf('unjudged', {})
  if (change?.isChanged) {
    const { changed, rows } = change
    return reasonOf('upstream-changed', { changed, rows })
  }
  if (winner.threshold !== null) return null
  const { arm, agreement, upstreamAgreement, shortage } = winner
  const repeats = upstreamAgreement ?? 1
  if (repeats < LEAST_UPSTREAM_AGREEMENT)
    return reasonOf('upstream-differs', { repeats, least: LEAST_UPSTREAM_AGREEMENT, isJudged })
  return (
    shortage ??
    sliceRejection(winner) ??
    reasonOf('loss-too-large', {
      arm,
      agreement,
      upstreamAgreement,
      minCoverage,
      margin,
      isJudged,
    })
  )
}

const outcomeOf = (
  winner: ArmFigures | undefined,
  change: UpstreamChange | null,
  input: Required<GateInput>
): Pick<Verdict, 'verdict' | 'reason'> => {
  if (winner === undefined || winner.rows === 0)
    return { verdict: 'reject', reason: reasonOf('no-answers', {}) }
  const reason = rejection(winner, change, input)
  if (reason !== null) return { verdict: 'reject', reason }
  const { arm, coverage, agreementAnswered } = winner
  return {
    verdict: 'promote',
    reason: reasonOf('passed', { arm, coverage, agreement: agreementAnswered }),
  }
}

/** Chance that a verdict to promote breaks the promise, over all tries on the same rows. */
export const ALPHA = 0.05

/** Share of alpha for the first try, and of what is left for each further one. */
const FIRST_TRY = 0.8

/**
 * The level of a try, after earlier ones that were judged by some of the same held-out rows. Over any number of
 * tries the levels sum to alpha.
 */
export const levelOfTry = (earlierTries: number): number =>
  ALPHA * FIRST_TRY * (1 - FIRST_TRY) ** earlierTries

/** Of levels that were computed on another machine. */
const LEVEL_ROUNDING = 1e-9

/** @returns the number of the try that has the level, from 1 on; null where none has it */
export const tryOfLevel = (level: number): number | null => {
  const earlier = Math.round(Math.log(level / levelOfTry(0)) / Math.log(1 - FIRST_TRY))
  const isLevel = earlier >= 0 && Math.abs(levelOfTry(earlier) / level - 1) <= LEVEL_ROUNDING
  return isLevel ? earlier + 1 : null
}

/** Share of alpha for the favoured arm: docs/decisions.md#arm-favoured-by-validation */
export const FAVOURED_SHARE = 0.8

/** An arm's share of alpha. Those of all arms sum to 1 and are fixed before a held-out row is read. */
const alphaShare = (arm: number, arms: number, favoured: number | null): number => {
  if (favoured === null || arms === 1) return 1 / arms
  return arm === favoured ? FAVOURED_SHARE : (1 - FAVOURED_SHARE) / (arms - 1)
}

/**
 * Chooses arm and threshold, and whether to promote. Every arm is tested on all held-out rows at
 * its share of alpha. Alternatives and their power are in
 * docs/decisions.md#selective-gate-test and
 * docs/decisions.md#two-samples-one-level.
 */
export const decide = (given: GateInput): Verdict => {
  const input = {
    alpha: ALPHA,
    minCoverage: 0.2,
    favouredArm: null,
    isJudged: false,
    ...given,
  }
  const { responseType, margin, alpha, minCoverage, burstMs } = input
  const arms = input.arms.map((arm, index) =>
    armFigures(arm, {
      margin,
      minCoverage,
      burstMs,
      armAlpha: alpha * alphaShare(index, input.arms.length, input.favouredArm),
    })
  )
  const arm = winnerOf(arms)
  const winner = arms[arm]
  const rows = input.arms[arm]?.rows ?? []
  const change = input.isJudged ? null : upstreamChange(rows, burstMs)
  return {
    ...outcomeOf(winner, change, input),
    responseType,
    margin,
    arm,
    upstreamAgreement: winner?.upstreamAgreement ?? 1,
    arms,
    alpha,
    minCoverage,
    change,
  }
}
