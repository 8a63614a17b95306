/** Prepares a training job of a field model: checks and tokenizes its rows, sets its defaults, finds its checkpoint. */
import { createHash } from 'node:crypto'
import type { FormSizes, Targets } from '../../../../src/core/form/targets.ts'
import type { Source } from '../../../../src/core/form/words.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../../src/random.ts'
import type { TrainHooks } from '../../../host/backend.ts'
import { createAdamW } from '../../gradient/adamw.ts'
import {
  newCounters,
  resume,
  type Checkpoint,
  type TrainingCounters,
} from '../../gradient/checkpoint.ts'
import { tokenCount, type FieldExample } from './field-batch.ts'
import type { FieldEncoder } from './field-encoder.ts'
import { createFieldLayout, initTheta, type FieldLayout } from './field-layout.ts'

export interface FieldTrainingRow {
  sources: Source[]
  targets: Targets
  /** of the row in the loss; default 1 */
  weight?: number
}

export interface FieldHyperparameters {
  epochs: number
  /** rows of a step */
  batchSize: number
  /** highest learning rates */
  layerRate: number
  headRate: number
  /** of matrices; biases and norms of the layers are not decayed */
  weightDecay: number
  /** part of the steps in which the learning rates rise */
  warmup: number
  /** epochs that were clearly worse on validation rows after which training ends */
  patience: number
  /** see `RowVariety`; half as many rows are swapped in a form with choices, which such a row does not teach */
  swapShare: number
  unknownShare: number
}

export interface TrainFieldsInput {
  encoder: FieldEncoder
  sizes: FormSizes
  rows: FieldTrainingRow[]
  validationRows: FieldTrainingRow[]
  hyperparameters: Partial<FieldHyperparameters>
  seed: number
  /** when it has a checkpoint of this job, the job resumes from it; null: none is kept */
  checkpointDir: string | null
}

export interface TrainFieldsOptions {
  threads: number
  checkpointSeconds?: number
  /** training ends after this time at the latest; no limit by default */
  maxSeconds?: number
  /** milliseconds */
  now?: () => number
}

type FieldCounters = TrainingCounters & {
  /** whole epochs that are done, and judged where there are validation rows */
  epochs: number
  /** the epoch whose theta is kept, its right validation rows and their loss; the most that an epoch got right */
  best: { epoch: number; right: number; loss: number; most: number } | null
}

/** Values that do not change during a job. */
export interface FieldJob {
  input: TrainFieldsInput
  hooks: TrainHooks
  options: Required<TrainFieldsOptions>
  hyperparameters: FieldHyperparameters
  layout: FieldLayout
  examples: FieldExample[]
  validation: FieldExample[]
  /** tokens of each example */
  lengths: number[]
  stepsPerEpoch: number
  totalSteps: number
  dataHash: string
  /** equal for jobs that compute the same theta */
  identity: string
}

/** docs/experiments.md#field-heads */
const DEFAULTS: Omit<FieldHyperparameters, 'epochs'> = {
  batchSize: 16,
  layerRate: 1.5e-4,
  headRate: 1e-3,
  weightDecay: 0.01,
  warmup: 0.1,
  patience: 3,
  swapShare: 0.5,
  unknownShare: 0.05,
}
/** Rows that are learned from over all epochs: few rows are seen more often, up to so many times. */
const PASSES = 9_000
const [LEAST_EPOCHS, MOST_EPOCHS] = [6, 20]

const epochsFor = (rows: number): number =>
  Math.min(MOST_EPOCHS, Math.max(LEAST_EPOCHS, Math.round(PASSES / rows)))

const DEFAULT_CHECKPOINT_SECONDS = 60
/** Validation takes a third of a step's time a row, after each epoch. */
const MAX_VALIDATION_ROWS = 512

const exampleOf = (
  { encoder }: TrainFieldsInput,
  { sources, targets, weight = 1 }: FieldTrainingRow
): FieldExample => ({ tokens: encoder.tokenizer.read(sources), targets, weight })

const hashRows = (rows: readonly FieldTrainingRow[]): string => {
  const hash = createHash('sha256')
  for (const { sources, targets, weight = 1 } of rows)
    hash.update(`${JSON.stringify([sources, [...targets.tags], [...targets.choices], weight])}\n`)
  return hash.digest('hex')
}

/** @param input with rows whose targets fit their words and the form */
export const prepareFieldJob = (
  input: TrainFieldsInput,
  hooks: TrainHooks,
  options: TrainFieldsOptions
): FieldJob => {
  const { encoder, sizes, rows, seed } = input
  const hyperparameters = {
    epochs: epochsFor(rows.length),
    ...DEFAULTS,
    ...input.hyperparameters,
  }
  const examples = rows.map((row) => exampleOf(input, row))
  const cut = examples.filter(({ tokens }) => tokens.cut).length
  if (cut > 0)
    hooks.onMessage(
      'warn',
      `${cut} rows are longer than the encoder reads: their ends are not learned`
    )
  const validation = input.validationRows.map((row) => exampleOf(input, row))
  const dataHash = hashRows(rows)
  const stepsPerEpoch = Math.ceil(rows.length / hyperparameters.batchSize)
  const described = [encoder.fingerprint, sizes, hyperparameters, seed, dataHash]
  const validationHash = hashRows(input.validationRows)
  return {
    input,
    hooks,
    options: {
      threads: options.threads,
      checkpointSeconds: options.checkpointSeconds ?? DEFAULT_CHECKPOINT_SECONDS,
      maxSeconds: options.maxSeconds ?? Infinity,
      now: options.now ?? (() => performance.now()),
    },
    hyperparameters,
    layout: createFieldLayout(encoder.config, sizes),
    examples,
    validation: shuffle(validation, seededRandom(deriveSeed(seed, -2))).slice(
      0,
      MAX_VALIDATION_ROWS
    ),
    lengths: examples.map(({ tokens }) => tokenCount(tokens)),
    stepsPerEpoch,
    totalSteps: stepsPerEpoch * hyperparameters.epochs,
    dataHash,
    identity: createHash('sha256')
      .update(JSON.stringify([...described, validationHash]))
      .digest('hex'),
  }
}

export type FieldState = Checkpoint<FieldCounters>

/** The state at the job's checkpoint, or at its start. */
export const initialFieldState = (job: FieldJob): Promise<FieldState> =>
  resume(job, () => ({
    counters: { ...newCounters(), epochs: 0, best: null },
    theta: initTheta(
      job.layout,
      job.input.encoder.weights,
      seededRandom(deriveSeed(job.input.seed, -1))
    ),
    optimizer: createAdamW(job.layout.length),
  }))
