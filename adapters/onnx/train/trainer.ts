/**
 * One training job: takes rows and returns a lora. Knows nothing of tokenizers, processes or files of
 * loras.
 *
 * It returns the final weights, not those with the lowest validation loss. The learning rate is 0 at the
 * end, the next stage continues with the same optimizer, and on short answers the held-out agreement
 * often still rises while the validation loss rises. Validation loss is reported a few times.
 */
import { AppError } from '../../../src/errors.ts'
import type { TrainingMetrics } from '../../../src/openai/fine-tuning.ts'
import type { TrainHooks } from '../../host/backend.ts'
import { adamWStep, type AdamWState } from '../gradient/adamw.ts'
import { packBatch } from './batch.ts'
import { totalLabelWeight, type TokenizedRow } from '../../text/rows.ts'
import { metricsOf, saveCheckpoint } from '../gradient/checkpoint.ts'
import { learningRateAt, type ResolvedHyperparameters } from '../../lora/hyperparameters.ts'
import type { LoraLayout } from '../../lora/lora-layout.ts'
import { progressOf, runSteps } from '../gradient/training-steps.ts'
import { LossModel } from './loss-model.ts'
import { epochBatches } from '../../lora/schedule.ts'
import { splitByMemory } from './row-order.ts'
import {
  initialState,
  prepareJob,
  type Job,
  type LoraState,
  type TrainLoraInput,
  type TrainLoraOptions,
} from './training-job.ts'
import { TrainingSession } from './training-session.ts'

export interface TrainedLora {
  layout: LoraLayout
  theta: Float32Array
  optimizer: AdamWState
  hyperparameters: ResolvedHyperparameters
  dataHash: string
  /** tokens computed, a shared prefix counted once a batch */
  trainedTokens: number
  metrics: TrainingMetrics
}

const CLIP_NORM = 1
/** progress at which validation runs, in addition to the end */
const VALIDATE_AT = [0.25, 0.5, 0.75]

/**
 * Trains a lora on completions.
 * @throws AppError `invalid-request` (no rows, bad hyperparameters), `context-length-exceeded`,
 * `internal` (the loss is not finite); the signal's reason when it is aborted, after a checkpoint
 */
export const trainLora = async (
  input: TrainLoraInput,
  hooks: TrainHooks,
  options: TrainLoraOptions = {}
): Promise<TrainedLora> => {
  const job = prepareJob(input, hooks, options)
  const losses = new LossModel(input.model, { threads: options.threads })
  const { model } = input
  const session = await TrainingSession.open({
    model,
    layout: job.layout,
    ...job.blocks,
    maxPositions: Math.max(...job.lengths),
    gradients: true,
    threads: options.threads,
  })
  try {
    const state = await initialState(job)
    await trainSteps(job, session, losses, state)
    await validate(job, losses, state)
    await saveCheckpoint(job, state)
    return result(job, state)
  } finally {
    await Promise.all([session.close(), losses.close()])
  }
}

/** What the steps of the job are bound by. */
const boundsOf = ({ hyperparameters }: Job, { counters }: LoraState) => ({
  totalSteps: hyperparameters.total_steps,
  maxSeconds: hyperparameters.max_seconds ?? Infinity,
  counters,
})

const trainSteps = async (
  job: Job,
  session: TrainingSession,
  losses: LossModel,
  state: LoraState
): Promise<void> => {
  const { counters } = state
  const bounds = boundsOf(job, state)
  const batches = batchSequence(job, counters.step)
  await runSteps({
    ...job.options,
    ...bounds,
    hooks: job.hooks,
    step: () => trainStep(job, session, state, batches.next().value),
    judge: async () => {
      const progress = progressOf(bounds)
      const due = VALIDATE_AT.filter((at) => progress >= at).length
      if (due <= counters.validations || progress === 1) return
      await validate(job, losses, state)
      counters.validations = due
    },
    isOver: () => false,
    save: () => saveCheckpoint(job, state),
  })
}

/** Endless batches from the given step on, the same for the same seed. */
function* batchSequence(job: Job, fromStep: number): Generator<TokenizedRow[], never, undefined> {
  const { input, lengths, hyperparameters } = job
  const size = hyperparameters.batch_size
  const perEpoch = Math.ceil(lengths.length / size)
  let skip = fromStep % perEpoch
  for (let epoch = Math.floor(fromStep / perEpoch); ; epoch++) {
    for (const batch of epochBatches(lengths, size, input.seed, epoch).slice(skip))
      yield batch.map((row) => input.rows[row]!)
    skip = 0
  }
}

/** Computes a batch's gradient, in as many parts as memory requires, and makes one optimizer step. */
const trainStep = async (
  job: Job,
  session: TrainingSession,
  state: LoraState,
  rows: TokenizedRow[]
): Promise<number> => {
  const { theta, optimizer, counters } = state
  const { input, hyperparameters, blocks, options } = job
  const { config } = input.model
  const weightSum = totalLabelWeight(rows)
  let loss = 0
  let gradient: Float32Array | null = null
  const memory = { gradients: true, maxBytes: options.maxBytes }
  for (const part of splitByMemory(rows, config, blocks, memory)) {
    const batch = packBatch(part, config, blocks, weightSum)
    const output = await session.run(batch, theta)
    loss += output.loss
    counters.tokens += batch.tokens
    if (gradient === null) gradient = output.gradient
    else for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! + output.gradient[i]!
  }
  // the middle of the step, so that neither the first nor the last step has rate 0
  const progress = progressOf(boundsOf(job, state), 0.5)
  const gradientNorm = adamWStep(theta, gradient!, optimizer, {
    groups: [
      {
        until: theta.length,
        learningRate: learningRateAt(progress, hyperparameters),
        weightDecay: hyperparameters.weight_decay,
      },
    ],
    clipNorm: CLIP_NORM,
  })
  if (!Number.isFinite(gradientNorm) || !Number.isFinite(loss))
    throw new AppError(
      'internal',
      `training diverged at step ${counters.step + 1}: loss ${loss}, gradient ${gradientNorm}`
    )
  return loss
}

const validate = async (
  { validationRows, layout }: Job,
  losses: LossModel,
  { theta, counters }: LoraState
): Promise<void> => {
  if (validationRows.length === 0) return
  const result = await losses.lossOfRows(validationRows, { layout, theta })
  const total = result.tokens.reduce((sum, tokens) => sum + tokens, 0)
  const nats = result.losses.reduce((sum, loss, row) => sum + loss * result.tokens[row]!, 0)
  counters.validLoss = nats / total
}

const result = (job: Job, state: LoraState): TrainedLora => {
  const { theta, optimizer, counters } = state
  return {
    layout: job.layout,
    theta,
    optimizer,
    hyperparameters: job.hyperparameters,
    dataHash: job.dataHash,
    trainedTokens: counters.tokens,
    metrics: metricsOf(counters, counters.validLoss),
  }
}
