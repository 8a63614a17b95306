/** Adds a sentence encoder to the embedded engine; its heads of both kinds are trained in child processes. */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import type { EngineBackend, TrainHooks, TrainInput, TrainResult } from '../host/backend.ts'
import { Heads } from '../host/label-head/heads.ts'
import type { HeadTask } from '../host/label-head/train-head.ts'
import { withLabelHeads } from '../host/label-head/with-label-heads.ts'
import type { Log } from '../host/log.ts'
import type { HeadSetup } from './child-process.ts'
import { openFieldEncoder } from './encoder/fields/field-encoder.ts'
import { openEncoder } from './encoder/sentence-encoder.ts'
import { FieldHeads } from './field-heads/field-heads.ts'
import { withFieldHeads } from './field-heads/with-field-heads.ts'
import { runTrainingJob } from './training-jobs.ts'

export interface OnnxEncoderOptions {
  /** a Hugging Face folder of sentence-transformers */
  encoderPath: string
  /** gets the folder `heads` */
  dataDir: string
  threads: number
  log: Log
  /** told the process id of every training process */
  onTrainingProcess?: (pid: number | undefined) => void
}

type Train = (input: TrainInput, hooks: TrainHooks) => Promise<TrainResult>

const trainInChild = (
  kind: 'train-head' | 'train-field-head',
  setup: HeadSetup,
  onStart: OnnxEncoderOptions['onTrainingProcess']
): Train => {
  const request = (taskFile: string) => ({ kind, setup, taskFile })
  return (input, hooks) => {
    const { rows, validationRows, seed, suffix, metadata, checkpointDir } = input
    const task: HeadTask = { rows, validationRows, seed, suffix, metadata, checkpointDir }
    return runTrainingJob({ task, checkpointDir, request }, hooks, onStart)
  }
}

/** @throws AppError `invalid-model` with the file at fault, `invalid-config`, `store-unavailable` */
export const withEncoder = async (
  backend: EngineBackend,
  { encoderPath, dataDir, threads, log, onTrainingProcess }: OnnxEncoderOptions
): Promise<EngineBackend> => {
  const encoder = await openEncoder(encoderPath, { threads })
  const setup: HeadSetup = { encoderPath, headsDir: join(dataDir, 'heads'), threads }
  const labelled = withLabelHeads({
    backend,
    encoder,
    heads: await Heads.open(setup.headsDir, encoder.fingerprint, log),
    train: trainInChild('train-head', setup, onTrainingProcess),
    randomSeed: () => randomInt(2 ** 31),
  })
  return withFieldHeads({
    backend: labelled,
    encoder: encoder.id,
    heads: await FieldHeads.open({
      folder: setup.headsDir,
      openEncoder: () => openFieldEncoder(encoderPath),
      threads,
      log,
    }),
    train: trainInChild('train-field-head', setup, onTrainingProcess),
  })
}
