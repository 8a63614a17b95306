/** The state from which a training job resumes after a crash, and the check that it is the same job. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrainHooks } from '../../host/backend.ts'
import type { AdamWState } from './adamw.ts'
import { readStateFile, writeStateFile } from './state-file.ts'
import type { TrainingMetrics } from '../../../src/openai/fine-tuning.ts'

export interface TrainingCounters {
  /** optimizer steps done in this job */
  step: number
  /** of all runs of the job */
  elapsedSeconds: number
  /** time of the steps, without validation */
  stepSeconds: number
  tokens: number
  recentLosses: number[]
  validLoss: number | null
}

/** Of a job that begins. */
export const newCounters = (): TrainingCounters => ({
  step: 0,
  elapsedSeconds: 0,
  stepSeconds: 0,
  tokens: 0,
  recentLosses: [],
  validLoss: null,
})

export const tokensPerSecond = ({ tokens, stepSeconds }: TrainingCounters): number =>
  stepSeconds > 0 ? tokens / stepSeconds : 0

/** @param validLoss of the result, nats */
export const metricsOf = (
  counters: TrainingCounters,
  validLoss: number | null
): TrainingMetrics => ({
  steps: counters.step,
  seconds: counters.elapsedSeconds,
  tokens_per_second: tokensPerSecond(counters),
  train_loss:
    counters.recentLosses.reduce((sum, loss) => sum + loss, 0) /
    (counters.recentLosses.length || 1),
  valid_loss: validLoss,
  peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
})

export interface Checkpoint<Counters extends TrainingCounters> {
  counters: Counters
  theta: Float32Array
  optimizer: AdamWState
  /** the best theta so far, in jobs that do not return the last one */
  best?: Float32Array
}

/** A job as far as its checkpoints need it. */
interface Job {
  /** null: none is kept */
  input: { checkpointDir: string | null }
  /** equal for equal jobs; a checkpoint of another job is not read */
  identity: string
  layout: { length: number }
  hooks: TrainHooks
}

const fileIn = (folder: string): string => join(folder, 'checkpoint.bin')

export const saveCheckpoint = async <Counters extends TrainingCounters>(
  { input: { checkpointDir }, identity }: Job,
  { counters, theta, optimizer, best }: Checkpoint<Counters>
): Promise<void> => {
  if (checkpointDir === null) return
  await mkdir(checkpointDir, { recursive: true })
  await writeStateFile(fileIn(checkpointDir), {
    header: { identity, counters, optimizerStep: optimizer.step },
    vectors: [theta, optimizer.m, optimizer.v, ...(best ? [best] : [])],
  })
}

const load = async <Counters extends TrainingCounters>({
  input: { checkpointDir },
  identity,
  layout: { length },
}: Job): Promise<Checkpoint<Counters> | null> => {
  const state = checkpointDir === null ? null : await readStateFile(fileIn(checkpointDir))
  if (state?.header.identity !== identity) return null
  const [theta, m, v, best] = state.vectors
  if (theta?.length !== length || m?.length !== length || v?.length !== length) return null
  return {
    counters: state.header.counters as Counters,
    theta,
    optimizer: { step: state.header.optimizerStep as number, m, v },
    ...(best && { best }),
  }
}

/** The state at the job's checkpoint, or at its start. */
export const resume = async <Counters extends TrainingCounters>(
  job: Job,
  start: () => Checkpoint<Counters>
): Promise<Checkpoint<Counters>> => {
  const saved = await load<Counters>(job)
  if (saved === null) return start()
  job.hooks.onMessage('info', `resumed from the checkpoint at step ${saved.counters.step}`)
  return saved
}
