/**
 * The bounded queue between the proxy and the store. An exchange that is over is copied into the
 * batch under way, so that nothing of its request stays alive; batches are written one after the
 * other. When the store cannot keep up, new exchanges are dropped and counted. Knows nothing of
 * databases: `append` is handed in.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import {
  ExchangeBatchWriter,
  roomOf,
  type CapturedExchange,
  type ExchangeBatch,
} from '../core/log/exchange-batch.ts'

export interface LogQueueStats {
  /** exchanges that wait, and the memory of their batches */
  queued: number
  queuedBytes: number
  written: number
  /** exchanges refused because the queue was full, or given up at the end */
  dropped: number
  /** batches that the store refused; each was tried again */
  storeFailures: number
}

export interface LogQueue {
  push(exchange: CapturedExchange): void
  stats(): LogQueueStats
  /** Writes what is queued, for at most `timeoutMs`; drops and counts the rest. */
  close(timeoutMs: number): Promise<void>
}

export interface LogQueueOptions {
  /**
   * Durable when it resolves; an exchange that is appended twice must be kept once. The batch's
   * memory is written anew after that.
   */
  append: (batch: ExchangeBatch) => Promise<void>
  fault: ReportFault<ServerFault>
  /** of all batches together */
  maxBytes: number
  /** of a batch; an exchange that needs more has one of its own */
  batchBytes?: number
  /** how long exchanges gather before they are written */
  gatherMs?: number
  retryMs?: number
}

const DEFAULT_BATCH_BYTES = 4 * 2 ** 20
/** larger ones make the store's transactions long */
const MAX_BATCH_EXCHANGES = 512
const MAX_RETRY_FACTOR = 50
/** Batches that gather while one is written, when there is much to log. */
const MAX_SPARES = 4

class Queue implements LogQueue {
  private readonly options: Required<LogQueueOptions>
  /** the last one takes what is pushed; the first one may be on its way to the store */
  private readonly batches: ExchangeBatchWriter[] = []
  /**
   * Memory of written batches, for the next ones: new memory costs a fault a page when it is first
   * written, and makes the collector run. It counts as free, since no other is made while there is some.
   */
  private readonly spares: SharedArrayBuffer[] = []
  private bytes = 0
  private queued = 0
  private written = 0
  private dropped = 0
  private storeFailures = 0
  private running: Promise<void> | null = null
  private closing = false
  private readonly stop = new AbortController()
  /** ends the wait for the batch that is on its way to the store */
  private giveUp = (): void => {}

  constructor(options: LogQueueOptions) {
    const batchBytes = Math.min(DEFAULT_BATCH_BYTES, options.maxBytes)
    this.options = { batchBytes, gatherMs: 50, retryMs: 100, ...options }
  }

  push(exchange: CapturedExchange): void {
    if (this.closing || !this.take(exchange)) {
      this.drop(1, this.closing ? 'the queue is closed' : 'the queue is full')
      return
    }
    this.queued++
    this.running ??= this.run()
  }

  stats(): LogQueueStats {
    const { queued, bytes, written, dropped, storeFailures } = this
    return { queued, queuedBytes: bytes, written, dropped, storeFailures }
  }

  async close(timeoutMs: number): Promise<void> {
    this.closing = true
    const timer = setTimeout(() => {
      this.stop.abort()
      this.giveUp()
    }, timeoutMs)
    await this.running
    clearTimeout(timer)
  }

  /** @returns false when there is no room */
  private take(exchange: CapturedExchange): boolean {
    const open = this.batches.at(-1)
    if (open?.add(exchange) === true) return true
    const bytes = Math.max(this.options.batchBytes, roomOf(exchange))
    if (this.bytes + bytes > this.options.maxBytes) return false
    this.bytes += bytes
    const batch = new ExchangeBatchWriter(this.memory(bytes), MAX_BATCH_EXCHANGES)
    this.batches.push(batch)
    return batch.add(exchange)
  }

  private memory(bytes: number): SharedArrayBuffer {
    const spare = bytes === this.options.batchBytes ? this.spares.pop() : undefined
    if (spare !== undefined) return spare
    this.spares.length = 0
    return new SharedArrayBuffer(bytes)
  }

  private keep(buffer: SharedArrayBuffer): void {
    const fits = buffer.byteLength === this.options.batchBytes
    if (fits && this.spares.length < MAX_SPARES) this.spares.push(buffer)
  }

  private async run(): Promise<void> {
    await this.pause(this.options.gatherMs, this.closing)
    while (this.batches.length > 0 && !this.stop.signal.aborted) {
      const batch = this.batches[0]!.seal()
      if (await this.store(batch)) {
        this.written += batch.count
        this.keep(batch.buffer)
      } else this.drop(batch.count, 'the queue was closed before the store had them')
      this.forget(batch)
      if (this.batches.length < 2) await this.pause(this.options.gatherMs, this.closing)
    }
    while (this.batches.length > 0) {
      const batch = this.batches[0]!.seal()
      this.drop(batch.count, 'the queue was closed before the store had them')
      this.forget(batch)
    }
    this.running = null
  }

  private drop(count: number, why: string): void {
    this.dropped += count
    this.options.fault('log-dropped', new AppError('overloaded', why), { records: count })
  }

  private forget({ buffer, count }: ExchangeBatch): void {
    this.batches.shift()
    this.bytes -= buffer.byteLength
    this.queued -= count
  }

  /** Tries until the store takes the batch or the queue is told to stop. */
  private async store(batch: ExchangeBatch): Promise<boolean> {
    const { signal } = this.stop
    for (let factor = 1; !signal.aborted; factor = Math.min(factor * 2, MAX_RETRY_FACTOR)) {
      try {
        await this.untilStopped(this.options.append(batch))
        return true
      } catch (error) {
        if (signal.aborted) break
        this.storeFailures++
        this.options.fault('log-store', error, { records: batch.count })
        await this.pause(this.options.retryMs * factor, false)
      }
    }
    return false
  }

  /** A store that never answers must not hold up the end of the process. */
  private untilStopped(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.giveUp = () => reject(new Error('the log queue was stopped'))
      work.then(resolve, reject)
    })
  }

  private async pause(ms: number, skip: boolean): Promise<void> {
    if (skip) return
    // the signal ends the pause: that is its purpose
    await delay(ms, undefined, { signal: this.stop.signal }).catch(() => {})
  }
}

export const createLogQueue = (options: LogQueueOptions): LogQueue => new Queue(options)
