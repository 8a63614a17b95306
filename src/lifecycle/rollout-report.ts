/**
 * What the worker knows of a live route: its stage, its pairs and their evidence. The worker keeps the
 * report in the store for all who show it; decisions are made from the pairs themselves.
 */
import { rolloutStageOf, type Internalization } from '../core/lifecycle/internalization.ts'
import {
  decideRollout,
  figuresInStage,
  nextStage,
  stageName,
  type EvidenceFigures,
  type RolloutSettings,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import { NO_PAIRS } from '../core/rollout/evidence.ts'
import type { PairOutcome } from '../core/rollout/pair.ts'
import { percent } from '../core/gate/figures.ts'
import type { Store } from '../store/store.ts'

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
  /** audited requests without the lora's answer yet, and those that were dropped */
  waiting: number
  dropped: number
  /** the evidence for the next stage is there */
  mayStep: boolean
  /** when more loss than was proven was first shown; null: it was not */
  driftedAt: number | null
  /** cost of all routes' audits since midnight UTC, and its limit; null: no limit */
  spentUsdToday: number
  auditUsdPerDay: number | null
}

const nameOf = (internalizationId: string): string => `rollout:${internalizationId}`

/** @returns null before the worker has seen the live route */
export const readRolloutReport = async (
  { snapshots }: Pick<Store, 'snapshots'>,
  internalizationId: string
): Promise<RolloutReport | null> => {
  const bytes = await snapshots.get(nameOf(internalizationId))
  return bytes === null ? null : (JSON.parse(new TextDecoder().decode(bytes)) as RolloutReport)
}

export const saveRolloutReport = (
  { snapshots }: Pick<Store, 'snapshots'>,
  internalizationId: string,
  report: RolloutReport
): Promise<void> =>
  snapshots.put(nameOf(internalizationId), new TextEncoder().encode(JSON.stringify(report)))

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
  const evidence = figuresInStage(report.evidence, stage)
  const mayStep = next !== null && decideRollout(evidence, stage, report).mayStep
  return { stage, next, evidence, mayStep }
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

/** `21 of 160 conversations, 13.1 % (8.0 to 20.1 %)` */
export const lossText = ({ pairs, losses, interval: [lower, upper] }: EvidenceFigures): string =>
  `${Number(losses.toFixed(1))} of ${pairs} conversations` +
  (pairs === 0 ? '' : `, ${percent(losses / pairs)} (${percent(lower)} to ${percent(upper)})`)

export const rollbackReason = (evidence: EvidenceFigures): string =>
  `rolled back: it disagrees with the upstream in ${lossText(evidence)}, ` +
  `and at most ${percent(evidence.margin)} may; evidence ${capitalText(evidence.rollback)}`

export const driftText = (evidence: EvidenceFigures): string =>
  `its traffic has changed: it disagrees with the upstream in ${lossText(evidence)}, ` +
  `and the proof showed at most ${percent(evidence.proven)}; evidence ${capitalText(evidence.drift)}`

export const stepText = (stage: RolloutStage, evidence: EvidenceFigures): string =>
  `${stageName(stage)}: it disagrees with the upstream in ${lossText(evidence)}`
