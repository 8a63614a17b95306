/** One training job at an engine, from its rows to its lora. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine } from '../../../src/engine/engine.ts'
import {
  isUnfinished,
  type Hyperparameters,
  type JobObject,
  type TrainingMethod,
  type TrainingRow,
} from '../../../src/openai/fine-tuning.ts'

/** Marks the jobs of this benchmark, at an engine that others use too. */
const METADATA = { bench: 'paper' }
const POLL_MS = 100

export interface JobInput {
  /** where the training starts: the base model or a lora */
  model: string
  rows: TrainingRow[]
  method: TrainingMethod
  hyperparameters: Hyperparameters
  seed: number
}

/** @throws Error when the job has not succeeded */
export const train = async (engine: Engine, input: JobInput): Promise<JobObject> => {
  const { model, rows, method, hyperparameters, seed } = input
  const file = await engine.uploadRows(rows, 'paper.jsonl')
  let job = await engine.createJob({
    model,
    training_file: file,
    hyperparameters,
    method: { type: method },
    seed,
    metadata: METADATA,
  })
  while (isUnfinished(job)) {
    await delay(POLL_MS)
    job = await engine.getJob(job.id)
  }
  await engine.deleteFile(file)
  if (job.fine_tuned_model === null || job.result_metrics === undefined)
    throw new Error(`job ${job.id} ${job.status}: ${job.error?.message ?? 'no reason given'}`)
  return job
}

/** A stopped run may have left a job, which would train during the measurements. */
export const cancelLeftovers = async (engine: Engine): Promise<void> => {
  for (const job of await engine.findJobs(METADATA))
    if (isUnfinished(job)) await engine.cancelJob(job.id)
}
