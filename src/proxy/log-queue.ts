/**
 * The bounded queue between the proxy and the store. A request only ever pushes; records are built
 * and written afterwards, in batches. When the store cannot keep up, new entries are dropped and
 * counted. Knows nothing of databases: `append` is handed in.
 */
import { once } from 'node:events'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import type { ExchangeRecord } from '../core/record.ts'

/** An exchange as captured; the record is built from it when its turn comes. */
export interface LogEntry {
  /** memory that the entry holds on to */
  bytes: number
  build: () => ExchangeRecord | Promise<ExchangeRecord>
}

export interface LogQueueStats {
  queued: number
  queuedBytes: number
  written: number
  /** entries refused because the queue was full, or given up at the end */
  dropped: number
  /** entries whose record could not be built */
  unreadable: number
  /** batches that the store refused; each was tried again */
  storeFailures: number
}

export interface LogQueue {
  push(entry: LogEntry): void
  stats(): LogQueueStats
  /** Writes what is queued, for at most `timeoutMs`; drops and counts the rest. */
  close(timeoutMs: number): Promise<void>
}

export interface LogQueueOptions {
  /** Durable when it resolves; a record that is appended twice must be kept once. */
  append: (records: ExchangeRecord[]) => Promise<void>
  /** everything queued and everything in the batch under way */
  maxBytes: number
  batchSize: number
  /** milliseconds; decides when to give the event loop back to the requests */
  now: () => number
  /** how long entries gather before they are written */
  gatherMs?: number
  retryMs?: number
}

/** Building records holds up requests on the same thread: never longer than this at a time. */
const BUILD_SLICE_MS = 2
const MAX_RETRY_FACTOR = 50

class Queue implements LogQueue {
  private readonly options: Required<LogQueueOptions>
  private entries: LogEntry[] = []
  private batch: LogEntry[] = []
  private bytes = 0
  private written = 0
  private dropped = 0
  private unreadable = 0
  private storeFailures = 0
  private running: Promise<void> | null = null
  private closing = false
  private readonly stop = new AbortController()

  constructor(options: LogQueueOptions) {
    this.options = { gatherMs: 50, retryMs: 100, ...options }
  }

  push(entry: LogEntry): void {
    if (this.closing || this.bytes + entry.bytes > this.options.maxBytes) {
      this.dropped++
      return
    }
    this.bytes += entry.bytes
    this.entries.push(entry)
    this.running ??= this.run()
  }

  stats(): LogQueueStats {
    return {
      queued: this.entries.length + this.batch.length,
      queuedBytes: this.bytes,
      written: this.written,
      dropped: this.dropped,
      unreadable: this.unreadable,
      storeFailures: this.storeFailures,
    }
  }

  async close(timeoutMs: number): Promise<void> {
    this.closing = true
    const timer = setTimeout(() => this.stop.abort(), timeoutMs)
    await this.running
    clearTimeout(timer)
  }

  private async run(): Promise<void> {
    await this.pause(this.options.gatherMs, this.closing)
    while (this.entries.length > 0 && !this.stop.signal.aborted) {
      this.batch = this.entries.splice(0, this.options.batchSize)
      const records = await this.buildAll(this.batch)
      const stored = await this.store(records)
      if (stored) this.written += records.length
      else this.dropped += records.length
      this.bytes -= this.batch.reduce((sum, entry) => sum + entry.bytes, 0)
      this.batch = []
      if (this.entries.length < this.options.batchSize) {
        await this.pause(this.options.gatherMs, this.closing)
      }
    }
    this.dropped += this.entries.length
    this.bytes -= this.entries.reduce((sum, entry) => sum + entry.bytes, 0)
    this.entries = []
    this.running = null
  }

  private async buildAll(entries: LogEntry[]): Promise<ExchangeRecord[]> {
    const records: ExchangeRecord[] = []
    let sliceStart = this.options.now()
    for (const entry of entries) {
      try {
        records.push(await entry.build())
      } catch {
        this.unreadable++
      }
      if (this.options.now() - sliceStart >= BUILD_SLICE_MS) {
        await nextTurn()
        sliceStart = this.options.now()
      }
    }
    return records
  }

  /** Tries until the store takes the batch or the queue is told to stop. */
  private async store(records: ExchangeRecord[]): Promise<boolean> {
    if (records.length === 0) return true
    for (let factor = 1; ; factor = Math.min(factor * 2, MAX_RETRY_FACTOR)) {
      try {
        await this.untilStopped(this.options.append(records))
        return true
      } catch {
        if (this.stop.signal.aborted) return false
        this.storeFailures++
        await this.pause(this.options.retryMs * factor, false)
      }
    }
  }

  /** A store that never answers must not hold up the end of the process. */
  private async untilStopped(work: Promise<void>): Promise<void> {
    const { signal } = this.stop
    const done = new AbortController()
    const stopped = once(signal, 'abort', { signal: done.signal }).then(() => {
      throw new Error('the log queue was stopped')
    })
    try {
      await Promise.race([work, stopped])
    } finally {
      stopped.catch(() => {})
      done.abort()
    }
  }

  private async pause(ms: number, skip: boolean): Promise<void> {
    if (skip) return
    await delay(ms, undefined, { signal: this.stop.signal }).catch(() => {})
  }
}

export const createLogQueue = (options: LogQueueOptions): LogQueue => new Queue(options)
