/**
 * Continuous batching: rows join and leave between steps. Decides who runs when and what the cache
 * holds; knows nothing of sampling, text or files.
 *
 * Slots of the cache are kept gapless: decoding rows in 0 … n−1, the one row that is being read in
 * slot n. Each turn reads at most `chunkTokens` of prompts and then gives every decoding row one
 * token, so that a long prompt delays the others by one chunk at a time.
 */
import { AppError } from '../../../src/errors.ts'
import type { Decoder } from './decoder.ts'
import type { KvCache } from './kv-cache.ts'
import type { LoraPool } from './lora-pool.ts'
import { PREFIX_BLOCK } from './prefix-cache.ts'
import type { PrefixCache } from './prefix-cache.ts'
import type { Row } from './row.ts'

export interface BatcherDeps {
  decoder: Decoder
  cache: KvCache
  loras: LoraPool
  /** null computes every prompt in full */
  prefixes: PrefixCache | null
  maxRows: number
  /** rows that may wait for a place */
  maxQueued: number
  /** prompt tokens a turn reads at most */
  chunkTokens: number
}

interface DecodingRow {
  row: Row
  /** said, but not read yet */
  nextId: number
}

export class Batcher {
  private readonly deps: BatcherDeps
  private readonly queue: Row[] = []
  private reading: Row | null = null
  private decoding: DecodingRow[] = []
  private readonly cancelled = new Set<Row>()
  private turning: Promise<void> | null = null
  private closed = false

  constructor(deps: BatcherDeps) {
    this.deps = deps
  }

  /** Rows that wait, rows that run. */
  get load(): { queued: number; running: number } {
    return {
      queued: this.queue.length,
      running: this.decoding.length + (this.reading === null ? 0 : 1),
    }
  }

  /** Some row waits for the lora or runs with it. */
  uses(lora: string): boolean {
    return this.rows().some((row) => row.lora === lora)
  }

  /**
   * Queues a row; it is served in the order of arrival.
   * @throws AppError `overloaded` when the queue is full or the row larger than the whole cache
   */
  add(row: Row): void {
    const { cache, maxQueued } = this.deps
    if (this.closed) throw new AppError('engine-unavailable', 'the engine is closing')
    if (!cache.fits([row.maxLength]))
      throw new AppError(
        'overloaded',
        `a row of ${row.maxLength} tokens needs more memory than the cache may have`
      )
    if (this.queue.length >= maxQueued)
      throw new AppError('overloaded', `${maxQueued} requests are waiting already`)
    this.queue.push(row)
    this.turning ??= this.turn()
  }

  /** Takes the row out before the next step; it fails with `error` unless it has ended already. */
  cancel(row: Row, error: unknown): void {
    row.fail(error)
    const waiting = this.queue.indexOf(row)
    if (waiting >= 0) this.queue.splice(waiting, 1)
    else if (this.rows().includes(row)) this.cancelled.add(row)
  }

  /** Fails all rows and waits for the step under way. */
  async close(): Promise<void> {
    this.closed = true
    for (const row of this.rows())
      this.cancel(row, new AppError('engine-unavailable', 'the engine was closed'))
    await this.turning
  }

  private rows(): Row[] {
    const running = this.decoding.map(({ row }) => row)
    return [...this.queue, ...(this.reading === null ? [] : [this.reading]), ...running]
  }

  private async turn(): Promise<void> {
    while (this.rows().length > 0) {
      try {
        this.dropCancelled()
        await this.read()
        this.dropCancelled()
        await this.decode()
      } catch (error) {
        // a row with its memory half moved cannot go on, and the next turn starts clean
        for (const row of this.rows()) this.cancel(row, error)
      }
    }
    this.turning = null
  }

  private dropCancelled(): void {
    if (this.reading && this.cancelled.has(this.reading)) this.stopReading()
    for (let slot = this.decoding.length - 1; slot >= 0; slot--)
      if (this.cancelled.has(this.decoding[slot]!.row)) this.remove(slot)
    this.cancelled.clear()
  }

  private async read(): Promise<void> {
    let budget = this.deps.chunkTokens
    while (budget > 0) {
      if (!this.reading) await this.admit()
      const row = this.reading
      if (!row) return
      const count = Math.min(budget, row.promptIds.length - row.length)
      budget -= count
      try {
        await this.readChunk(row, count)
      } catch (error) {
        row.fail(error)
        this.stopReading()
      }
    }
  }

