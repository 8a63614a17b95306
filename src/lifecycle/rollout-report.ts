/**
 * What the worker knows of a live route: its stage, its pairs and their evidence. The worker keeps the
 * report in the store for all who show it; decisions are made from the pairs themselves.
 */
import { groupBy } from '../core/group-by.ts'
import { DAY_MS, dayOf } from '../core/days.ts'
import { coverageSteps, type CoverageStep } from '../core/internalization/coverage-steps.ts'
import {
  movedBorder,
  newlyWithheld,
  winningLora,
  type HistoryEntry,
  type Internalization,
  type InternalizationState,
} from '../core/internalization/internalization.ts'
import {
  nextShare,
  stageName,
  type EvidenceFigures,
  type RolloutSettings,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import { addCounts, meanLoss, NO_PAIRS, type LossCounts } from '../core/rollout/evidence.ts'
import type { OutcomeFigures } from '../core/outcomes/outcome-figures.ts'
import { badText, differenceText, points, signed } from '../core/outcomes/outcome-text.ts'
import type { Border, BorderReport } from '../core/rollout/border.ts'
import type { WithheldPart } from '../core/rollout/withheld.ts'
import type { Indicator, IndicatorFigures } from '../core/rollout/indicators.ts'
import type { UpstreamVersion } from '../core/rollout/upstream-versions.ts'
import { percent } from '../core/gate/figures.ts'
import type { EarlyAnswers } from '../core/route/early.ts'
import type { ReportedEvidence } from '../core/proof/rollout-part.ts'
import type { Store } from '../store/store.ts'
import { jsonSnapshotsOf } from '../store/json-snapshot.ts'

export interface RolloutReport extends ReportedEvidence {
  /** the confidence from which on it answers, and the next one */
  border: BorderReport
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
  /** what the next stage waits for beside evidence, in words */
  waitsFor: string[]
  /** the evidence for the next stage is there, and it waits for nothing else */
  mayStep: boolean
  /** part of the stage's audits that are made, in [0, 1] */
  auditPart: number
  /** when more loss than was proven, or a risen indicator, was first shown; null: it was not */
  driftedAt: number | null
  /** what was shown then, in words; null: nothing */
  drift: string | null
  /** cost of all routes' audits since midnight UTC, and its limit; null: no limit */
  spentUsdToday: number
  auditUsdPerDay: number | null
}

/** By internalization; there is none before the worker has seen the live route. */
export const {
  read: readRolloutReport,
  readAll: rolloutReports,
  save: saveRolloutReport,
} = jsonSnapshotsOf<RolloutReport>('rollout:')

/** @returns null where its route holds answers back until their end */
export const readEarlyAnswers = async (
  { records }: Pick<Store, 'records'>,
  row: Internalization
): Promise<EarlyAnswers | null> => {
  const { verdict } = row
  const lora = winningLora(row)
  if (lora === null || verdict?.arms[verdict.arm]?.streamsEarly !== true) return null
  return records.earlyAnswers(lora)
}

/** US dollars that audits have cost since midnight UTC. @param now milliseconds since the epoch */
export const spentToday = async ({ pairs }: Pick<Store, 'pairs'>, now: number): Promise<number> => {
  const midnight = dayOf(now) * DAY_MS
  return (await pairs.spent(midnight, midnight + DAY_MS)).usd
}

/** `answers from a confidence of -0.12 on: it disagrees …` */
export const borderText = ({ threshold, evidence, narrowing }: Border): string => {
  const { pairs, capital } = evidence
  const [only, since] =
    narrowing === undefined ? ['', ''] : ['only ', ', since the others got worse']
  return (
    `answers ${only}from a confidence of ${threshold.toPrecision(3)} on: it disagrees with the upstream in ` +
    `${countsText(evidence, `${pairs} requests`)} of that confidence${since}; evidence ${capitalText(capital)}`
  )
}

const WITHHELD_WORDS: Record<WithheldPart['kind'], (count: number) => string> = {
  answer: (count) => `no longer gives ${count} of its answers`,
  request: (count) => `no longer answers ${count} of its kinds of requests`,
}

/** `no longer gives 1 of its answers: wrong in 14 of 15 requests; evidence 31000`; without the answers themselves */
export const withheldText = (withheld: readonly WithheldPart[]): string =>
  [...groupBy(withheld, ({ kind }) => kind)]
    .map(([kind, parts]) => {
      const counts = parts.reduce(addCounts, NO_PAIRS)
      const capital = Math.min(...parts.map((part) => part.capital))
      return (
        `${WITHHELD_WORDS[kind](parts.length)}: wrong in ` +
        `${countsText(counts, `${counts.pairs} requests`)}; evidence ${capitalText(capital)}`
      )
    })
    .join('; ')

/** `61.2 % of the audited requests; 63.0 % at evidence 20, now 3.1 after 2210 requests` */
export const coverageText = (
  { coverage, next }: BorderReport,
  decidingCapital: string
): string | null => {
  if (coverage === null) return null
  const present = `${percent(coverage)} of the audited requests`
  if (next === null) return present
  const { pairs, capital } = next.evidence
  return (
    `${present}; ${percent(next.coverage)} at evidence ${decidingCapital}, now ${capitalText(capital)} ` +
    `after ${pairs} requests`
  )
}

/** `; it answers 61.2 % of the audited requests, 56.1 % before`; '' where that is not known */
const changedCoverageText = (state: InternalizationState): string => {
  if (state.name !== 'live' || state.coverage === undefined) return ''
  const { audited, before, after } = state.coverage
  const [then, now] = [before, after].map((requests) => percent(requests / Math.max(1, audited)))
  return `; it answers ${now} of the audited requests, ${then} before`
}

/** What a change of a live route's state has changed in what it answers; null: nothing */
export const adjustmentText = (entry: Pick<HistoryEntry, 'from' | 'to'>): string | null => {
  const [border, withheld] = [movedBorder(entry), newlyWithheld(entry)]
  const coverage = changedCoverageText(entry.to)
  if (border !== null) return borderText(border) + coverage
  return withheld.length === 0 ? null : withheldText(withheld) + coverage
}

/** Why a rollout went on or ended, by the state that it went to; '' where that does not say it. */
const stateReason = (state: InternalizationState): string => {
  if (state.name === 'retired') return state.reason
  if (state.name !== 'live' || state.evidence === undefined) return ''
  return `${lossText(state.evidence)}; evidence ${capitalText(state.evidence.step)}`
}

/** Why a rollout went on or ended, and what a person said of it. */
export const changeText = (entry: Pick<HistoryEntry, 'from' | 'to' | 'note'>): string =>
  [adjustmentText(entry) ?? stateReason(entry.to), entry.note ?? '']
    .filter((text) => text !== '')
    .join('; ')

/** How much it has answered since it first went live, and why. @param history oldest first */
export const routeSteps = (
  row: Pick<Internalization, 'verdict'>,
  history: readonly HistoryEntry[]
): CoverageStep[] => coverageSteps(row, history, changeText)

const causeText = ({ cause }: CoverageStep, gained: number): string => {
  if (cause === 'withheld') return 'withheld answers'
  return gained < 0 ? 'narrower borders' : 'wider borders'
}

/** `+5.1 points by wider borders, -1.3 points by withheld answers`: since the proof; null: nothing, or not known */
export const gainText = (steps: readonly CoverageStep[]): string | null => {
  const gains = new Map<string, number>()
  for (const step of steps.slice(steps.findLastIndex(({ cause }) => cause === 'proof') + 1)) {
    if (step.coverage === null || step.before === null) continue
    const gained = step.coverage - step.before
    const cause = causeText(step, gained)
    gains.set(cause, (gains.get(cause) ?? 0) + gained)
  }
  const texts = [...gains].map(([cause, gained]) => `${signed(gained)} points by ${cause}`)
  return texts.length === 0 ? null : texts.join(', ')
}

/** Whether a report that was made in one stage is of the other. A template may enter a stage twice. */
export const isSameStage = (one: RolloutStage, other: RolloutStage): boolean =>
  one.share === other.share &&
  one.before.pairs === other.before.pairs &&
  one.began === other.began &&
  one.isPaused === other.isPaused

/** Where the rollout of a live internalization stands, and what comes next. */
export interface RolloutProgress {
  stage: RolloutStage
  /** null in the last stage */
  next: Pick<RolloutStage, 'share'> | null
  /** null before the worker has made a report */
  evidence: EvidenceFigures | null
  /** as in the report; empty before the worker has made one of the stage */
  waitsFor: string[]
  /** the next stage may begin */
  mayStep: boolean
}

/** @param report the newest one; it may be of the stage before */
export const stageProgress = (
  stage: RolloutStage,
  report: RolloutReport | null,
  settings: Pick<RolloutSettings, 'stages'>
): RolloutProgress => {
  const share = nextShare(stage, settings)
  const next = share === null ? null : { share }
  const waits = { stage, next, waitsFor: [], mayStep: false }
  if (report === null) return { ...waits, evidence: null }
  const { evidence, waitsFor, mayStep } = report
  return isSameStage(report.stage, stage)
    ? { stage, next, evidence, waitsFor, mayStep: next !== null && mayStep }
    : { ...waits, evidence: { ...evidence, step: 0, stagePairs: 0 } }
}

/** The next stage where it may begin; null: it may not yet, or there is none. */
export const readyFor = ({ mayStep, next }: RolloutProgress): RolloutProgress['next'] =>
  mayStep ? next : null

/** As `stageProgress`. @returns null when the internalization is not live */
export const rolloutProgress = (
  { state }: Pick<Internalization, 'state'>,
  report: RolloutReport | null,
  settings: Pick<RolloutSettings, 'stages'>
): RolloutProgress | null =>
  state.name === 'live' ? stageProgress(state.stage, report, settings) : null

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

/** `21 of 160 conversations, 13.1 %`, with credits `21 − 3 of 160 conversations, 11.3 %` */
const countsText = (counts: LossCounts, conversations: string): string => {
  const { pairs, losses, credits } = counts
  const credited = credits === 0 ? '' : ` − ${Number(credits.toFixed(1))}`
  const found = `${Number(losses.toFixed(1))}${credited} of ${conversations}`
  return pairs === 0 ? found : `${found}, ${percent(meanLoss(counts))}`
}

/** `21 of 160 conversations, 13.1 % (8.0 % to 20.1 %)` */
export const lossText = (evidence: EvidenceFigures): string => {
  const { pairs, interval } = evidence
  const range = pairs === 0 ? '' : ` (${percent(interval[0])} to ${percent(interval[1])})`
  return countsText(evidence, `${pairs} conversations`) + range
}

/** The same, or `40 of the last 150 conversations, 26.7 %` where the loss has risen since. */
const riseText = (evidence: EvidenceFigures): string => {
  const { sinceRise, pairs } = evidence
  if (sinceRise.pairs === pairs) return lossText(evidence)
  return countsText(sinceRise, `the last ${sinceRise.pairs} conversations`)
}

export const feedbackReason = (figures: OutcomeFigures): string =>
  `rolled back: users rate it worse: ${badText(figures)}; the difference is ${differenceText(figures)}; ` +
  `the limit is ${points(figures.margin)}; evidence ${capitalText(figures.rollback)}`

export const rollbackReason = (evidence: EvidenceFigures): string =>
  `rolled back: it disagrees with the upstream in ${riseText(evidence)}; ` +
  `the limit is ${percent(evidence.margin)}; evidence ${capitalText(evidence.rollback)}`

export const driftText = (evidence: EvidenceFigures): string =>
  `its traffic has changed: it disagrees with the upstream in ${riseText(evidence)}; ` +
  `the proof showed at most ${percent(evidence.proven)}; evidence ${capitalText(evidence.drift)}`

const INDICATOR_TEXTS: Record<Indicator, string> = {
  fallbacks: 'would go to the upstream',
  'low-confidence': 'get an answer with a confidence below the median of the proof',
  'long-questions': 'are longer than the 90th percentile of the proof',
  'new-labels': 'get a new label from the upstream',
}

/** `its questions have changed: 31.0 % of 400 audited requests get a new label from the upstream; …` */
export const indicatorText = ({ indicator, seen, requests, ...known }: IndicatorFigures): string =>
  `its questions have changed: ${percent(seen / requests)} of ${requests} audited requests ` +
  `${INDICATOR_TEXTS[indicator]}; the proof showed ${percent(known.share)}, at most ` +
  `${percent(known.bound)}; evidence ${capitalText(known.evidence)}`

export const stepText = (stage: RolloutStage, evidence: EvidenceFigures): string =>
  `${stageName(stage)}: it disagrees with the upstream in ${lossText(evidence)}`

/** Prefix of the snapshots with why audits wait for their judge or checker. */
export const AUDIT_WAIT = 'audit-wait:'

/** By internalization, why they wait; null: they do not. */
export const { read: readAuditWait, save: saveAuditWait } = jsonSnapshotsOf<string | null>(
  AUDIT_WAIT
)
