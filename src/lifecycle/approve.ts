/** A person's approval, for admin API and CLI: each one takes an internalization one step further. */
import { isDeepStrictEqual } from 'node:util'
import { rolloutStageOf, type Internalization } from '../core/lifecycle/internalization.ts'
import { lossBoundsOf } from '../core/lifecycle/live-route.ts'
import { NO_PAIRS, NO_STREAM } from '../core/rollout/evidence.ts'
import {
  evidenceFigures,
  nextStage,
  stageName,
  type EvidenceFigures,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import { AppError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { enterNextStage, goLive, type PromotionContext } from './promote.ts'
import { capitalText, lossText, readRolloutReport, type RolloutReport } from './rollout-report.ts'

/** The report, if the worker has made it since the present stage began. */
const reportOnStage = (report: RolloutReport | null, stage: RolloutStage): RolloutReport | null =>
  report !== null && isDeepStrictEqual(report.stage, stage) ? report : null

const soFar = (report: RolloutReport | null): string => {
  if (report === null) return 'the worker has judged no audited request of this stage yet'
  const { evidence, stepCapital } = report
  return (
    `it disagrees with the upstream in ${lossText(evidence)}; the ${evidence.stagePairs} conversations of ` +
    `this stage are evidence ${capitalText(evidence.step)}, and ${stepCapital} is needed`
  )
}

const notYet = (id: string, stage: RolloutStage, report: RolloutReport | null): AppError =>
  new AppError(
    'invalid-state',
    `internalization ${id} is in the stage ${stageName(stage)} and may not enter the next one yet: ` +
      `${soFar(report)}. Wait for more audited requests, or decide without that evidence by "now": true`
  )

/** Before the first pair. */
const noEvidence = (internalization: Internalization): EvidenceFigures =>
  evidenceFigures(
    { stream: NO_STREAM, inStage: NO_PAIRS, startTimes: new Map() },
    lossBoundsOf(internalization, true)
  )

/**
 * From approval to the first stage of the rollout, or of a live internalization to the next stage. In the
 * last stage it changes nothing.
 * @param isForced enters the next stage also without the evidence for it, which the history then shows
 * @throws AppError as `goLive`, and `invalid-state` without the evidence
 */
export const approve = async (
  store: Store,
  internalization: Internalization,
  isForced: boolean,
  context: PromotionContext
): Promise<Internalization> => {
  const stage = rolloutStageOf(internalization.state)
  if (stage === null || nextStage(stage, context.rollout, NO_PAIRS) === null)
    return goLive(store, internalization, context)
  const latest = await readRolloutReport(store, internalization.id)
  const report = reportOnStage(latest, stage)
  if (!isForced && report?.mayStep !== true) throw notYet(internalization.id, stage, report)
  const evidence = latest?.evidence ?? noEvidence(internalization)
  return enterNextStage(store, internalization, evidence, context)
}