  /** Gives the row that waits longest the next slot, if there is room for it. */
  private async admit(): Promise<void> {
    const { cache, loras, maxRows } = this.deps
    while (this.queue.length > 0 && this.decoding.length < maxRows) {
      const row = this.queue[0]!
      const lengths = [...this.decoding.map((other) => other.row.maxLength), row.maxLength]
      if (!cache.fits(lengths)) return
      try {
        if (row.lora !== null && !(await loras.acquire(row.lora))) {
          if (this.decoding.length > 0) return
          throw new AppError('internal', `no room for lora ${row.lora} in an idle batch`)
        }
      } catch (error) {
        this.cancel(row, error)
        continue
      }
      if (this.queue[0] !== row) {
        // cancelled while its lora was read
        if (row.lora !== null) loras.release(row.lora)
        continue
      }
      this.queue.shift()
      const held = this.decoding.map((other) => other.row.length)
      cache.reserve(lengths, held)
      this.reading = row
      this.copyPrefix(row)
      return
    }
  }

  private copyPrefix(row: Row): void {
    const { cache, prefixes } = this.deps
    if (!prefixes || !row.usePrefixCache) return
    const blocks = prefixes.find(row.lora, row.promptIds, row.reusable)
    for (const [index, block] of blocks.entries())
      cache.write(this.decoding.length, index * PREFIX_BLOCK, PREFIX_BLOCK, block)
    row.length = blocks.length * PREFIX_BLOCK
    row.setCached(row.length)
  }

  private async readChunk(row: Row, count: number): Promise<void> {
    const { cache, decoder, loras } = this.deps
    const slot = this.decoding.length
    const start = row.length
    const wanted = row.wanted(start, count)
    const places = wanted.map((position) => position - start)
    const logprobs = await decoder.run({
      rows: [{ ids: row.promptIds.slice(start, start + count), pastLength: start, lora: row.lora }],
      cache: cache.bind(slot, 1),
      loras: loras.feedsFor([row.lora]),
      // the graph wants one place at least
      wanted: places.length === 0 ? [count - 1] : places,
    })
    row.length += count
    if (this.cancelled.delete(row)) return this.stopReading()
    let nextId: number | null = null
    for (const [index, position] of wanted.entries())
      nextId = row.receive(position, logprobs[index]!)
    if (row.length === row.promptIds.length) this.startDecoding(row, nextId)
  }

  private startDecoding(row: Row, nextId: number | null): void {
    const { cache, prefixes } = this.deps
    const slot = this.decoding.length
    if (prefixes && row.usePrefixCache)
      prefixes.store(row.lora, row.promptIds, (start) => cache.read(slot, start, PREFIX_BLOCK))
    if (nextId === null) return this.stopReading()
    this.reading = null
    this.decoding.push({ row, nextId })
  }

  private stopReading(): void {
    const lora = this.reading?.lora
    if (lora) this.deps.loras.release(lora)
    this.reading = null
  }

  private async decode(): Promise<void> {
    const { cache, decoder, loras } = this.deps
    const batch = this.decoding
    if (batch.length === 0) return
    try {
      const logprobs = await decoder.run({
        rows: batch.map(({ row, nextId }) => ({
          ids: [nextId],
          pastLength: row.length,
          lora: row.lora,
        })),
        cache: cache.bind(0, batch.length),
        loras: loras.feedsFor(batch.map(({ row }) => row.lora)),
        wanted: batch.map((_, index) => index),
      })
      this.advance(logprobs)
    } catch (error) {
      for (const { row } of batch) this.cancel(row, error)
    }
  }

  private advance(logprobs: Float32Array[]): void {
    for (let slot = this.decoding.length - 1; slot >= 0; slot--) {
      const current = this.decoding[slot]!
      const { row } = current
      row.length++
      const nextId = this.cancelled.has(row) ? null : row.receive(row.length - 1, logprobs[slot]!)
      if (nextId === null) this.remove(slot)
      else current.nextId = nextId
    }
  }

  /** Closes the gap with the last decoding row, and the gap behind that with the row being read. */
  private remove(slot: number): void {
    const { cache, loras } = this.deps
    const { row } = this.decoding[slot]!
    const last = this.decoding.length - 1
    if (slot !== last) {
      const moved = this.decoding[last]!
      cache.move(last, slot, moved.row.length)
      this.decoding[slot] = moved
    }
    this.decoding.pop()
    if (this.reading) cache.move(last + 1, last, this.reading.length)
    if (row.lora !== null) loras.release(row.lora)
    this.cancelled.delete(row)
  }
}
