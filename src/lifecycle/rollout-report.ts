/**
 * What the worker knows of a live route: its stage, its pairs and their evidence. The worker keeps the
 * report in the store for all who show it; decisions are made from the pairs themselves.
 */
import { DAY_MS, dayOf } from '../core/days.ts'
import { coverageSteps, type CoverageStep } from '../core/internalization/coverage-steps.ts'
import { type HistoryEntry, type Internalization } from '../core/internalization/internalization.ts'
import {
  nextShare,
  type EvidenceFigures,
  type RolloutSettings,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import { signed } from '../core/outcomes/outcome-text.ts'
import type { BorderReport } from '../core/rollout/border.ts'
import type { IndicatorFigures } from '../core/rollout/indicators.ts'
import type { UpstreamVersion } from '../core/rollout/upstream-versions.ts'
import type { ReportedEvidence } from '../core/proof/rollout-part.ts'
import { changeReason } from '../core/internalization/change-reason.ts'
import type { Reason } from '../core/reason.ts'
import { sayReason } from '../core/reasons/say-reason.ts'
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
  /** what the next stage waits for beside evidence */
  waitsFor: Reason[]
  /** the evidence for the next stage is there, and it waits for nothing else */
  mayStep: boolean
  /** part of the stage's audits that are made, in [0, 1] */
  auditPart: number
  /** when more loss than was proven, or a risen indicator, was first shown; null: it was not */
  driftedAt: number | null
  /** what was shown then; null: nothing */
  drift: Reason | null
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

/** US dollars that audits have cost since midnight UTC. @param now milliseconds since the epoch */
export const spentToday = async ({ pairs }: Pick<Store, 'pairs'>, now: number): Promise<number> => {
  const midnight = dayOf(now) * DAY_MS
  return (await pairs.spent(midnight, midnight + DAY_MS)).usd
}

/** Why a state was entered, and what a person said of it; '' where neither is known. */
export const changeText = (entry: Pick<HistoryEntry, 'from' | 'to' | 'note'>): string => {
  const reason = changeReason(entry)
  return [
    ...(reason === null ? [] : [sayReason(reason).says]),
    ...(entry.note === null ? [] : [entry.note]),
  ].join('; ')
}

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
  waitsFor: Reason[]
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

/** Prefix of the snapshots with why audits wait for their judge or checker. */
export const AUDIT_WAIT = 'audit-wait:'

/** By internalization, why they wait; null: they do not. */
export const { read: readAuditWait, save: saveAuditWait } = jsonSnapshotsOf<Reason | null>(
  AUDIT_WAIT
)
