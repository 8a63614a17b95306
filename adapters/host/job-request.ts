/** Checks job requests. Pure: takes a parsed body and returns a request with defaults. */
import { z } from 'zod'
import { AppError } from '../../src/errors.ts'
import {
  TRAINING_METHODS,
  type Hyperparameters,
  type JobObject,
  type JobRequest,
} from '../../src/openai/fine-tuning.ts'
import { parseWith } from './validation.ts'

const positiveInt = z.int().positive().optional()
const share = z.number().min(0).max(1)

const hyperparameters: z.ZodType<Hyperparameters> = z.strictObject({
  rank: positiveInt,
  alpha: z.number().positive().optional(),
  learning_rate: z.number().positive().optional(),
  batch_size: positiveInt,
  n_epochs: positiveInt,
  max_steps: positiveInt,
  max_seconds: z.number().positive().optional(),
  weight_decay: z.number().nonnegative().optional(),
  warmup_ratio: share.optional(),
  schedule_span: z
    .tuple([share, share])
    .refine(([start, end]) => start < end, { error: 'must rise' })
    .optional(),
})

const MAX_METADATA_PAIRS = 16
const MAX_METADATA_CHARS = 512

const schema = z.strictObject({
  model: z.string().min(1),
  training_file: z.string().min(1),
  validation_file: z.string().min(1).nullish(),
  hyperparameters: hyperparameters.optional(),
  method: z
    .strictObject({
      type: z.enum(TRAINING_METHODS, { error: `must be ${TRAINING_METHODS.join(', ')}` }),
    })
    .nullish(),
  seed: z.int().nonnegative().nullish(),
  suffix: z
    .string()
    .regex(/^[\w.-]{1,64}$/, { error: 'may have 64 letters, digits, dots, dashes and underscores' })
    .nullish(),
  metadata: z
    .record(z.string().min(1).max(64), z.string().max(MAX_METADATA_CHARS))
    .refine((pairs) => Object.keys(pairs).length <= MAX_METADATA_PAIRS, {
      error: `may have ${MAX_METADATA_PAIRS} pairs`,
    })
    .nullish(),
})

export type CheckedJobRequest = Required<JobRequest> & {
  validation_file: string | null
  suffix: string | null
}

export const withDefaults = (parsed: z.infer<typeof schema>): CheckedJobRequest => ({
  model: parsed.model,
  training_file: parsed.training_file,
  validation_file: parsed.validation_file ?? null,
  hyperparameters: parsed.hyperparameters ?? {},
  method: parsed.method ?? { type: 'supervised' },
  seed: parsed.seed ?? 0,
  suffix: parsed.suffix ?? null,
  metadata: parsed.metadata ?? {},
})

/** @throws AppError `invalid-request` naming the parameter */
export const parseJobRequest = (body: unknown): CheckedJobRequest =>
  withDefaults(parseWith(schema, body))

/** The metadata key by which a repeated request finds its job instead of creating another. */
const IDEMPOTENCY_KEY = 'idempotency_key'

/**
 * The job of an earlier request with the same key, unless it has failed or was cancelled.
 * @throws AppError `conflict` when that job is for another model
 */
export const findByKey = (
  jobs: JobObject[],
  { metadata, model }: CheckedJobRequest
): JobObject | undefined => {
  const key = metadata[IDEMPOTENCY_KEY]
  if (key === undefined) return undefined
  const job = jobs.find(
    (candidate) =>
      candidate.metadata[IDEMPOTENCY_KEY] === key &&
      candidate.status !== 'failed' &&
      candidate.status !== 'cancelled'
  )
  if (job && job.model !== model)
    throw new AppError(
      'conflict',
      `${IDEMPOTENCY_KEY} ${key} belongs to job ${job.id} on ${job.model}`
    )
  return job
}
