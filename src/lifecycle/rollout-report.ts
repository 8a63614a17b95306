/**
 * What the worker knows of a live route: its stage, its pairs and their evidence. The worker keeps the
 * report in the store for all who show it; decisions are made from the pairs themselves.
 */
import { DAY_MS } from '../core/days.ts'
import { rolloutStageOf, type Internalization } from '../core/lifecycle/internalization.ts'
import {
  nextStage,
  stageName,
  type EvidenceFigures,
  type RolloutSettings,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import { NO_PAIRS } from '../core/rollout/evidence.ts'
import type { PairOutcome } from '../core/rollout/pair.ts'
import type { Indicator, IndicatorFigures } from '../core/rollout/indicators.ts'
import type { UpstreamVersion } from '../core/rollout/upstream-versions.ts'
import { percent } from '../core/gate/figures.ts'
import type { Store } from '../store/store.ts'
import { readJsonSnapshot, readJsonSnapshots, saveJsonSnapshot } from './json-snapshot.ts'

export interface RolloutReport {
  /** when it was made, milliseconds since the epoch */
  at: number
  stage: RolloutStage
  evidence: EvidenceFigures
  /** capitals that decide: at most one false rollback in so many routes, and the same for a step */
  rollbackCapital: number
  stepCapital: number
  /** audited requests by what became of them */
  outcomes: Record<PairOutcome, number>
  /** signs that the questions have changed; empty for verdicts without a baseline */
  indicators: IndicatorFigures[]
  /** the models that answered for the upstream, the newest last */
  upstreamVersions: UpstreamVersion[]
  /** day of the price file on which the provider retires the model, YYYY-MM-DD; null: not known */
  deprecatedOn: string | null
  /** whether that day has come */
  isDeprecated: boolean
  /** audited requests without the lora's answer yet, and those that were dropped */
  waiting: number
  dropped: number
  /** the evidence for the next stage is there */
  mayStep: boolean
  /** when more loss than was proven, or a risen indicator, was first shown; null: it was not */
  driftedAt: number | null
  /** what was shown then, in words; null: nothing */
  drift: string | null
  /** cost of all routes' audits since midnight UTC, and its limit; null: no limit */
  spentUsdToday: number
  auditUsdPerDay: number | null
}

const PREFIX = 'rollout:'

const nameOf = (internalizationId: string): string => PREFIX + internalizationId

/** @returns null before the worker has seen the live route */
export const readRolloutReport = (
  store: Pick<Store, 'snapshots'>,
  internalizationId: string
): Promise<RolloutReport | null> => readJsonSnapshot(store, nameOf(internalizationId))

/** Reports of all internalizations that were ever live, with their ids. */
export const rolloutReports = (
  store: Pick<Store, 'snapshots'>
): Promise<[internalizationId: string, RolloutReport][]> => readJsonSnapshots(store, PREFIX)

export const saveRolloutReport = (
  store: Pick<Store, 'snapshots'>,
  internalizationId: string,
  report: RolloutReport
): Promise<void> => saveJsonSnapshot(store, nameOf(internalizationId), report)

/** US dollars that audits have cost since midnight UTC. @param now milliseconds since the epoch */
export const spentToday = ({ pairs }: Pick<Store, 'pairs'>, now: number): Promise<number> => {
  const midnight = Math.floor(now / DAY_MS) * DAY_MS
  return pairs.spent(midnight, midnight + DAY_MS)
}

/** Whether a report that was made in one stage is of the other. A template may enter a stage twice. */
export const isSameStage = (one: RolloutStage, other: RolloutStage): boolean =>
  one.share === other.share &&
  one.before.pairs === other.before.pairs &&
  one.isPaused === other.isPaused

/** Where the rollout of a live internalization stands, and what comes next. */
export interface RolloutProgress {
  stage: RolloutStage
  /** null in the last stage */
  next: RolloutStage | null
  /** null before the worker has made a report */
  evidence: EvidenceFigures | null
  /** the evidence for the next stage is there */
  mayStep: boolean
}

/**
 * @param report the newest one; it may be of the stage before
 * @returns null when the internalization is not live
 */
export const rolloutProgress = (
  { state }: Pick<Internalization, 'state'>,
  report: RolloutReport | null,
  settings: Pick<RolloutSettings, 'stages'>
): RolloutProgress | null => {
  const stage = rolloutStageOf(state)
  if (stage === null) return null
  const next = nextStage(stage, settings, report?.evidence ?? NO_PAIRS)
  if (report === null) return { stage, next, evidence: null, mayStep: false }
  if (isSameStage(report.stage, stage))
    return { stage, next, evidence: report.evidence, mayStep: next !== null && report.mayStep }
  const evidence = { ...report.evidence, step: 0, stagePairs: 0 }
  return { stage, next, evidence, mayStep: false }
}

const MILLION = 6
const HUNDREDTH = -2

/** Capital of a natural logarithm: `312`, `3.1`, `2.5e+80`, `under 0.01`. */
export const capitalText = (logarithm: number): string => {
  // beyond 1e308 the capital itself is no longer a double
  const digits = logarithm / Math.LN10
  if (digits < HUNDREDTH) return 'under 0.01'
  const exponent = digits < MILLION ? 0 : Math.floor(digits)
  const mantissa = 10 ** (digits - exponent)
  return exponent === 0
    ? String(Number(mantissa.toPrecision(3)))
    : `${(Math.floor(10 * mantissa) / 10).toFixed(1)}e+${exponent}`
}

/** `21 of 160 conversations, 13.1 % (8.0 % to 20.1 %)` */
export const lossText = ({ pairs, losses, interval: [lower, upper] }: EvidenceFigures): string =>
  `${Number(losses.toFixed(1))} of ${pairs} conversations` +
  (pairs === 0 ? '' : `, ${percent(losses / pairs)} (${percent(lower)} to ${percent(upper)})`)

/** The same, or `40 of the last 150 conversations, 26.7 %` where the loss has risen since. */
const riseText = (evidence: EvidenceFigures): string => {
  const { pairs, losses } = evidence.sinceRise
  if (pairs === evidence.pairs) return lossText(evidence)
  return `${Number(losses.toFixed(1))} of the last ${pairs} conversations, ${percent(losses / pairs)}`
}

export const rollbackReason = (evidence: EvidenceFigures): string =>
  `rolled back: it disagrees with the upstream in ${riseText(evidence)}, ` +
  `and at most ${percent(evidence.margin)} may; evidence ${capitalText(evidence.rollback)}`

export const driftText = (evidence: EvidenceFigures): string =>
  `its traffic has changed: it disagrees with the upstream in ${riseText(evidence)}, ` +
  `and the proof showed at most ${percent(evidence.proven)}; evidence ${capitalText(evidence.drift)}`

const INDICATOR_TEXTS: Record<Indicator, string> = {
  fallbacks: 'would go to the upstream',
  'low-confidence': 'get an answer of less than the median confidence',
  'long-questions': 'are longer than nine in ten were',
  'new-labels': 'get an answer that was never seen',
}

/** `its questions have changed: 31.0 % of 400 audited requests get an answer that was never seen, …` */
export const indicatorText = ({ indicator, seen, requests, ...known }: IndicatorFigures): string =>
  `its questions have changed: ${percent(seen / requests)} of ${requests} audited requests ` +
  `${INDICATOR_TEXTS[indicator]}, and the proof showed ${percent(known.share)}, at most ` +
  `${percent(known.bound)}; evidence ${capitalText(known.evidence)}`

export const stepText = (stage: RolloutStage, evidence: EvidenceFigures): string =>
  `${stageName(stage)}: it disagrees with the upstream in ${lossText(evidence)}`
