/**
 * The job queue: creates jobs, runs them one at a time or as many as configured, keeps their records,
 * and resumes them after a crash. Knows nothing of HTTP or of how a model is trained.
 */
import { AppError, toAppError } from '../../src/errors.ts'
import { causesOf } from '../../src/fault-log.ts'
import type { JobEvent, JobObject } from '../../src/openai/fine-tuning.ts'
import type { TrainResult } from './backend.ts'
import { EventWriter } from './job-events.ts'
import { type CheckedJobRequest, findByKey, parseJobRequest } from './job-request.ts'
import { type RunDeps, readRows, trainJob } from './job-runner.ts'
import { type JobRecord, finished, newRecord } from './job-store.ts'

const DEFAULTS = {
  /** jobs that train at the same time */
  maxRunning: 1,
  /** queued and running jobs; more are refused */
  maxUnfinished: 100,
  /** finished jobs that are remembered; the oldest are forgotten */
  maxFinished: 1000,
  /** restarts without getting any further before a job counts as failed */
  maxResumes: 10,
  metricsIntervalMs: 1000,
  maxEvents: 5000,
}

export type JobQueueOptions = Omit<RunDeps, 'metricsIntervalMs' | 'maxEvents'> &
  Partial<typeof DEFAULTS> & { newId: () => string }

const uses =
  (fileId: string) =>
  ({ job }: JobRecord): boolean =>
    job.training_file === fileId || job.validation_file === fileId

export class JobQueue {
  private readonly options: JobQueueOptions & typeof DEFAULTS
  private readonly records: Map<string, JobRecord>
  private readonly running = new Map<string, { abort: AbortController; done: Promise<void> }>()
  /** ends that are being written, by job */
  private readonly endings = new Map<string, Promise<void>>()
  private lastCreation: Promise<unknown> = Promise.resolve()
  private closed = false

  private constructor(options: JobQueueOptions, records: JobRecord[]) {
    this.options = { ...DEFAULTS, ...options }
    this.records = new Map(records.map((record) => [record.job.id, record]))
  }

  /**
   * Loads all jobs, resumes those that a crash interrupted and starts those that are queued.
   * @throws AppError `store-unavailable`
   */
  static async open(options: JobQueueOptions): Promise<JobQueue> {
    const queue = new JobQueue(options, await options.store.load())
    for (const record of queue.records.values()) await queue.recover(record)
    queue.startNext()
    return queue
  }

  /**
   * Durable when it resolves. A job with the same `metadata.idempotency_key` that has neither
   * failed nor been cancelled is returned instead of a new one.
   * @throws AppError `invalid-request`, `context-length-exceeded`, `not-found`, `conflict` when the
   *   key belongs to a job of another model, `overloaded`, `store-unavailable`
   */
  async create(body: unknown): Promise<JobObject> {
    const request = parseJobRequest(body)
    // one after another: two concurrent requests with one key must not both create a job
    const creation = this.lastCreation.then(() => this.createChecked(request))
    this.lastCreation = creation.catch(() => undefined)
    return creation
  }

  /** @throws AppError `not-found` */
  get(id: string): JobObject {
    return this.record(id).job
  }

  /** Jobs with all the pairs in their metadata, newest first. */
  list(metadata: Record<string, string>): JobObject[] {
    const pairs = Object.entries(metadata)
    return [...this.records.values()]
      .map(({ job }) => job)
      .filter((job) => pairs.every(([key, value]) => job.metadata[key] === value))
      .reverse()
  }

  /** Oldest first. @throws AppError `not-found` */
  async events(id: string): Promise<JobEvent[]> {
    this.record(id)
    return this.options.store.events(id)
  }

  /**
   * The job has status `cancelled` at once; the next job starts when the backend has stopped. A job
   * may be cancelled twice.
   * @throws AppError `not-found`, `conflict` when the job has succeeded or failed
   */
  async cancel(id: string): Promise<JobObject> {
    const record = this.record(id)
    if (record.job.status === 'cancelled') return record.job
    if (finished(record))
      throw new AppError(
        'conflict',
        `job ${id} has ${record.job.status} and can no longer be cancelled`
      )
    await this.finish(record, { status: 'cancelled' }, 'Cancelled')
    this.running.get(id)?.abort.abort()
    if (record.job.status === 'succeeded')
      throw new AppError('conflict', `job ${id} has succeeded in the meantime`)
    return record.job
  }

  /** Whether an unfinished job needs the file. */
  needsFile(id: string): boolean {
    return this.unfinished().some(uses(id))
  }

  /** Whether jobs have used the file, and all of them are finished. */
  isFileSpent(id: string): boolean {
    const users = [...this.records.values()].filter(uses(id))
    return users.length > 0 && users.every(finished)
  }

  /** Whether an unfinished job starts from the model. */
  needsModel(id: string): boolean {
    return this.unfinished().some(({ job }) => job.model === id)
  }

  /** Stops training. Running jobs resume when a queue is opened on the same store. */
  async close(): Promise<void> {
    this.closed = true
    await this.lastCreation
    for (const { abort } of this.running.values()) abort.abort()
    await Promise.all([...this.running.values()].map(({ done }) => done))
  }

  private unfinished(): JobRecord[] {
    return [...this.records.values()].filter((record) => !finished(record))
  }

  private record(id: string): JobRecord {
    const record = this.records.get(id)
    if (!record) throw new AppError('not-found', `no job ${id}`)
    return record
  }

