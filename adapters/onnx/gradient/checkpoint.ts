/** The state from which a training job resumes after a crash, and the check that it is the same job. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { AdamWState } from './adamw.ts'
import { readStateFile, writeStateFile } from './state-file.ts'
import type { TrainingMetrics } from '../../../src/openai/fine-tuning.ts'

export type TrainingCounters = Omit<JobCounters, 'validations'>

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

export interface JobCounters {
  /** optimizer steps done in this job */
  step: number
  /** of all runs of the job */
  elapsedSeconds: number
  /** time of the steps, without validation */
  stepSeconds: number
  tokens: number
  recentLosses: number[]
  validLoss: number | null
  validations: number
}

export interface Checkpoint<Counters = JobCounters> {
  counters: Counters
  theta: Float32Array
  optimizer: AdamWState
  /** the best theta so far, in jobs that do not return the last one */
  best?: Float32Array
}

const fileIn = (folder: string): string => join(folder, 'checkpoint.bin')

/** @param identity equal for equal jobs; a checkpoint of another job is not read */
export const saveCheckpoint = async <Counters>(
  folder: string,
  identity: string,
  { counters, theta, optimizer, best }: Checkpoint<Counters>
): Promise<void> => {
  await mkdir(folder, { recursive: true })
  await writeStateFile(fileIn(folder), {
    header: { identity, counters, optimizerStep: optimizer.step },
    vectors: [theta, optimizer.m, optimizer.v, ...(best ? [best] : [])],
  })
}

/** @returns null without a checkpoint of this job */
export const loadCheckpoint = async <Counters = JobCounters>(
  folder: string,
  identity: string,
  length: number
): Promise<Checkpoint<Counters> | null> => {
  const state = await readStateFile(fileIn(folder))
  if (state === null || state.header.identity !== identity) return null
  const [theta, m, v, best] = state.vectors
  if (theta?.length !== length || m?.length !== length || v?.length !== length) return null
  return {
    counters: state.header.counters as Counters,
    theta,
    optimizer: { step: state.header.optimizerStep as number, m, v },
    ...(best && { best }),
  }
}
