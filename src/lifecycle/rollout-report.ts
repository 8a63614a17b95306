/**
 * What the worker knows of a live route: its stage, its pairs and their evidence. The worker keeps the
 * report in the store for all who show it; decisions are made from the pairs themselves.
 */
import { stageName, type EvidenceFigures, type RolloutStage } from '../core/rollout/stages.ts'
import type { PairOutcome } from '../core/rollout/pair.ts'
import type { Indicator, IndicatorFigures } from '../core/rollout/indicators.ts'
import type { UpstreamVersion } from '../core/rollout/upstream-versions.ts'
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
export const readRolloutReport = async (
  { snapshots }: Pick<Store, 'snapshots'>,
  internalizationId: string
): Promise<RolloutReport | null> => {
  const bytes = await snapshots.get(nameOf(internalizationId))
  return bytes === null ? null : (JSON.parse(new TextDecoder().decode(bytes)) as RolloutReport)
}

/** Reports of all internalizations that were ever live, with their ids. */
export const rolloutReports = async (
  store: Pick<Store, 'snapshots'>
): Promise<[internalizationId: string, RolloutReport][]> => {
  const ids = (await store.snapshots.names(PREFIX)).map((name) => name.slice(PREFIX.length))
  const reports: [string, RolloutReport][] = []
  for (const id of ids) {
    const report = await readRolloutReport(store, id)
    if (report !== null) reports.push([id, report])
  }
  return reports
}

export const saveRolloutReport = (
  { snapshots }: Pick<Store, 'snapshots'>,
  internalizationId: string,
  report: RolloutReport
): Promise<void> =>
  snapshots.put(nameOf(internalizationId), new TextEncoder().encode(JSON.stringify(report)))

/** Capital of a natural logarithm, such as `312`. */
export const capitalText = (logarithm: number): string => {
  const capital = Math.exp(logarithm)
  return capital >= 1e6 ? capital.toExponential(1) : capital.toPrecision(3)
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
