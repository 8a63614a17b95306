/**
 * One step of one internalization: reads its state, has one effect, writes the next state.
 * candidate → training(arm, stage) → evaluating → approval → live; see lifecycle/transitions.ts.
 */
import {
  nextTraining,
  rolloutStageOf,
  planOf,
  type Internalization,
  type InternalizationState,
  type StageResult,
} from '../../core/internalization/internalization.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import { reasonText } from '../../core/reasons/say-reason.ts'
import { transition } from '../../lifecycle/transitions.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError, toAppError, type ErrorCode } from '../../errors.ts'
import { isUnfinished } from '../../openai/fine-tuning.ts'
import { saveDecisionFacts } from '../../lifecycle/proof-file.ts'
import { goLive, type PromotionContext } from '../../lifecycle/promote.ts'
import type { Store } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { isEngineLost } from '../engine/watch.ts'
import { evaluate } from './evaluate.ts'
import { planInternalization } from '../plan/plan.ts'
import { reportProgress } from './progress.ts'
import { warnUnlessItPays } from './would-pay.ts'
import { trainStage, type StageContext } from './train.ts'
import { itemAt } from '../../core/lists.ts'

/** `waiting`: for the engine or for an operator; `engine-lost`: a call failed, the engine is away. */
export type StepOutcome = 'advanced' | 'waiting' | 'engine-lost'

const BY = 'worker'

/** Errors that pass: the internalization keeps its state, and the step is repeated later. */
const TRANSIENT = new Set<ErrorCode>(['store-unavailable', 'conflict', 'upstream-unavailable'])

export const promotionContext = (deps: WorkerDeps): PromotionContext => ({
  by: BY,
  now: deps.now(),
  rollout: deps.rollout,
})

/** Writes the next state. */
const moveTo = async (
  deps: WorkerDeps,
  internalization: Internalization,
  state: InternalizationState
): Promise<StepOutcome> => {
  await deps.store.internalizations.save(transition(internalization, state), BY, deps.now())
  return 'advanced'
}

const begin = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  template: Template
): Promise<StepOutcome> => {
  const { state: entered } = internalization
  const planned = await planInternalization(deps, engine, template, {
    id: internalization.id,
    ...(entered.name === 'candidate' ? entered : {}),
  })
  if ('refused' in planned) {
    const { refused: reason } = planned
    deps.log({
      level: 'warn',
      message: `rejected before training: ${reasonText(reason)}`,
      data: { template: template.version },
    })
    return moveTo(deps, internalization, { name: 'rejected', reason, isUntrained: true })
  }
  await warnUnlessItPays(deps, template)
  return moveTo(deps, { ...internalization, plan: planned }, nextTraining(planned.arms))
}

const finishStage = async (
  deps: WorkerDeps,
  context: StageContext,
  result: StageResult
): Promise<StepOutcome> => {
  const arms = context.plan.arms.map((arm, index) =>
    index === context.arm
      ? { ...arm, results: [...arm.results.slice(0, context.stage), result] }
      : arm
  )
  const advanced = { ...context.internalization, plan: { ...context.plan, arms } }
  const next = { arm: context.arm, stage: context.stage + 1 }
  const outcome = await moveTo(deps, advanced, nextTraining(arms, next))
  deps.log({
    level: 'info',
    message: 'stage trained',
    data: { internalization: context.internalization.id, arm: context.arm, ...result },
  })
  return outcome
}

const train = async (
  deps: WorkerDeps,
  engine: Engine,
  context: StageContext
): Promise<StepOutcome> => {
  const stage = await trainStage(deps, engine, context)
  if (stage.name === 'trained') return finishStage(deps, context, stage.result)
  if (stage.name === 'running') await reportProgress(deps, engine, context, stage.job)
  return stage.name === 'begun' ? 'advanced' : 'waiting'
}

const judge = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  template: Template
): Promise<StepOutcome> => {
  const plan = planOf(internalization)
  const { verdict, facts } = await evaluate(deps, engine, internalization, plan, template)
  // before the state: a crash in between repeats both
  await saveDecisionFacts(deps.store, internalization.id, facts)
  const judged = { ...internalization, verdict }
  deps.log({ level: 'info', message: `verdict: ${verdict.verdict}`, data: { ...verdict } })
  const { reason } = verdict
  const isRejected = verdict.verdict === 'reject'
  return moveTo(deps, judged, isRejected ? { name: 'rejected', reason } : { name: 'approval' })
}

const isRoutePaused = async (store: Store, templateVersion: string): Promise<boolean> =>
  (await store.internalizations.list()).some(
    (row) => row.templateVersion === templateVersion && rolloutStageOf(row.state)?.isPaused
  )

/** Without AUTO_PROMOTE an operator approves it, and while the route that it would replace is paused. */
const promote = async (
  deps: WorkerDeps,
  internalization: Internalization
): Promise<StepOutcome> => {
  if (!deps.config.autoPromote) return 'waiting'
  if (await isRoutePaused(deps.store, internalization.templateVersion)) return 'waiting'
  await goLive(deps.store, internalization, promotionContext(deps))
  return 'advanced'
}

/**
 * Why a successor is out of date; null: it is not. It was planned with traffic from before the change that
 * its predecessor was rolled back for.
 */
const outdatedBy = async (
  { store }: WorkerDeps,
  { plan }: Internalization
): Promise<Reason | null> => {
  const successor = plan?.successor
  if (successor?.why !== 'new-traffic') return null
  const state = (await store.internalizations.get(successor.of))?.state
  if (state?.name !== 'retired' || state.evidence === undefined) return null
  return reasonOf('predecessor-rolled-back', { because: state.reason })
}

/** Its job may run for hours. */
const cancelJobs = async (engine: Engine, { id }: Internalization): Promise<void> => {
  for (const job of await engine.findJobs({ internalization_id: id }))
    if (isUnfinished(job)) await engine.cancelJob(job.id)
}

const step = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  template: Template
): Promise<StepOutcome> => {
  const { state } = internalization
  const reason = await outdatedBy(deps, internalization)
  if (reason !== null) {
    await cancelJobs(engine, internalization)
    return moveTo(deps, internalization, { name: 'rejected', reason })
  }
  switch (state.name) {
    case 'candidate':
      return begin(deps, engine, internalization, template)
    case 'training': {
      const plan = planOf(internalization)
      const { arm, stage } = state
      const trained = itemAt(plan.arms, arm)
      return train(deps, engine, { internalization, plan, template, trained, arm, stage })
    }
    case 'evaluating':
      return judge(deps, engine, internalization, template)
    case 'approval':
      return promote(deps, internalization)
    default:
      return 'waiting'
  }
}

/** Does one step. An error that does not pass ends the internalization as `failed`, with its cause. */
export const advance = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization
): Promise<StepOutcome> => {
  try {
    const template = await deps.store.templates.get(internalization.templateVersion)
    if (template === null)
      throw new AppError('not-found', `template ${internalization.templateVersion} was deleted`)
    return await step(deps, engine, internalization, template)
  } catch (thrown) {
    const error = toAppError(thrown)
    deps.fault('internalization', thrown, { internalization: internalization.id })
    if (isEngineLost(error)) return 'engine-lost'
    if (TRANSIENT.has(error.code)) return 'waiting'
    const { code, message } = error
    return moveTo(deps, internalization, {
      name: 'failed',
      reason: reasonOf('error', { code, message }),
    })
  }
}
