/**
 * Runs one job on a backend: reads and checks its rows, reports its progress. Knows nothing of the
 * queue.
 */
import { causesOf } from '../../src/fault-log.ts'
import type { JobObject, TrainingMethod, TrainingRow } from '../../src/openai/fine-tuning.ts'
import type { EngineBackend, TrainHooks, TrainProgress, TrainResult } from './backend.ts'
import type { FileStore } from './files.ts'
import { EventWriter, type EventWriterOptions } from './job-events.ts'
import type { JobRecord } from './job-store.ts'
import { parseRows, invalidRequest } from './validation.ts'

export interface RunDeps extends EventWriterOptions {
  backend: EngineBackend
  files: FileStore
}

type JobData = Pick<
  JobObject,
  'model' | 'method' | 'hyperparameters' | 'training_file' | 'validation_file'
>

const HEAD_METHODS: readonly TrainingMethod[] = ['label-head', 'field-head']

/**
 * @throws AppError `invalid-request` when the engine lacks the method, a row its teacher messages, or
 * a head is given hyperparameters, of which it has none
 */
const checkMethod = ({ backend }: RunDeps, job: JobData, rows: TrainingRow[]): void => {
  const method = job.method.type
  const known = backend.models().find(({ id }) => id === job.model)?.training_methods ?? []
  if (!known.includes(method))
    throw invalidRequest(`${job.model} is trained by ${known.join(', ')} only`, 'method')
  const [given] = Object.keys(job.hyperparameters)
  if (HEAD_METHODS.includes(method) && given !== undefined)
    throw invalidRequest(
      `${method} takes no hyperparameters, not ${given}`,
      `hyperparameters.${given}`
    )
  const without = rows.findIndex((row) => row.teacher_messages === undefined)
  if (method === 'self-distillation' && without >= 0)
    throw invalidRequest(
      `file ${job.training_file}, row ${without + 1}: ${method} needs teacher_messages`,
      'training_file'
    )
}

/**
 * Rows and validation rows, checked against the model.
 * @throws AppError `invalid-request` with the line at fault, `context-length-exceeded`, `not-found`
 */
export const readRows = async (
  deps: RunDeps,
  job: JobData
): Promise<{ rows: TrainingRow[]; validationRows: TrainingRow[] }> => {
  const { files, backend } = deps
  const read = async (fileId: string, param: string) => {
    const rows = parseRows(await files.read(fileId), { fileId, param })
    if (rows.length === 0) throw invalidRequest(`file ${fileId} has no rows`, param)
    const method = param === 'training_file' ? job.method.type : undefined
    await backend.validateTraining(job.model, rows, method)
    return rows
  }
  const rows = await read(job.training_file, 'training_file')
  if (rows.every(({ weight }) => weight === 0))
    throw invalidRequest('all rows to train on have weight 0', 'training_file')
  checkMethod(deps, job, rows)
  const validationFile = job.validation_file
  return {
    rows,
    validationRows: validationFile ? await read(validationFile, 'validation_file') : [],
  }
}

/** Saves the furthest step, so that a job which dies repeatedly at one step is recognized. */
const noteProgress = (record: JobRecord, progress: TrainProgress): void => {
  if (progress.step <= record.bestStep) return
  record.bestStep = progress.step
  record.resumes = 0
}

/**
 * Trains the job to its end, from its checkpoint when there is one.
 * @param isLive false once the job's end is being written: nothing may be written after that
 * @throws the backend's errors; the abort reason when the signal was aborted before
 */
export const trainJob = async (
  deps: RunDeps,
  record: JobRecord,
  signal: AbortSignal,
  isLive: () => boolean
): Promise<TrainResult> => {
  const { job, suffix } = record
  const { store, log } = deps
  const data = await readRows(deps, job)
  signal.throwIfAborted()
  const writer = new EventWriter(deps, job.id)
  await writer.message('info', record.resumes > 0 ? 'Resumed after a restart' : 'Started', true)
  const write = async (progress: TrainProgress): Promise<void> => {
    if (isLive() && (await writer.metrics(progress)) && isLive()) await store.save(record)
  }
  let written: Promise<unknown> = Promise.resolve()
  const afterwards = (task: () => Promise<void>): void => {
    written = written.then(task).catch((error: unknown) => {
      log('warn', 'progress cannot be saved', { job: job.id, causes: causesOf(error) })
    })
  }
  const hooks: TrainHooks = {
    signal,
    onMessage: (level, message) => {
      // such as a training process that was killed
      if (level !== 'info') log(level, message, { job: job.id })
      afterwards(() => writer.message(level, message))
    },
    onProgress: (progress) => {
      noteProgress(record, progress)
      afterwards(() => write(progress))
    },
  }
  const { model, hyperparameters, seed, metadata } = job
  const method = job.method.type
  const checkpointDir = store.checkpointDir(job.id)
  try {
    return await deps.backend.train(
      { ...data, model, method, hyperparameters, seed, suffix, metadata, checkpointDir },
      hooks
    )
  } finally {
    // all writes of this job must be done before its end is written
    await written
  }
}
