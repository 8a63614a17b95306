/**
 * Job records on disk: one folder for each job, with `job.json`, `events.jsonl` and `checkpoint/`. Knows
 * nothing of queues and of training.
 */
import { appendFile, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { causesOf } from '../../src/fault-log.ts'
import { isUnfinished, type JobEvent, type JobObject } from '../../src/openai/fine-tuning.ts'
import { storageError, writeAtomically } from './disk.ts'
import { withDefaults, type CheckedJobRequest } from './job-request.ts'
import type { Log } from './log.ts'

export interface JobRecord {
  job: JobObject
  suffix: string | null
  /** order of creation; seconds are too coarse for it */
  sequence: number
  /** starts after a crash since training last got further than ever before */
  resumes: number
  /** the furthest step ever reported */
  bestStep: number
}

/** @param createdAt seconds since the epoch */
export const newRecord = (
  { suffix, ...request }: CheckedJobRequest,
  { id, createdAt, sequence }: { id: string; createdAt: number; sequence: number }
): JobRecord => ({
  job: {
    id,
    object: 'fine_tuning.job',
    created_at: createdAt,
    finished_at: null,
    fine_tuned_model: null,
    status: 'queued',
    trained_tokens: null,
    error: null,
    ...request,
  },
  suffix,
  sequence,
  resumes: 0,
  bestStep: 0,
})

export const finished = ({ job }: JobRecord): boolean => !isUnfinished(job)

const brokenRecord = async (dir: string, id: string, cause: unknown): Promise<JobRecord> => {
  const createdAt = Math.floor((await stat(join(dir, id))).birthtimeMs / 1000)
  const message = `${join(dir, id, 'job.json')} cannot be read: ${String(cause)}`
  const request = withDefaults({ model: '', training_file: '' })
  const record = newRecord(request, { id, createdAt, sequence: 0 })
  const error = { code: 'invalid_state', message, param: null }
  return { ...record, job: { ...record.job, status: 'failed', finished_at: createdAt, error } }
}

const parseRecord = (text: string, id: string): JobRecord => {
  const record = JSON.parse(text) as Partial<JobRecord>
  if (record.job?.id !== id || typeof record.sequence !== 'number')
    throw new AppError('invalid-state', 'not a job record')
  return record as JobRecord
}

const parseEvents = (text: string, jobId: string): JobEvent[] =>
  text
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Omit<JobEvent, 'id'>]
      } catch {
        return []
      }
    })
    .map((event, index) => ({ ...event, id: `ftevent-${jobId}-${index}` }))

const missing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

/** Runs the tasks of one job one after another: two writers must not share a file. */
const createSerializer = () => {
  const last = new Map<string, Promise<unknown>>()
  return <Result>(id: string, task: () => Promise<Result>): Promise<Result> => {
    const result = (last.get(id) ?? Promise.resolve()).then(task)
    const settled = result.catch(() => undefined)
    last.set(id, settled)
    void settled.then(() => last.get(id) === settled && last.delete(id))
    return result
  }
}

/** @returns no record for a job whose creation a crash cut off, before its client knew of it */
const loadRecord = async (dir: string, id: string, log: Log): Promise<JobRecord[]> => {
  try {
    return [parseRecord(await readFile(join(dir, id, 'job.json'), 'utf8'), id)]
  } catch (error) {
    if (missing(error)) {
      await rm(join(dir, id), { recursive: true, force: true })
      return []
    }
    log('error', 'job file is broken', { job: id, causes: causesOf(error) })
    return [await brokenRecord(dir, id, error)]
  }
}

const loadRecords = async (dir: string, log: Log): Promise<JobRecord[]> => {
  try {
    await mkdir(dir, { recursive: true })
    const entries = await readdir(dir, { withFileTypes: true })
    const folders = entries.filter((entry) => entry.isDirectory())
    const records = await Promise.all(folders.map(({ name }) => loadRecord(dir, name, log)))
    return records.flat().sort((a, b) => a.sequence - b.sequence)
  } catch (error) {
    throw storageError(`${dir} cannot be read`, error)
  }
}

/** @param dir holds one folder for each job */
export const createJobStore = (dir: string, log: Log) => {
  const recordPath = (id: string) => join(dir, id, 'job.json')
  const eventsPath = (id: string) => join(dir, id, 'events.jsonl')
  const checkpointDir = (id: string) => join(dir, id, 'checkpoint')
  const serialize = createSerializer()
  const opened = new Set<string>()

  const save = async (record: JobRecord): Promise<void> => {
    try {
      await mkdir(join(dir, record.job.id), { recursive: true })
    } catch (error) {
      throw storageError(`${dir} cannot be written`, error)
    }
    await writeAtomically(recordPath(record.job.id), JSON.stringify(record))
  }

  const appendEvent = async (id: string, event: Omit<JobEvent, 'id'>): Promise<void> => {
    // a crash may have left half a line, so the first append of a process starts a new line
    const separator = opened.has(id) ? '' : '\n'
    await appendFile(eventsPath(id), `${separator}${JSON.stringify(event)}\n`)
    opened.add(id)
  }

  const events = async (id: string): Promise<JobEvent[]> => {
    try {
      return parseEvents(await readFile(eventsPath(id), 'utf8'), id)
    } catch (error) {
      if (missing(error)) return []
      throw storageError(`events of ${id} cannot be read`, error)
    }
  }

  return {
    checkpointDir,
    /** Oldest first. A job with a broken file appears as failed, with the reason. */
    load: () => loadRecords(dir, log),
    /** Durable when it resolves. @throws AppError `store-unavailable` */
    save: (record: JobRecord) => serialize(record.job.id, () => save(record)),
    /** Oldest first; a line torn by a crash is left out. */
    events: (id: string) => serialize(id, () => events(id)),
    /** An event's id is its place in the file, so that writers need not agree on numbers. */
    appendEvent: (id: string, event: Omit<JobEvent, 'id'>) =>
      serialize(id, () => appendEvent(id, event)),
    async remove(id: string) {
      opened.delete(id)
      await serialize(id, () => rm(join(dir, id), { recursive: true, force: true }))
    },
    async removeCheckpoint(id: string) {
      await rm(checkpointDir(id), { recursive: true, force: true })
    },
  }
}

export type JobStore = ReturnType<typeof createJobStore>
