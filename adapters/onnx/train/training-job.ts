/**
 * Prepares a training job: checks its input, sets its defaults, and finds its checkpoint. Runs no graph.
 */
import { createHash } from 'node:crypto'
import type { Hyperparameters } from '../../../src/openai/fine-tuning.ts'
import type { TrainHooks } from '../../host/backend.ts'
import { createAdamW, type AdamWState } from '../gradient/adamw.ts'
import { hashRows, rowLength, sharedPrefixTokens, type TokenizedRow } from '../../text/rows.ts'
import {
  newCounters,
  resume,
  type Checkpoint,
  type TrainingCounters,
} from '../gradient/checkpoint.ts'
import { resolveHyperparameters, type ResolvedHyperparameters } from '../../lora/hyperparameters.ts'
import { createLoraLayout, initLora, type LoraLayout } from '../../lora/lora-layout.ts'
import { tokenBlocks, worthwhilePrefix, type TokenBlocks } from './token-blocks.ts'
import { startSeed, validationSample } from '../../lora/schedule.ts'
import { seededRandom } from '../../../src/random.ts'
import { parameterCount } from '../../model/llama-config.ts'
import type { FrozenModel } from './weights-file.ts'

export interface TrainLoraInput {
  model: FrozenModel
  rows: TokenizedRow[]
  validationRows: TokenizedRow[]
  hyperparameters: Hyperparameters
  seed: number
  /** a lora to continue, with the optimizer's state if it was kept; null for a new lora */
  start: { layout: LoraLayout; theta: Float32Array; optimizer: AdamWState | null } | null
  /** when it has a checkpoint of this job, the job resumes from it */
  checkpointDir: string
}

export interface TrainLoraOptions {
  threads?: number
  checkpointSeconds?: number
  /** for the activations of one run; larger batches are accumulated from parts */
  maxBytes?: number
  /** milliseconds */
  now?: () => number
}

const DEFAULT_CHECKPOINT_SECONDS = 60
const DEFAULT_MAX_BYTES = 3.5 * 2 ** 30

/** Values that do not change during a job. */
export interface Job {
  input: TrainLoraInput
  hooks: TrainHooks
  options: Required<Omit<TrainLoraOptions, 'threads'>>
  hyperparameters: ResolvedHyperparameters
  layout: LoraLayout
  identity: string
  blocks: TokenBlocks
  dataHash: string
  lengths: number[]
  validationRows: TokenizedRow[]
}

/**
 * @param input with rows that `validateTraining` has taken
 * @throws AppError `invalid-request` for hyperparameters that do not fit the lora to start from
 */
export const prepareJob = (
  input: TrainLoraInput,
  hooks: TrainHooks,
  options: TrainLoraOptions
): Job => {
  const { model, rows, start, seed } = input
  const hyperparameters = resolveHyperparameters(input.hyperparameters, {
    rows: rows.length,
    parameters: parameterCount(model.config),
    start: start?.layout ?? null,
  })
  const prefixTokens = worthwhilePrefix(sharedPrefixTokens(rows))
  const lengths = rows.map(rowLength)
  const dataHash = hashRows(rows)
  return {
    input,
    hooks,
    options: {
      checkpointSeconds: options.checkpointSeconds ?? DEFAULT_CHECKPOINT_SECONDS,
      maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
      now: options.now ?? (() => performance.now()),
    },
    hyperparameters,
    layout: createLoraLayout(model.config, hyperparameters.rank, hyperparameters.alpha),
    dataHash,
    identity: identify(input, hyperparameters, dataHash),
    blocks: tokenBlocks(prefixTokens, Math.max(...lengths)),
    lengths,
    validationRows: validationSample(input.validationRows, seed),
  }
}

/** Jobs with equal identities compute the same lora. */
const identify = (
  { model, seed, start }: TrainLoraInput,
  hyperparameters: ResolvedHyperparameters,
  dataHash: string
): string => {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([model.fingerprint, hyperparameters, seed, dataHash]))
  if (start !== null) {
    hash.update(new Uint8Array(start.theta.buffer, start.theta.byteOffset, start.theta.byteLength))
    hash.update(String(start.optimizer?.step ?? 0))
  }
  return hash.digest('hex')
}

export type LoraState = Checkpoint<TrainingCounters & { validations: number }>

/** The state at the job's checkpoint, or at its start. */
export const initialState = (job: Job): Promise<LoraState> => {
  const { start, seed } = job.input
  const optimizer = start?.optimizer
  return resume(job, () => ({
    counters: { ...newCounters(), validations: 0 },
    theta: start?.theta.slice() ?? initLora(job.layout, seededRandom(startSeed(seed))),
    optimizer: optimizer
      ? { step: optimizer.step, m: optimizer.m.slice(), v: optimizer.v.slice() }
      : createAdamW(job.layout.length),
  }))
}
