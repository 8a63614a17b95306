/**
 * What the gate says of a head's answers to the held-out rows: expected coverage, its lower bound, and what twice the
 * rows brought. Knows nothing of how the head was trained.
 */
import { decide, type ArmFigures, type HeldOutRow, type Verdict } from '../gate/gate.ts'
import { coverageCurve, type CurvePoint } from '../gate/coverage-curve.ts'
import { burstMsOf } from '../internalization/internalization.ts'
import { proportionLowerBound } from '../gate/statistics.ts'
import { effectiveRows, type ClusteredRow } from '../gate/effective-rows.ts'
import { itemAt, zip } from '../lists.ts'
import { agree, type Comparison } from '../answer/agreement.ts'
import { DEFER_ANSWER, textOf } from '../answer/outcome.ts'
import type { HeadName } from '../learn/schedule.ts'
import type { Split } from '../learn/split.ts'
import { withQuotes, type Reason } from '../reason.ts'
import { isProven, lengthBands, provenKinds } from '../route/request-kind.ts'
import type { ScannedExchange } from './exchange.ts'

export interface GateSettings {
  /** agreement that may be lost, 0 to 1 */
  margin: number
  /** least share of the traffic that a route must answer, 0 to 1 */
  minCoverage: number
  /** length of a burst; 0: conversations are independent */
  burstMinutes: number
}

/** A head that learned from a part of the rows, or from all. */
export interface GrowthPoint {
  rows: number
  /** share of the traffic that a route would answer; 0 where the gate refuses */
  coverage: number
  /** as if everything that may be answered were answered */
  agreementOfAll: number
}

export interface CoverageFigures {
  /** share of the traffic that a route would answer; 0 where the gate refuses */
  expectedCoverage: number
  /** of the same share in later traffic, one-sided 95 % */
  coverageLowerBound: number
  /** least confidence of an answer, natural logarithm; null where the gate refuses */
  threshold: number | null
  /** of the answered rows, and its one-sided 95 % lower bound; null where the gate refuses */
  agreement: number | null
  agreementLowerBound: number | null
  /** as if everything that may be answered were answered */
  agreementOfAll: number
  /** why the gate refuses; null where it passes */
  refusal: Reason | null
  selective: CurvePoint[]
  /** fewest rows first; the last one is the head of the other figures */
  growth: GrowthPoint[]
}

const ALPHA = 0.05
const LABEL = 'label'

/**
 * Lower bound of the share of later traffic above the threshold of the verdict.
 *
 * The rows are in falling confidence. Above the confidence of row r of n independent ones lies a share of the
 * traffic that is distributed as Beta(r, n + 1 − r), whatever the confidences are (probability integral
 * transform), and the quantile of that distribution is Clopper and Pearson's bound. The gate tests a fixed
 * list of ranks and chooses among them by the answers, so each gets its part of the level (Bonferroni). Turns
 * of one conversation count as the gate counts them. It bounds the coverage of the head and the threshold that
 * this log gives, on traffic that stays as the held-out one is. Another held-out sample may give another
 * threshold: docs/experiments.md#scan.
 */
export const laterCoverageBound = (
  { coverage, tests }: Pick<ArmFigures, 'coverage' | 'tests'>,
  heldOut: readonly ClusteredRow[],
  burstMs: number
): number => {
  const rows = effectiveRows(heldOut, burstMs)
  return proportionLowerBound(coverage * rows, rows, ALPHA / Math.max(1, tests.length))
}

const isPassedBy = ({ threshold }: ArmFigures): boolean => threshold !== null

const verdictOf = ({ arm, heldOut }: HeadFit, settings: GateSettings): Verdict =>
  decide({
    arms: [{ arm, statistic: 'sum', rows: heldOut }],
    responseType: LABEL,
    margin: settings.margin,
    minCoverage: settings.minCoverage,
    burstMs: burstMsOf(settings),
  })

/** The value of a slot is a text of the log, which a report may not show. */
const refusalOf = ({ verdict, reason }: Verdict): Reason | null =>
  verdict === 'promote'
    ? null
    : withQuotes(reason, (_, quoted) => (quoted.includes('=') ? 'one value of a slot' : quoted))

/**
 * @param fits answers of heads that were trained on a half of the rows and on all of them, fewest rows first, at least one;
 * the confidence is the same in `logprobSum` and `logprobMin`
 */
export const coverageOf = (fits: readonly HeadFit[], settings: GateSettings): CoverageFigures => {
  const judged = fits.map((fit) => {
    const verdict = verdictOf(fit, settings)
    return { ...fit, verdict, figures: itemAt(verdict.arms, 0) }
  })
  const { verdict, figures, heldOut } = itemAt(judged, judged.length - 1)
  const isPassed = isPassedBy(figures)
  const burstMs = burstMsOf(settings)
  const traffic = heldOut.filter(({ isTraffic }) => isTraffic)
  return {
    expectedCoverage: isPassed ? figures.coverage : 0,
    coverageLowerBound: isPassed ? laterCoverageBound(figures, traffic, burstMs) : 0,
    threshold: figures.threshold,
    agreement: isPassed ? figures.agreementAnswered : null,
    agreementLowerBound: isPassed ? figures.agreementAnsweredBound : null,
    agreementOfAll: figures.agreement,
    refusal: refusalOf(verdict),
    selective: coverageCurve(heldOut, 'sum', burstMs),
    growth: judged.map(({ rows, figures: found }) => ({
      rows,
      coverage: isPassedBy(found) ? found.coverage : 0,
      agreementOfAll: found.agreement,
    })),
  }
}

/** What a head that learned from so many rows answers. */
export interface HeadFit {
  arm: HeadName
  rows: number
  heldOut: HeldOutRow[]
}

export interface HeadAnswer {
  text: string
  /** natural logarithm of a probability */
  logprob: number
}

/** The held-out rows with the answers of a head, as the gate reads them. */
export const heldOutRows = (
  { traffic, unseen }: Split<ScannedExchange>,
  heldOut: readonly ScannedExchange[],
  answers: readonly HeadAnswer[],
  comparison: Comparison
): HeldOutRow[] => {
  const [isTraffic, isUnseen] = [new Set(traffic), new Set(unseen)]
  const proven = provenKinds(traffic.map(({ kind }) => kind))
  const bands = lengthBands(heldOut.map(({ kind }) => kind.chars))
  return zip(zip(heldOut, answers), bands).map(([[exchange, { text, logprob }], band]) => {
    const logged = textOf(exchange.outcome)
    const agrees = logged !== null && agree(comparison, text, logged)
    const deferred = text === DEFER_ANSWER ? 'deferred' : null
    return {
      agrees,
      agreesToday: null,
      logprobSum: logprob,
      logprobMin: logprob,
      deferred: isProven(proven, exchange.kind) ? deferred : 'kind-not-proven',
      fresh: null,
      at: exchange.at,
      conversation: exchange.conversation,
      isTraffic: isTraffic.has(exchange),
      isUnseen: isUnseen.has(exchange),
      slices: [...exchange.kind.traits, ...exchange.kind.values, band],
    }
  })
}
