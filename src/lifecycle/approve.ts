/** A person's approval, for admin API and CLI: each one takes an internalization one step further. */
import { capitalText, lossText } from '../core/rollout/evidence-text.ts'
import { isDeepStrictEqual } from 'node:util'
import { rolloutStageOf, type Internalization } from '../core/internalization/internalization.ts'
import { lossBoundsOf } from '../core/internalization/live-route.ts'
import { NO_PAIRS } from '../core/rollout/evidence.ts'
import { NO_STREAMS } from '../core/rollout/pair-reader.ts'
import {
  evidenceFigures,
  isMore,
  nextShare,
  stageName,
  stageOf,
  type EvidenceFigures,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import { AppError } from '../errors.ts'
import { reasonText } from '../core/reasons/say-reason.ts'
import type { Store } from '../store/store.ts'
import { pause, resume } from './pause.ts'
import { enterStage, goLive, settleRoute, type PromotionContext } from './promote.ts'
import { readRolloutReport, type RolloutReport } from './rollout-report.ts'

/** The report, if the worker has made it since the present stage began. */
const reportOnStage = (report: RolloutReport | null, stage: RolloutStage): RolloutReport | null =>
  report !== null && isDeepStrictEqual(report.stage, stage) ? report : null

const soFar = (report: RolloutReport | null): string => {
  if (report === null) return 'the worker has judged no audited request of this stage yet'
  const { evidence, stepCapital, waitsFor } = report
  const found =
    `it disagrees with the upstream in ${lossText(evidence)}; the evidence is ${capitalText(evidence.step)} ` +
    `after ${evidence.stagePairs} conversations of this stage, and ${stepCapital} is needed`
  return [found, ...waitsFor.map(reasonText)].join('; ')
}

const notYet = (id: string, stage: RolloutStage, report: RolloutReport | null): AppError =>
  new AppError(
    'invalid-state',
    `internalization ${id} is in the stage ${stageName(stage)} and may not enter the next one yet: ` +
      `${soFar(report)}. Wait for more audited requests, or decide without this evidence: --now, "now": true`
  )

/** Before the first pair. */
const noEvidence = (internalization: Internalization): EvidenceFigures =>
  evidenceFigures(NO_STREAMS, lossBoundsOf(internalization, true))

export interface Approval {
  /** enters the stage also without the evidence and the time for it, which the history then shows */
  isForced: boolean
  /** of the stage to enter, at most 1; 0 pauses; by default the next larger one of the settings, or the end of a pause */
  share?: number
}

const checkShare = (share: number): void => {
  if (!(share >= 0 && share <= 1))
    throw new AppError('invalid-request', 'a share must be at least 0 and at most 1', {
      param: 'share',
    })
}

/**
 * From approval to the first stage of the rollout, or of a live internalization to the next stage; or, from
 * either, to the stage with the given share. A smaller share than the present one takes no evidence. In the
 * last stage, and for the present share, it changes nothing. The share 0 pauses a live one; without a share, or with
 * the one before, the pause ends.
 * @throws AppError as `goLive`, `invalid-state` without the evidence and for a larger share in a pause, and
 * `invalid-request` for an impossible share
 */
export const approve = async (
  store: Store,
  internalization: Internalization,
  { isForced, share }: Approval,
  context: PromotionContext
): Promise<Internalization> => {
  if (share !== undefined) checkShare(share)
  const { id, state, templateVersion } = internalization
  const stage = rolloutStageOf(state)
  if (share === 0) return pause(store, internalization, context)
  if (stage?.isPaused && (share ?? stage.shareBefore) === stage.shareBefore)
    return resume(store, internalization, context)
  if (stage === null)
    return goLive(
      store,
      internalization,
      context,
      share === undefined ? undefined : stageOf(share, NO_PAIRS, context.now)
    )
  const wanted = share ?? nextShare(stage, context.rollout) ?? stage.share
  if (stage.isPaused && isMore(wanted, stage) && !isForced)
    throw new AppError(
      'invalid-state',
      `internalization ${id} is paused: promote it without a share first, which ends the pause`
    )
  if (wanted === stage.share) {
    await settleRoute(store, templateVersion, context)
    return internalization
  }
  const latest = await readRolloutReport(store, id)
  const report = reportOnStage(latest, stage)
  const isEarned = !isMore(wanted, stage) || report?.mayStep === true
  if (!isForced && !isEarned) throw notYet(id, stage, report)
  const evidence = latest?.evidence ?? noEvidence(internalization)
  const entered = { stage: stageOf(wanted, evidence, context.now), evidence }
  return enterStage(store, internalization, entered, context)
}
