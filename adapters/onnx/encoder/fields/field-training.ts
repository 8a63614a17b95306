/**
 * Fine-tunes an encoder for the tags and choices of a form: AdamW with one learning rate for the layers
 * and one for the heads, both rising at first and then falling linearly. Without validation rows the
 * result is the last theta. With them it is that of the last epoch that was not clearly worse than an earlier one, and
 * some epochs in a row that are clearly worse end the training.
 */
import type { TrainHooks } from '../../../host/backend.ts'
import { AppError } from '../../../../src/errors.ts'
import { deriveSeed, seededRandom } from '../../../../src/random.ts'
import type { TrainingMetrics } from '../../../../src/openai/fine-tuning.ts'
import { adamWStep } from '../../gradient/adamw.ts'
import { metricsOf, saveCheckpoint } from '../../gradient/checkpoint.ts'
import { progressOf, runSteps } from '../../gradient/training-steps.ts'
import { epochBatches } from '../../../lora/schedule.ts'
import {
  lossTotals,
  packExamples,
  rightRows,
  splitByTokens,
  type FieldExample,
} from './field-batch.ts'
import { buildFieldTrainingGraph } from './field-graph.ts'
import {
  initialFieldState,
  prepareFieldJob,
  type FieldHyperparameters,
  type FieldJob,
  type FieldState,
  type TrainFieldsInput,
  type TrainFieldsOptions,
} from './field-job.ts'
import type { FieldLayout } from './field-layout.ts'
import { FieldSession } from './field-session.ts'
import { VariedRows } from './vary-rows.ts'

export interface TrainedFields {
  layout: FieldLayout
  theta: Float32Array
  hyperparameters: FieldHyperparameters
  dataHash: string
  /** share of validation rows that `theta` gets wholly right; null without such rows */
  validRight: number | null
  /** tokens computed, padding included */
  trainedTokens: number
  metrics: TrainingMetrics
}

interface Sessions {
  training: FieldSession
  /** null without validation rows */
  loss: FieldSession | null
  /** of a step, and of its second and further parts */
  gradient: Float32Array
  partGradient: Float32Array | null
}

const CLIP_NORM = 1
/** Tokens of one run, padding included: a gigabyte of activations with 6 layers of 384. */
const MAX_RUN_TOKENS = 2048
/** Sets the draws apart from others with the same seed. */
const VARIETY_STREAM = 0x76617279

/**
 * @throws AppError `invalid-request` (no rows, targets that do not fit, bad hyperparameters), `internal`
 * (the loss is not finite); the signal's reason when it is aborted, after a checkpoint
 */
export const trainFields = async (
  input: TrainFieldsInput,
  hooks: TrainHooks,
  options: TrainFieldsOptions
): Promise<TrainedFields> => {
  const job = prepareFieldJob(input, hooks, options)
  const sessions = await openSessions(job)
  try {
    const state = await initialFieldState(job)
    await trainSteps(job, sessions, state)
    await saveCheckpoint(job, state)
    return resultOf(job, state)
  } finally {
    await Promise.all([sessions.training.close(), sessions.loss?.close()])
  }
}

const openSessions = async ({
  input,
  layout,
  options,
  validation,
}: FieldJob): Promise<Sessions> => {
  const open = (gradients: boolean): Promise<FieldSession> => {
    const { config } = input.encoder
    const graph = buildFieldTrainingGraph({ config, layout, gradients, type: 'float32' })
    return FieldSession.open({ model: graph }, options.threads)
  }
  return {
    training: await open(true),
    loss: validation.length === 0 ? null : await open(false),
    gradient: new Float32Array(layout.length),
    partGradient: null,
  }
}

/** Whether the last epochs were clearly worse than one before them. */
const isStale = ({ hyperparameters }: FieldJob, { counters }: FieldState): boolean =>
  counters.best !== null && counters.epochs - counters.best.epoch >= hyperparameters.patience

/** What the steps of the job are bound by. */
const boundsOf = ({ totalSteps, options }: FieldJob, { counters }: FieldState) => ({
  totalSteps,
  maxSeconds: options.maxSeconds,
  counters,
})

const trainSteps = async (job: FieldJob, sessions: Sessions, state: FieldState): Promise<void> => {
  const { counters } = state
  const varied = variedRows(job)
  await runSteps({
    ...job.options,
    ...boundsOf(job, state),
    hooks: job.hooks,
    step: () => trainStep(job, sessions, state, batchOf(job, varied, counters.step)),
    judge: async () => {
      if (counters.step % job.stepsPerEpoch !== 0) return
      counters.epochs++
      if (sessions.loss !== null) await validate(job, sessions.loss, state)
    },
    isOver: () => isStale(job, state),
    save: () => saveCheckpoint(job, state),
  })
}

const variedRows = ({ input, examples, hyperparameters, layout }: FieldJob): VariedRows => {
  const { swapShare, unknownShare } = hyperparameters
  const hasChoices = layout.sizes.choices.length > 0
  return new VariedRows(input.rows, examples, input.encoder.tokenizer, {
    swapShare: hasChoices ? swapShare / 2 : swapShare,
    unknownShare,
  })
}

