/**
 * The stages of a training, and the optimizer steps of each in both matchings. The shares of the prompt
 * and of the effort are the product's (`planStages`); changes that the product has no option for are
 * made here. Pure.
 */
import { fitStages } from '../../src/core/learn/fits.ts'
import { planStages } from '../../src/core/learn/schedule.ts'
import type { Hyperparameters } from '../../src/openai/fine-tuning.ts'
import type { Training } from './arms.ts'

export interface StageShape {
  /** share of the template's tokens in the prompt of this stage */
  templateShare: number
  /** examples in the prompt of this stage */
  examples: number
  /** share of this stage in the effort of the training: of its steps, or of its time */
  effort: number
  hyperparameters: Hyperparameters
}

export interface TrainingFacts {
  /** parameters of the base model; null when the engine does not say */
  parameters: number | null
  templateTokens: number
  rows: number
  /** examples of the whole prompt */
  examples: number
}

const plan = ({ schedule, stages, method }: Training, facts: TrainingFacts) =>
  planStages({
    schedule,
    stages,
    distils: method === 'self-distillation',
    ...facts,
    // so each stage's seconds are its share of the effort
    secondsBudget: 1,
  })

/** Of the curve that all stages share. A new optimizer has no moments, so later stages warm up shortly. */
const sharedWarmup = (stage: number, effort: number, steps: number): number =>
  stage === 0 ? Math.min(0.5, 0.05 / effort) : Math.min(0.2, 10 / steps)

/** The place of each stage on a curve of the learning rate that all of them share. */
const spansOf = (efforts: readonly number[]): [from: number, to: number][] => {
  let passed = 0
  return efforts.map((effort, stage) => {
    const from = passed
    passed += effort
    return [from, stage === efforts.length - 1 ? 1 : passed]
  })
}

export const stageShapes = (training: Training, facts: TrainingFacts): StageShape[] => {
  const planned = plan(training, facts)
  const spans = spansOf(planned.map(({ hyperparameters }) => hyperparameters.max_seconds!))
  return planned.map(({ templateShare, examples, hyperparameters }, stage) => {
    const { n_epochs: _epochs, max_steps: steps, max_seconds: effort, ...others } = hyperparameters
    return {
      templateShare: training.firstShare * templateShare,
      examples: training.examples === 'constant' && templateShare > 0 ? facts.examples : examples,
      effort: effort!,
      hyperparameters:
        training.curves === 'each'
          ? others
          : {
              ...others,
              schedule_span: spans[stage]!,
              warmup_ratio: sharedWarmup(stage, effort!, steps!),
            },
    }
  })
}

/** A measured point: optimizer steps whose rows share so many tokens of the prompt. */
export interface CostPoint {
  promptTokens: number
  secondsPerStep: number
}

export interface Costs {
  /** fewest tokens first, at least two */
  points: CostPoint[]
  /** of the teacher's reading of one row, in self-distillation */
  teacherSecondsPerRow: number
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * Costs of subjects whose rows are alike, measured for the same shares of their prompts: the median of
 * each point, because one measurement beside other work is off by up to a third.
 */
export const pooledCosts = (measured: readonly Costs[]): Costs => ({
  points: measured[0]!.points.map((_, at) => ({
    promptTokens: median(measured.map(({ points }) => points[at]!.promptTokens)),
    secondsPerStep: median(measured.map(({ points }) => points[at]!.secondsPerStep)),
  })),
  teacherSecondsPerRow: median(measured.map((costs) => costs.teacherSecondsPerRow)),
})

/** On the line through the two points around `promptTokens`; beyond the last point on the line through the last two. */
export const secondsPerStep = ({ points }: Costs, promptTokens: number): number => {
  const above = points.findIndex((point, at) => at > 0 && point.promptTokens >= promptTokens)
  const to = above === -1 ? points.length - 1 : above
  const [low, high] = [points[to - 1]!, points[to]!]
  const way = (promptTokens - low.promptTokens) / (high.promptTokens - low.promptTokens)
  return low.secondsPerStep + way * (high.secondsPerStep - low.secondsPerStep)
}

export interface Effort {
  effort: number
  /** tokens that the rows of the stage share */
  promptTokens: number
}

const atLeastOne = (steps: number): number => Math.max(1, Math.round(steps))

/** Equal steps: the stages divide them by their effort. */
export const equalSteps = (stages: readonly Effort[], total: number): number[] =>
  stages.map(({ effort }) => atLeastOne(effort * total))

/** Seconds that steps cost by the measured points. @param steps one entry for each stage */
export const secondsOf = (
  stages: readonly Effort[],
  steps: readonly number[],
  costs: Costs
): number =>
  stages.reduce(
    (sum, { promptTokens }, stage) => sum + steps[stage]! * secondsPerStep(costs, promptTokens),
    0
  )

/** Equal time: the stages divide it by their effort, and a stage makes the steps that fit. */
export const stepsInTime = (stages: readonly Effort[], seconds: number, costs: Costs): number[] =>
  stages.map(({ effort, promptTokens }) =>
    atLeastOne((effort * seconds) / secondsPerStep(costs, promptTokens))
  )

/**
 * Hyperparameters of a fit of the learning curve: those of the product for a part of the rows, or for
 * more rows.
 * @param rows the curve's own, of which a fit has `fitted`
 */
export const curveHyperparameters = (
  training: Training,
  facts: TrainingFacts,
  fitted: number
): Hyperparameters => {
  const { rows } = facts
  const { schedule, stages } = training
  const [stage] = planStages({ schedule, stages, ...facts, rows: Math.max(rows, fitted) })
  const [fit] = fitted < rows ? fitStages([stage!], fitted / rows, rows) : [stage!]
  return fit!.hyperparameters
}
