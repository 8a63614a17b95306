/** Which arms compete, and the stages and the time of each. */
import {
  affordableFirstSteps,
  LEAST_PROMPTED_STEPS,
  planStages,
  type ArmName,
  type TrainingFacts,
} from '../../core/learn/schedule.ts'
import type { Arm } from '../../core/internalization/internalization.ts'
import type { TrainingMethod } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'
import type { PlannedHead } from './head.ts'

/**
 * Share of the training time for the query-only arm. Its rows are short: within a budget it can make
 * all its steps, where the early stages of a schedule make only a handful.
 */
const QUERY_ONLY_TIME_SHARE = 0.6

export interface ArmFacts extends TrainingFacts {
  /**
   * of one pass over `EFFECT_ROWS` rows with the whole template, which is about the time of an optimizer
   * step over a quarter of these rows, because a step also has a backward pass
   */
  passSeconds: number
  method: TrainingMethod
  /** whether the engine has a model to train loras on */
  hasLoras: boolean
  /** whether some stage trains with a part of the prompt */
  hasPrompt: boolean
  /** that can learn the answers; without an encoder none can */
  head: PlannedHead | { encoder: null }
}

type Config = WorkerDeps['config']

const scheduleTimeShare = ({ arms }: Config): number =>
  arms.includes('query-only') ? 1 - QUERY_ONLY_TIME_SHARE : 1

/**
 * Whether the schedule is trained. Within a time budget its stages with a prompt need enough steps to have an
 * effect; otherwise the query-only arm gets all the time.
 */
const hasSchedule = (deps: WorkerDeps, { passSeconds, hasPrompt }: ArmFacts): boolean => {
  const { config } = deps
  if (!hasPrompt) return false
  if (config.trainSeconds === null) return true
  const seconds = config.trainSeconds * scheduleTimeShare(config)
  const steps = affordableFirstSteps(config.stages, seconds, passSeconds)
  if (steps >= LEAST_PROMPTED_STEPS) return true
  deps.log({
    level: 'warn',
    message: 'the schedule is left out: TRAIN_MINUTES is too short for steps with the prompt',
    data: { trainSeconds: config.trainSeconds, steps, least: LEAST_PROMPTED_STEPS },
  })
  return false
}

const loraArms = (deps: WorkerDeps, facts: ArmFacts): Arm[] => {
  const { trainSeconds, examples, arms } = deps.config
  const arm = (name: ArmName, stages: number, timeShare: number): Arm => ({
    name,
    stages: planStages({
      stages,
      examples,
      distils: facts.method === 'self-distillation',
      ...facts,
      secondsBudget: trainSeconds === null ? null : trainSeconds * timeShare,
    }),
    results: [],
  })
  if (!hasSchedule(deps, facts)) return [arm('query-only', 1, 1)]
  const scheduled = arm('schedule', deps.config.stages, scheduleTimeShare(deps.config))
  if (!arms.includes('query-only')) return [scheduled]
  return [arm('query-only', 1, QUERY_ONLY_TIME_SHARE), scheduled]
}

/** A head has its own training, which takes seconds or minutes. */
const headArm = ({ name, encoder }: PlannedHead): Arm => ({
  name,
  encoder: encoder.id,
  stages: [{ templateShare: 0, examples: 0, hyperparameters: {} }],
  results: [],
})

/** The arms of `ARMS` that can learn the answers, the cheapest first; empty where none can. */
export const planArms = (deps: WorkerDeps, facts: ArmFacts): Arm[] => {
  const wanted = new Set(deps.config.arms)
  const head = facts.head.encoder === null ? [] : [headArm(facts.head)]
  const hasLora = facts.hasLoras && (wanted.has('query-only') || wanted.has('schedule'))
  return [...head, ...(hasLora ? loraArms(deps, facts) : [])]
}
