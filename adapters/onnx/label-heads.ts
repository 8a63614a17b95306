/** Adds a sentence encoder to the embedded engine; its heads are trained in child processes. */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import type { EngineBackend, TrainHooks, TrainInput, TrainResult } from '../contract/backend.ts'
import { Heads } from '../contract/label-head/heads.ts'
import type { HeadTask } from '../contract/label-head/train-head.ts'
import { withLabelHeads } from '../contract/label-head/with-label-heads.ts'
import type { Log } from '../contract/log.ts'
import type { HeadSetup } from './child-messages.ts'
import { openEncoder } from './encoder/sentence-encoder.ts'
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

const trainInChild = (
  { rows, validationRows, seed, suffix, metadata, checkpointDir }: TrainInput,
  hooks: TrainHooks,
  setup: HeadSetup,
  onStart: OnnxEncoderOptions['onTrainingProcess']
): Promise<TrainResult> => {
  const task: HeadTask = { rows, validationRows, seed, suffix, metadata }
  const request = (taskFile: string) => ({ kind: 'train-head' as const, setup, taskFile })
  return runTrainingJob({ task, checkpointDir, request }, hooks, onStart)
}

/** @throws AppError `invalid-model` with the file at fault, `invalid-config`, `store-unavailable` */
export const withEncoder = async (
  backend: EngineBackend,
  { encoderPath, dataDir, threads, log, onTrainingProcess }: OnnxEncoderOptions
): Promise<EngineBackend> => {
  const encoder = await openEncoder(encoderPath, { threads })
  const headsDir = join(dataDir, 'heads')
  return withLabelHeads({
    backend,
    encoder,
    heads: await Heads.open(headsDir, encoder.fingerprint, log),
    train: (input, hooks) =>
      trainInChild(input, hooks, { encoderPath, headsDir, threads }, onTrainingProcess),
    randomSeed: () => randomInt(2 ** 31),
  })
}
