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

/** @throws AppError `invalid-request` naming the parameter that the lora to start from does not have */
const checkStart = (
  resolved: ResolvedHyperparameters,
  start: NonNullable<JobShape['start']>
): void => {
  for (const name of ['rank', 'alpha'] as const)
    if (resolved[name] !== start[name])
      throw invalidRequest(
        `hyperparameters.${name} must be ${start[name]}, as in the lora to start from`,
        `hyperparameters.${name}`
      )
}

/**
 * @param given as a job's creation has checked them
 * @throws AppError `invalid-request` naming the parameter
 */
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
  if (start !== null) checkStart(resolved, start)
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
