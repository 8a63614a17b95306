/** Prepares a training job of a field model: checks and tokenizes its rows, sets its defaults, finds its checkpoint. */
import { createHash } from 'node:crypto'
import type { FormSizes, Targets } from '../../../../src/core/form/targets.ts'
import type { Source } from '../../../../src/core/form/words.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../../src/random.ts'
import type { TrainHooks } from '../../../host/backend.ts'
import { createAdamW } from '../../gradient/adamw.ts'
import {
  loadCheckpoint,
  type Checkpoint,
  newCounters,
  type TrainingCounters,
} from '../../gradient/checkpoint.ts'
import { tokenCount, type FieldExample } from './field-batch.ts'
import type { FieldEncoder } from './field-encoder.ts'
import { createFieldLayout, initTheta, tagClasses, type FieldLayout } from './field-layout.ts'
import { invalidRequest } from '../../../host/validation.ts'

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

export type FieldCounters = TrainingCounters & {
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

const checkHyperparameters = (given: FieldHyperparameters): void => {
  const check = (holds: boolean, name: keyof FieldHyperparameters, rule: string): void => {
    if (!holds) throw invalidRequest(`${name} must be ${rule}, not ${given[name]}`, name)
  }
  for (const name of ['epochs', 'batchSize', 'patience'] as const)
    check(Number.isInteger(given[name]) && given[name] >= 1, name, 'a positive integer')
  for (const name of ['layerRate', 'headRate'] as const) check(given[name] > 0, name, 'positive')
  check(given.weightDecay >= 0, 'weightDecay', 'at least 0')
  for (const name of ['warmup', 'swapShare', 'unknownShare'] as const)
    check(given[name] >= 0 && given[name] < 1, name, 'from 0 to below 1')
}

const isBelow = (values: Int32Array, limit: (at: number) => number): boolean =>
  values.every((value, at) => value >= 0 && value < limit(at))

/** @throws AppError `invalid-request` naming the row whose targets do not fit its words or the form */
const exampleOf = (
  { encoder, sizes }: TrainFieldsInput,
  { sources, targets, weight = 1 }: FieldTrainingRow,
  row: number
): FieldExample => {
  const tokens = encoder.tokenizer.read(sources)
  const { tags, choices } = targets
  if (tags.length !== tokens.words)
    throw invalidRequest(`row ${row + 1} has ${tags.length} tags for ${tokens.words} words`, 'rows')
  if (!isBelow(tags, () => tagClasses(sizes)))
    throw invalidRequest(`row ${row + 1} has a tag of a field that the form lacks`, 'rows')
  if (
    choices.length !== sizes.choices.length ||
    !isBelow(choices, (choice) => sizes.choices[choice]!)
  )
    throw invalidRequest(`row ${row + 1} has choices that the form lacks`, 'rows')
  return { tokens, targets, weight }
}

const hashRows = (rows: readonly FieldTrainingRow[]): string => {
  const hash = createHash('sha256')
  for (const { sources, targets, weight = 1 } of rows)
    hash.update(`${JSON.stringify([sources, [...targets.tags], [...targets.choices], weight])}\n`)
  return hash.digest('hex')
}

/** @throws AppError `invalid-request` */
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
  checkHyperparameters(hyperparameters)
  if (rows.every(({ weight }) => weight === 0))
    throw invalidRequest('there are no rows to train on, or all have weight 0', 'rows')
  const examples = rows.map((row, at) => exampleOf(input, row, at))
  const cut = examples.filter(({ tokens }) => tokens.cut).length
  if (cut > 0)
    hooks.onMessage(
      'warn',
      `${cut} rows are longer than the encoder reads: their ends are not learned`
    )
  const validation = input.validationRows.map((row, at) => exampleOf(input, row, at))
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

/** The state at the job's checkpoint, or at its start. */
export const initialFieldState = async ({
  input,
  layout,
  identity,
  hooks,
}: FieldJob): Promise<Checkpoint<FieldCounters>> => {
  const { checkpointDir } = input
  const saved =
    checkpointDir === null
      ? null
      : await loadCheckpoint<FieldCounters>(checkpointDir, identity, layout.length)
  if (saved !== null) {
    hooks.onMessage('info', `resumed from the checkpoint at step ${saved.counters.step}`)
    return saved
  }
  const random = seededRandom(deriveSeed(input.seed, -1))
  return {
    counters: { ...newCounters(), epochs: 0, best: null },
    theta: initTheta(layout, input.encoder.weights, random),
    optimizer: createAdamW(layout.length),
  }
}