  private async createChecked(request: CheckedJobRequest): Promise<JobObject> {
    if (this.closed) throw new AppError('overloaded', 'the engine is shutting down')
    const jobs = [...this.records.values()].map(({ job }) => job)
    const existing = findByKey(jobs, request)
    if (existing) return existing
    if (this.unfinished().length >= this.options.maxUnfinished)
      throw new AppError(
        'overloaded',
        `${this.options.maxUnfinished} jobs are waiting already: try again later`
      )
    await readRows(this.options, request)
    const record = newRecord(request, {
      id: `ftjob-${this.options.newId()}`,
      createdAt: Math.floor(this.options.now() / 1000),
      sequence: ([...this.records.values()].at(-1)?.sequence ?? 0) + 1,
    })
    await this.options.store.save(record)
    this.records.set(record.job.id, record)
    await this.forgetOldest()
    this.startNext()
    return record.job
  }

  private async forgetOldest(): Promise<void> {
    const old = [...this.records.values()].filter(finished)
    for (const { job } of old.slice(0, -this.options.maxFinished)) {
      this.records.delete(job.id)
      await this.options.store.remove(job.id)
    }
  }

  /** A job that ran when the process died is resumed, unless it dies repeatedly at the same step. */
  private async recover(record: JobRecord): Promise<void> {
    // left over when the process was killed between the job's end and the removal
    await this.removeCheckpoint(record)
    if (record.job.status !== 'running') return
    record.resumes += 1
    if (record.resumes > this.options.maxResumes) {
      const message = `interrupted ${record.resumes} times without getting past step ${record.bestStep}`
      await this.finish(
        record,
        { status: 'failed', error: { code: 'internal', message, param: null } },
        message
      )
      return
    }
    record.job = { ...record.job, status: 'queued' }
  }

  private startNext(): void {
    const waiting = this.unfinished().filter(({ job }) => job.status === 'queued')
    for (const record of waiting.slice(0, this.options.maxRunning - this.running.size)) {
      if (this.closed) return
      record.job = { ...record.job, status: 'running' }
      const abort = new AbortController()
      const done = this.run(record, abort.signal).finally(() => {
        this.running.delete(record.job.id)
        this.startNext()
      })
      this.running.set(record.job.id, { abort, done })
    }
  }

  private async run(record: JobRecord, signal: AbortSignal): Promise<void> {
    const { store, log } = this.options
    const isLive = () => !finished(record) && !this.endings.has(record.job.id)
    try {
      await store.save(record)
      await this.succeed(record, await trainJob(this.options, record, signal, isLive))
    } catch (error) {
      // aborted by `cancel`, which has written the end, or by `close`, after which the job resumes
      if (finished(record) || this.closed) return
      const { code, message, param } = toAppError(error)
      log('error', 'job failed', { job: record.job.id, causes: causesOf(error) })
      const jobError = { code: code.replaceAll('-', '_'), message, param }
      await this.finish(record, { status: 'failed', error: jobError }, message)
    } finally {
      await this.removeCheckpoint(record)
    }
  }

  private async succeed(record: JobRecord, result: TrainResult): Promise<void> {
    const change = {
      status: 'succeeded' as const,
      fine_tuned_model: result.model,
      trained_tokens: result.trainedTokens,
      result_metrics: result.metrics,
    }
    await this.finish(record, change, `Succeeded: ${result.model}`)
    if (record.job.status === 'cancelled') await this.discard(result.model)
  }

  /** Keeps the checkpoint when the job's end is not on disk, because the job will run again. */
  private async removeCheckpoint(record: JobRecord): Promise<void> {
    if (!finished(record) || record.job.error?.code === 'store_unavailable') return
    await this.options.store.removeCheckpoint(record.job.id).catch((error: unknown) => {
      this.options.log('warn', 'checkpoint cannot be removed', { causes: causesOf(error) })
    })
  }

  /** Deletes the lora of a job that was cancelled too late, unless another job made the same lora. */
  private async discard(model: string): Promise<void> {
    const wanted = [...this.records.values()].some(({ job }) => job.fine_tuned_model === model)
    if (!wanted) await this.options.backend.deleteModel(model)
  }

  /** Ends a job once. A second call waits for the first and changes nothing. */
  private async finish(
    record: JobRecord,
    change: Partial<JobObject>,
    message: string
  ): Promise<void> {
    if (finished(record)) return
    const { id } = record.job
    const ending = this.endings.get(id) ?? this.writeEnd(record, change, message)
    this.endings.set(id, ending)
    await ending
    this.endings.delete(id)
  }

  /**
   * Clients see the end only after it is on disk. When it cannot be written, clients see a failed job,
   * and the job runs again at the next start.
   */
  private async writeEnd(
    record: JobRecord,
    change: Partial<JobObject>,
    message: string
  ): Promise<void> {
    const { now, store, log } = this.options
    const { id } = record.job
    const finished_at = Math.floor(now() / 1000)
    const ended: JobObject = { ...record.job, ...change, finished_at }
    const level = ended.status === 'failed' ? 'error' : 'info'
    try {
      await new EventWriter(this.options, id).message(level, message, true)
      await store.save({ ...record, job: ended })
      record.job = ended
    } catch (error) {
      const { message: reason } = toAppError(error)
      log('error', 'the end of a job cannot be saved', { job: id, causes: causesOf(error) })
      const jobError = { code: 'store_unavailable', message: reason, param: null }
      record.job = { ...record.job, status: 'failed', finished_at, error: jobError }
    }
  }
}
