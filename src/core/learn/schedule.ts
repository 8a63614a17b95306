/**
 * Stages of a training: the share of template and examples in each stage's prompt, and the division
 * of the training effort. Knows nothing of templates, rows or engines; `compress.ts` and
 * `retrieve.ts` make a stage's prompt.
 */
import { zip } from '../lists.ts'
import { defaultLearningRate, type Hyperparameters } from '../../openai/fine-tuning.ts'

/**
 * `label-head`: a classifier on a sentence encoder; `field-head`: a tagger on it; `query-only`: a lora, in one stage without the prompt;
 * `schedule`: a lora, in PromptIntern's progressive stages.
 */
export const ARM_NAMES = ['label-head', 'field-head', 'query-only', 'schedule'] as const
export type TrainedArmName = (typeof ARM_NAMES)[number]

const MODEL_ARM = 'model:'
/** Another model of the upstreams, which gets the whole request and is not trained. */
export type ModelArmName = `${typeof MODEL_ARM}${string}`
export type ArmName = TrainedArmName | ModelArmName

/** The name is a part of headers and of lists separated by commas. */
const MODEL_ARM_NAME = /^model:[!-+\x2d-~]{1,100}$/

export const isModelArm = (name: string): name is ModelArmName => MODEL_ARM_NAME.test(name)

/** @returns the name of the other model; null: the arm is trained */
export const modelOfArm = (name: ArmName): string | null =>
  isModelArm(name) ? name.slice(MODEL_ARM.length) : null

const HEAD_NAMES = ['label-head', 'field-head'] as const
export type HeadName = (typeof HEAD_NAMES)[number]

/** Whether the arm trains a head on an encoder, and no lora. */
export const isHead = (name: ArmName): name is HeadName => HEAD_NAMES.some((head) => head === name)

export interface StagePlan {
  /** share of the template in this stage's prompt, 0 to 1 */
  templateShare: number
  /** few-shot examples in this stage's prompt */
  examples: number
  hyperparameters: Hyperparameters
}

/** After a third of the way a third of the prompt is left. */
const CURVATURE = 3

/** Share of the prompt that is left at x of the way, both 0 to 1; falls from 1 to 0. */
const shareAt = (x: number): number =>
  (Math.exp(-CURVATURE * x) - Math.exp(-CURVATURE)) / (1 - Math.exp(-CURVATURE))

/**
 * Share of the prompt that each stage has, falling from 1 to 0 (PromptIntern, arXiv 2407.02211,
 * section on progressive internalization); a single stage trains without the prompt.
 *
 * In self-distillation the first stage has less than 1: with the whole prompt the student is its own
 * teacher, and there is nothing to learn.
 */
export const stageShares = (stages: number, distils = false): number[] =>
  Array.from({ length: stages }, (_, k) => {
    if (k === stages - 1) return 0
    return shareAt(distils ? (k + 1) / stages : k / (stages - 1))
  })

/** Facts that the defaults of training depend on. */
export interface TrainingFacts {
  /** of the base model; null when the engine does not say */
  parameters: number | null
  /** tokens of the full template */
  templateTokens: number
  /** training rows */
  rows: number
}

const SMALL_MODEL = 200e6
/** Models that need a GPU. */
const LARGE_MODEL = 1e9
/** Fewer optimizer steps than this are not traded for speed: a small model lacked steps, not rows. */
const LEAST_STEPS = 300

/**
 * Rows of a step. A GPU spends a fixed time on a step, on starting some 150 kernels a layer: for 28
 * layers 4,350 · 5 µs = 22 ms (docs/experiments.md#gpu-step), and computes meanwhile. 16 rows of 30 tokens
 * without their prompt take 1.7 billion parameters 4 · 1.7e9 · 480 / 400 TFLOP/s = 8 ms on an H100, so 32
 * rows take no more time than 16.
 */
const batchSizeFor = (parameters: number, passes: number): number => {
  if (parameters < SMALL_MODEL) return 8
  return parameters >= LARGE_MODEL && passes / 32 >= LEAST_STEPS ? 32 : 16
}

/** clamp(10,000 / rows, 1, 10): few rows are read more often. */
export const epochsFor = (rows: number): number =>
  Math.round(Math.min(10, Math.max(1, 10_000 / Math.max(1, rows))))

/**
 * Defaults of one arm's whole training: LoRA rank 16, or 32 for long templates and many rows;
 * epochs clamp(10,000 / rows, 1, 10). `max_steps` is the same effort counted in optimizer steps.
 */
