/**
 * The bounded queue between the proxy and the store. An exchange that is over is copied into the
 * current batch, so that the memory of its request is freed; full batches are written together, in their order.
 * When the store cannot keep up, new exchanges are dropped and counted. Knows no database: `append` is
 * passed in.
 */
import { AppError } from '../errors.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { SetTimer } from '../timers.ts'
import {
  ExchangeBatchWriter,
  roomOf,
  type CapturedExchange,
  type ExchangeBatch,
} from '../core/log/exchange-batch.ts'

export interface LogQueueStats {
  /** exchanges that wait for the store, and the memory of their batches */
  queued: number
  queuedBytes: number
  written: number
  /** exchanges refused because the queue was full or closed, or given up when it closed */
  dropped: number
  /** batches that the store refused; each was tried again */
  storeFailures: number
}

export interface LogQueueOptions {
  /**
   * Durable when it resolves; an exchange that is appended twice must be kept once. Afterwards the
   * batch's memory is overwritten.
   */
  append: (batch: ExchangeBatch) => Promise<void>
  fault: ReportFault<ServerFault>
  setTimer: SetTimer
  /** of all batches together */
  maxBytes: number
  /** of a batch; a larger exchange gets a batch of its own */
  batchBytes?: number
  /** how long exchanges gather before they are written */
  gatherMs?: number
  retryMs?: number
}

const DEFAULT_BATCH_BYTES = 4 * 2 ** 20
/** Larger batches make the store's transactions long. */
const MAX_BATCH_EXCHANGES = 512
const MAX_RETRY_FACTOR = 50
/** Enough for the batches that gather under load while one is written. */
const MAX_SPARES = 4

const GIVEN_UP = 'the queue was closed before the store had the records'

export class LogQueue {
  private readonly options: Required<LogQueueOptions>
  /** new exchanges go into the last one; the first ones may be on their way to the store */
  private readonly batches: ExchangeBatchWriter[] = []
  /**
   * Memory of written batches, for the next ones: new memory costs a page fault for each page and
   * makes the garbage collector run. It counts as free, since no new memory is allocated while there
   * is a spare.
   */
  private readonly spares: SharedArrayBuffer[] = []
  private bytes = 0
  private queued = 0
  private written = 0
  private dropped = 0
  private storeFailures = 0
  private running: Promise<void> | null = null
  private closing = false
  private isStopped = false
  /** each ends a wait for the store, or a pause */
  private readonly waits = new Set<() => void>()

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

  /** Writes what is queued, for at most `timeoutMs`; drops and counts the rest. */
  async close(timeoutMs: number): Promise<void> {
    this.closing = true
    const cancelTimer = this.options.setTimer(timeoutMs, () => {
      this.isStopped = true
      for (const end of this.waits) end()
    })
    await this.running
    cancelTimer()
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
    await this.gather()
    while (this.batches.length > 0 && !this.isStopped) {
      const group = this.nextGroup()
      await Promise.all(group.map((batch) => this.write(batch)))
      this.batches.splice(0, group.length)
      if (this.batches.length < 2) await this.gather()
    }
    for (const writer of this.batches.splice(0)) {
      const batch = writer.seal()
      this.drop(batch.count, GIVEN_UP)
      this.forget(batch)
    }
    this.running = null
  }

  /**
   * The oldest batch, and further full ones, as many as one transaction of the store takes. With one at a time the store
   * would wait after each until this thread has told it of the next: batches of large bodies hold few exchanges.
   */
  private nextGroup(): ExchangeBatch[] {
    const [oldest, ...later] = this.batches
    const group = oldest === undefined ? [] : [oldest.seal()]
    let count = oldest?.length ?? 0
    for (const batch of later.slice(0, -1)) {
      count += batch.length
      if (count > MAX_BATCH_EXCHANGES) break
      group.push(batch.seal())
    }
    return group
  }

  private async write(batch: ExchangeBatch): Promise<void> {
    if (await this.store(batch)) {
      this.written += batch.count
      this.keep(batch.buffer)
    } else this.drop(batch.count, GIVEN_UP)
    this.forget(batch)
  }

  private drop(count: number, why: string): void {
    this.dropped += count
    this.options.fault('log-dropped', new AppError('overloaded', why), { records: count })
  }

  private forget({ buffer, count }: ExchangeBatch): void {
    this.bytes -= buffer.byteLength
    this.queued -= count
  }

  /** Tries until the store takes the batch or the queue is told to stop. */
  private async store(batch: ExchangeBatch): Promise<boolean> {
    for (let factor = 1; !this.isStopped; factor = Math.min(factor * 2, MAX_RETRY_FACTOR)) {
      try {
        await this.untilStopped(this.options.append(batch))
        return true
      } catch (error) {
        if (this.isStopped) break
        this.storeFailures++
        this.options.fault('log-store', error, { records: batch.count })
        await this.pause(this.options.retryMs * factor)
      }
    }
    return false
  }

  /** Without this, a store that never answers would keep the process from ending. */
  private untilStopped(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => reject(new Error('the log queue was stopped'))
      this.waits.add(stop)
      work.then(resolve, reject).finally(() => this.waits.delete(stop))
    })
  }

  private async gather(): Promise<void> {
    if (!this.closing) await this.pause(this.options.gatherMs)
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancelTimer()
        this.waits.delete(end)
        resolve()
      }
      const cancelTimer = this.options.setTimer(ms, end)
      this.waits.add(end)
    })
  }
}