/** The rows of a step, the same for the same seed. */
const batchOf = (job: FieldJob, varied: VariedRows, step: number): FieldExample[] => {
  const { input, lengths, hyperparameters, stepsPerEpoch } = job
  const epoch = Math.floor(step / stepsPerEpoch)
  const batches = epochBatches(lengths, hyperparameters.batchSize, input.seed, epoch)
  const random = seededRandom(deriveSeed(input.seed, VARIETY_STREAM + step))
  return batches[step % stepsPerEpoch]!.map((row) => varied.example(row, random))
}

/** Rising over the first part of the job, then falling to 0. */
const rateAt = (progress: number, warmup: number): number =>
  progress < warmup ? progress / warmup : (1 - progress) / (1 - warmup)

/** The gradient of a batch, in as many parts as memory requires. @returns the loss */
const computeGradient = async (
  { input, layout }: FieldJob,
  sessions: Sessions,
  { theta, counters }: FieldState,
  examples: FieldExample[]
): Promise<number> => {
  const totals = lossTotals(examples)
  let loss = 0
  for (const [at, part] of partsOf(examples).entries()) {
    const batch = packExamples(part, input.encoder.embeddings, layout.sizes, totals)
    const gradient =
      at === 0 ? sessions.gradient : (sessions.partGradient ??= new Float32Array(layout.length))
    const output = await sessions.training.run(batch.inputs, { layout, theta, gradient })
    if (at > 0) addInPlace(sessions.gradient, gradient)
    loss += output.loss
    counters.tokens += batch.tokens
  }
  return loss
}

const addInPlace = (sum: Float32Array, values: Float32Array): void => {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + values[i]!
}

const trainStep = async (
  job: FieldJob,
  sessions: Sessions,
  state: FieldState,
  examples: FieldExample[]
): Promise<number> => {
  const { layout, hyperparameters } = job
  const { theta, optimizer, counters } = state
  const loss = await computeGradient(job, sessions, state, examples)
  const { layerRate, headRate, weightDecay, warmup } = hyperparameters
  // the middle of the step, so that neither the first nor the last step has rate 0
  const rate = rateAt(progressOf(boundsOf(job, state), 0.5), warmup)
  const group = (until: number, learningRate: number, decay: number) => ({
    until,
    learningRate: rate * learningRate,
    weightDecay: decay,
  })
  const gradientNorm = adamWStep(theta, sessions.gradient, optimizer, {
    groups: [
      group(layout.vectorsFrom, layerRate, weightDecay),
      group(layout.headsFrom, layerRate, 0),
      group(layout.length, headRate, weightDecay),
    ],
    clipNorm: CLIP_NORM,
  })
  if (!Number.isFinite(gradientNorm) || !Number.isFinite(loss))
    throw new AppError(
      'internal',
      `training diverged at step ${counters.step + 1} (loss ${loss}, gradient ${gradientNorm}): train again with lower learning rates than ${layerRate} for the layers and ${headRate} for the heads`
    )
  return loss
}

const partsOf = (examples: readonly FieldExample[]): FieldExample[][] =>
  splitByTokens(
    examples.map(({ tokens }) => tokens),
    MAX_RUN_TOKENS
  ).map((places) => places.map((place) => examples[place]!))

/**
 * So many rows fewer may be chance: the standard deviation of their number where nine of ten are right. A later epoch
 * has seen more variants of the rows at a lower rate, so it is the better one unless the rows show that it is not.
 */
const toleratedRows = (rows: number): number => Math.sqrt(rows * 0.9 * 0.1)

/** Judges theta on the validation rows, and keeps a copy unless an earlier one was clearly better. */
const validate = async (job: FieldJob, session: FieldSession, state: FieldState): Promise<void> => {
  const { validation, input, layout } = job
  const { counters, theta } = state
  const totals = lossTotals(validation)
  let [loss, right] = [0, 0]
  for (const part of partsOf(validation)) {
    const batch = packExamples(part, input.encoder.embeddings, layout.sizes, totals)
    const output = await session.run(batch.inputs, { layout, theta, gradient: null })
    loss += output.loss
    right += rightRows(part, batch, layout.sizes, output)
  }
  counters.validLoss = loss
  const most = Math.max(right, counters.best?.most ?? 0)
  if (right < most - toleratedRows(validation.length)) return
  counters.best = { epoch: counters.epochs, most, right, loss }
  if (state.best) state.best.set(theta)
  else state.best = theta.slice()
}

const resultOf = (job: FieldJob, state: FieldState): TrainedFields => {
  const { theta, best, counters } = state
  const { best: figures } = counters
  return {
    layout: job.layout,
    theta: best ?? theta,
    hyperparameters: job.hyperparameters,
    dataHash: job.dataHash,
    validRight: figures && figures.right / job.validation.length,
    trainedTokens: counters.tokens,
    metrics: metricsOf(counters, figures?.loss ?? null),
  }
}