export const defaultHyperparameters = (
  facts: TrainingFacts
): Hyperparameters & { n_epochs: number; max_steps: number } => {
  // without a size from the engine the model is taken for a small one: it fits this machine
  const parameters = facts.parameters ?? SMALL_MODEL
  const epochs = epochsFor(facts.rows)
  const batchSize = batchSizeFor(parameters, facts.rows * epochs)
  return {
    rank: facts.templateTokens > 2000 || facts.rows > 2000 ? 32 : 16,
    alpha: 32,
    learning_rate: defaultLearningRate(parameters),
    batch_size: batchSize,
    n_epochs: epochs,
    max_steps: Math.max(1, Math.ceil((facts.rows * epochs) / batchSize)),
  }
}

/** A lora trained only with the prompt is near random without it (TriMPI). */
const LAST_STAGE_SHARE = 0.4
const WARMUP_SHARE = 0.05
/** Of a stage among several: each starts with a new optimizer. */
const STAGE_WARMUP_SHARE = 0.1

/**
 * Seconds that one row costs with this share of the prompt, up to a constant factor: an 800-token
 * prompt costs seven times its absence on two cores, shared-prefix packing included.
 */
const secondsAtShare = (share: number): number => 0.1 + 0.6 * share

export interface StagePlanInput extends TrainingFacts {
  stages: number
  /** whether the lora learns from its own base model with the whole prompt */
  distils?: boolean
  /** few-shot examples that a full prompt has */
  examples: number
  /** override the defaults; steps and epochs are those of all stages together */
  hyperparameters?: Hyperparameters
  /** wall-clock seconds of all stages together; no limit if null or absent */
  secondsBudget?: number | null
}

/** Share of the time for a stage, by its place; those of all stages sum to 1. */
const effortShare = (place: number, stages: number): number => {
  if (stages === 1) return 1
  const last = Math.max(LAST_STAGE_SHARE, 1 / stages)
  return place === stages - 1 ? last : (1 - last) / (stages - 1)
}

/** With fewer steps a stage learns almost nothing from the prompt (docs/experiments.md#banking77). */
export const LEAST_PROMPTED_STEPS = 50

/**
 * Steps of the first stage, which has the whole prompt, in its share of the time.
 * @param seconds of all stages together
 * @param secondsPerStep of one optimizer step with the whole prompt
 */
export const affordableFirstSteps = (
  stages: number,
  seconds: number,
  secondsPerStep: number
): number => Math.floor((seconds * effortShare(0, stages)) / secondsPerStep)

/**
 * Whole steps of each stage for its share of the time. Steps with more of the prompt cost more, so
 * there are fewer of them. The last stage gets the steps that rounding leaves.
 */
const divideSteps = (total: number, stages: { prompt: number; effort: number }[]): number[] => {
  const weights = stages.map(({ prompt, effort }) => effort / secondsAtShare(prompt))
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const early = weights
    .slice(0, -1)
    .map((weight) => Math.max(1, Math.floor((total * weight) / sum)))
  const spent = early.reduce((all, steps) => all + steps, 0)
  const least = Math.ceil((spent * LAST_STAGE_SHARE) / (1 - LAST_STAGE_SHARE))
  return [...early, Math.max(1, least, total - spent)]
}

/**
 * The stages of one arm. The last stage has at least 40 % of the optimizer steps and of the time. Each
 * stage has a learning-rate curve of its own: with one for all, the stage without the prompt learns at
 * the smallest rates (docs/experiments.md#paper). Under a time budget each stage also has its
 * share as `max_seconds`.
 */
export const planStages = (input: StagePlanInput): StagePlan[] => {
  const prompts = stageShares(input.stages, input.distils)
  const stages = prompts.map((prompt, place) => ({
    prompt,
    effort: effortShare(place, prompts.length),
  }))
  const base = { ...defaultHyperparameters(input), ...input.hyperparameters }
  const steps = divideSteps(base.max_steps, stages)
  const seconds = input.secondsBudget ?? null
  return zip(stages, steps).map(([{ prompt, effort }, maxSteps]) => ({
    templateShare: prompt,
    examples: Math.floor(input.examples * prompt + 1e-9),
    hyperparameters: {
      ...base,
      max_steps: maxSteps,
      ...(seconds === null ? {} : { max_seconds: seconds * effort }),
      warmup_ratio: prompts.length === 1 ? WARMUP_SHARE : STAGE_WARMUP_SHARE,
    },
  }))
}
