/**
 * The trainings that are compared, and the arms that they give: a training is served in one or two
 * ways, and each of them is an arm. Knows nothing of data or engines.
 */
import type { ScheduleName } from '../../src/core/learn/schedule.ts'
import type { TrainingMethod } from '../../src/openai/fine-tuning.ts'

/** With which prompt a lora is served. */
export type Served = 'query' | 'prompt'

export interface Training {
  schedule: ScheduleName
  stages: number
  /** share of the template in the first stage, by which the schedule's shares are multiplied */
  firstShare: number
  /** `falling`: with the schedule; `constant`: all of them in every stage but the last */
  examples: 'falling' | 'constant'
  /** which sentences of the template a stage leaves out first */
  dropping: 'least-effect' | 'random'
  method: TrainingMethod
  /** `one`: all stages share one curve of the learning rate, as in the product; `each`: one for each */
  curves: 'one' | 'each'
  /** arms of the loras, by the prompt that they are served with */
  arms: Partial<Record<Served, string>>
}

const PROGRESSIVE: Omit<Training, 'arms'> = {
  schedule: 'linear',
  stages: 4,
  firstShare: 1,
  examples: 'falling',
  dropping: 'least-effect',
  method: 'supervised',
  curves: 'one',
}

const progressive = (arm: string, difference: Partial<Training> = {}): Training => ({
  ...PROGRESSIVE,
  ...difference,
  arms: { query: arm },
})

/** All differences are taken against this arm. */
export const REFERENCE = 'query_only'
/** The paper's method. */
export const LINEAR = 'linear_4'

export const TRAINING_NAMES = [
  REFERENCE,
  LINEAR,
  'exponential_4',
  'inverse_exponential_4',
  'linear_2',
  'full_prompt',
  'linear_4_restarts',
  'exponential_4_restarts',
  'examples_constant',
  'compression_0_9',
  'compression_0_6',
  'compression_0_3',
  'compression_0',
  'random_dropping',
  'self_distillation',
] as const

export type TrainingName = (typeof TRAINING_NAMES)[number]

export const TRAININGS: Record<TrainingName, Training> = {
  [REFERENCE]: progressive(REFERENCE, { schedule: 'single-stage' }),
  [LINEAR]: progressive(LINEAR),
  exponential_4: progressive('exponential_4', { schedule: 'exponential' }),
  inverse_exponential_4: progressive('inverse_exponential_4', { schedule: 'inverse-exponential' }),
  linear_2: progressive('linear_2', { stages: 2 }),
  full_prompt: {
    ...PROGRESSIVE,
    schedule: 'full-prompt',
    arms: { prompt: 'full_prompt', query: 'full_prompt_removed' },
  },
  linear_4_restarts: progressive('linear_4_restarts', { curves: 'each' }),
  exponential_4_restarts: progressive('exponential_4_restarts', {
    schedule: 'exponential',
    curves: 'each',
  }),
  examples_constant: progressive('examples_constant', { examples: 'constant' }),
  compression_0_9: progressive('compression_0_9', { firstShare: 0.9 }),
  compression_0_6: progressive('compression_0_6', { firstShare: 0.6 }),
  compression_0_3: progressive('compression_0_3', { firstShare: 0.3 }),
  compression_0: progressive('compression_0', { firstShare: 0 }),
  random_dropping: progressive('random_dropping', { dropping: 'random' }),
  self_distillation: progressive('self_distillation', {
    schedule: 'single-stage',
    method: 'self-distillation',
  }),
}

/** The base model without training: it shows whether it follows its prompt. */
export const BASE_ARMS: Record<Served, string> = { prompt: 'base_full', query: 'base_query' }
