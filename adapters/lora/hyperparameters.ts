/** Defaults of a training job and its learning rate over time. Pure. */
import { defaultLearningRate, type Hyperparameters } from '../../src/openai/fine-tuning.ts'
import { invalidRequest } from '../host/validation.ts'

export type ResolvedHyperparameters = Required<
  Omit<Hyperparameters, 'max_steps' | 'max_seconds'>
> & {
  /** optimizer steps of the whole job */
  total_steps: number
  max_seconds: number | null
}

export interface JobShape {
  rows: number
  /** parameters of the base model */
  parameters: number
  /** the lora that the job starts from, with the rank that the job must keep */
  start: { rank: number; alpha: number } | null
}

export const DEFAULT_RANK = 16
const DEFAULT_ALPHA = 32

const check = (holds: boolean, param: string, rule: string): void => {
  if (!holds)
    throw invalidRequest(`hyperparameters.${param} must be ${rule}`, `hyperparameters.${param}`)
}

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1

const validate = (resolved: ResolvedHyperparameters, start: JobShape['start']): void => {
  const { schedule_span: span, max_seconds: seconds } = resolved
  check(isCount(resolved.rank), 'rank', 'a positive integer')
  check(resolved.alpha > 0, 'alpha', 'positive')
  if (start !== null) {
    check(resolved.rank === start.rank, 'rank', `${start.rank}, as in the lora to start from`)
    check(resolved.alpha === start.alpha, 'alpha', `${start.alpha}, as in the lora to start from`)
  }
  check(resolved.learning_rate > 0, 'learning_rate', 'positive')
  check(isCount(resolved.batch_size), 'batch_size', 'a positive integer')
  check(resolved.n_epochs > 0, 'n_epochs', 'positive')
  check(isCount(resolved.total_steps), 'max_steps', 'a positive integer')
  check(seconds === null || seconds > 0, 'max_seconds', 'positive')
  check(resolved.weight_decay >= 0, 'weight_decay', 'at least 0')
  check(resolved.warmup_ratio >= 0 && resolved.warmup_ratio <= 1, 'warmup_ratio', 'from 0 to 1')
  check(span[0] >= 0 && span[0] < span[1] && span[1] <= 1, 'schedule_span', 'rising within [0, 1]')
}

/** @throws AppError `invalid-request` naming the parameter */
export const resolveHyperparameters = (
  given: Hyperparameters,
  { rows, parameters, start }: JobShape
): ResolvedHyperparameters => {
  const batchSize = given.batch_size ?? 16
  const epochs = given.n_epochs ?? Math.min(10, Math.max(1, Math.round(10_000 / rows)))
  const resolved: ResolvedHyperparameters = {
    rank: given.rank ?? start?.rank ?? DEFAULT_RANK,
    alpha: given.alpha ?? start?.alpha ?? DEFAULT_ALPHA,
    learning_rate: given.learning_rate ?? defaultLearningRate(parameters),
    batch_size: batchSize,
    n_epochs: epochs,
    weight_decay: given.weight_decay ?? 0,
    warmup_ratio: given.warmup_ratio ?? 0.05,
    schedule_span: given.schedule_span ?? [0, 1],
    total_steps: given.max_steps ?? Math.max(1, Math.ceil(epochs * Math.ceil(rows / batchSize))),
    max_seconds: given.max_seconds ?? null,
  }
  validate(resolved, start)
  return resolved
}

/**
 * Half a cosine from the peak to 0 over the whole internalization, of which a job covers
 * `schedule_span`; each job has its own linear warm-up.
 * @param progress of this job, 0 to 1
 */
export const learningRateAt = (
  progress: number,
  {
    learning_rate: peak,
    warmup_ratio: warmup,
    schedule_span: [from, to],
  }: Pick<ResolvedHyperparameters, 'learning_rate' | 'warmup_ratio' | 'schedule_span'>
): number => {
  const cosine = (1 + Math.cos(Math.PI * (from + (to - from) * progress))) / 2
  return peak * cosine * (progress < warmup ? progress / warmup : 1)
}
