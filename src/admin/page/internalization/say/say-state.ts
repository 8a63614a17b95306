/** Where an internalization stands, in sentences for a person who decides. Pure. */
import { stateReason } from '../../../../core/internalization/change-reason.ts'
import { sayReason, sentenceOf } from '../../../../core/reasons/say-reason.ts'
import type {
  Internalization,
  InternalizationState,
} from '../../../../core/internalization/internalization.ts'
import type {
  JudgeProgress,
  StageProgress,
} from '../../../../core/internalization/stage-progress.ts'
import { judgeCostText } from '../../../../lifecycle/read-judge.ts'
import { duration, whole } from '../../../../views/format.ts'
import { sayRejection } from './say-rejection.ts'
import { sayLive, sayRetired, type LiveSituation } from './say-rollout.ts'
import { armText, sayAnswers } from '../../../../views/say-verdict.ts'
import { said, type Said } from './said.ts'

export interface Situation extends LiveSituation {
  progress: StageProgress | JudgeProgress | null
  /** who wrote the present state, as the history says */
  by: string
}

const sayStep = (metrics: NonNullable<StageProgress['metrics']>): string[] => {
  const { step, total_steps: steps, eta_seconds: seconds } = metrics
  if (step == null || steps == null) return []
  const left = seconds == null ? '' : `; about ${duration(1000 * seconds)} to go in this stage`
  return [`Step ${whole(step)} of ${whole(steps)}${left}.`]
}

const sayTraining = (
  { plan }: Internalization,
  state: Extract<InternalizationState, { name: 'training' }>,
  progress: Situation['progress']
): string[] => {
  const arms = plan?.arms ?? []
  const arm = arms[state.arm]
  if (arm === undefined) return []
  const ofStage = progress !== null && 'stage' in progress ? progress : null
  const isPresent = ofStage?.arm === state.arm && ofStage.stage === state.stage
  return [
    `Candidate ${state.arm + 1} of ${arms.length}, stage ${state.stage + 1} of ${arm.stages.length}: ${armText(arm)}.`,
    ...(isPresent ? sayStep(ofStage.metrics ?? {}) : []),
  ]
}

const COMPARES: Record<JudgeProgress['compares'], string> = {
  second: 'the upstream’s second answers',
  planted: 'answers with planted faults',
  adapted: 'the small model’s answers',
}

const sayEvaluating = ({ plan }: Internalization, progress: Situation['progress']): string[] => {
  const judge = plan?.judge
  if (judge === undefined)
    return ['It answers the held-out requests, and its answers are compared with the logged ones.']
  if (progress === null || !('compares' in progress))
    return [`It answers the held-out requests. Then ${judgeCostText(judge)}.`]
  const { compares, done, of } = progress
  return [`${judge.model} compares ${COMPARES[compares]}: ${whole(done)} of ${whole(of)}.`]
}

export const sayState = (situation: Situation): Said => {
  const { row, progress } = situation
  const { state } = row
  switch (state.name) {
    case 'candidate':
      return said([
        'The worker chooses exchanges and begins to train when the engine is free.',
        ...[stateReason(state) ?? []]
          .flat()
          .map((reason) => sentenceOf(`it ${sayReason(reason).says}`)),
      ])
    case 'training':
      return said(sayTraining(row, state, progress))
    case 'evaluating':
      return said(sayEvaluating(row, progress))
    case 'approval':
      return said(
        row.verdict === null ? [] : [sayAnswers(row.verdict, situation.model, 'would answer')]
      )
    case 'live':
      return said(sayLive(state.stage, situation))
    case 'retired':
      return sayRetired(state, situation)
    case 'rejected':
      return sayRejection(row, state)
    case 'failed':
      return said(['It stopped with an error.'], {
        helps: sentenceOf(sayReason(state.reason).helps ?? ''),
        reason: sayReason(state.reason).says,
      })
  }
}
