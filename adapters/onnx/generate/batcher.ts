/**
 * Continuous batching: rows join and leave between steps. Decides which rows run and what the cache
 * holds.
 *
 * Memory is allocated for the tokens that exist, not for the largest number that a request allows. When
 * it runs out, the newest rows give up their slots and are read again later.
 *
 * Slots of the cache are kept gapless: decoding rows in 0 … n−1, the one row that is being read in
 * slot n. Each step reads at most `chunkTokens` of prompts and then gives every decoding row one
 * token, so that a long prompt delays the others by one chunk at a time.
 */
import { AppError } from '../../../src/errors.ts'
import type { Decoder, Prediction } from './decoder.ts'
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
  /** rows that may wait for a slot */
  maxQueued: number
  /** most prompt tokens of a step */
  chunkTokens: number
}

/** Tokens that a joining row should have room for before the batch runs out of memory again. */
const HEADROOM_TOKENS = 32

export class Batcher {
  private readonly queue: Row[] = []
  private reading: Row | null = null
  /** by slot; the last generated token of each is not in the cache yet */
  private readonly decoding: Row[] = []
  private readonly arrivals = new WeakMap<Row, number>()
  private arrived = 0
  private readonly cancelled = new Set<Row>()
  private stepping: Promise<void> | null = null
  private closed = false

  constructor(private readonly deps: BatcherDeps) {}

  /** Number of waiting and running rows. */
  get load(): { queued: number; running: number } {
    return {
      queued: this.queue.length,
      running: this.decoding.length + (this.reading === null ? 0 : 1),
    }
  }

  /** Whether a waiting or running row uses the lora. */
  uses(lora: string): boolean {
    return this.rows().some((row) => row.lora === lora)
  }

  /**
   * Queues a row; it is served in the order of arrival.
   * @throws AppError `overloaded` when the queue is full
   */
  add(row: Row): void {
    const { maxQueued } = this.deps
    if (this.closed) throw new AppError('engine-unavailable', 'the engine is closing')
    if (this.queue.length >= maxQueued)
      throw new AppError('overloaded', `${maxQueued} requests are waiting already`)
    this.arrivals.set(row, this.arrived++)
    this.queue.push(row)
    this.stepping ??= this.steps()
  }

  /** Removes the row before the next step. It fails with `error` unless it has ended. */
  cancel(row: Row, error: unknown): void {
    row.fail(error)
    const waiting = this.queue.indexOf(row)
    if (waiting >= 0) this.queue.splice(waiting, 1)
    else if (this.rows().includes(row)) this.cancelled.add(row)
  }

  /** Fails all rows and waits for the end of the current step. */
  async close(): Promise<void> {
    this.closed = true
    for (const row of this.rows())
      this.cancel(row, new AppError('engine-unavailable', 'the engine was closed'))
    await this.stepping
  }

  private rows(): Row[] {
    return [...this.queue, ...this.running()]
  }

  /** By slot. */
  private running(): Row[] {
    return this.reading === null ? this.decoding : [...this.decoding, this.reading]
  }

  private async steps(): Promise<void> {
    while (this.rows().length > 0) {
      try {
        this.dropCancelled()
        await this.read()
        this.dropCancelled()
        await this.decode()
      } catch (error) {
        // a row with its memory half moved cannot continue; the next step starts without any rows
        for (const row of this.rows()) this.cancel(row, error)
      }
    }
    this.stepping = null
  }

  private dropCancelled(): void {
    if (this.reading && this.cancelled.has(this.reading)) this.stopReading()
    for (let slot = this.decoding.length - 1; slot >= 0; slot--)
      if (this.cancelled.has(this.decoding[slot]!)) this.remove(slot)
    this.cancelled.clear()
  }

  private async read(): Promise<void> {
    let budget = this.deps.chunkTokens
    while (budget > 0) {
      if (!this.reading) await this.admit()
      const row = this.reading
      if (!row) return
      const count = Math.min(budget, row.ids.length - row.length)
      budget -= count
      try {
        await this.readChunk(row, count)
      } catch (error) {
        row.fail(error)
        this.stopReading()
      }
    }
  }

  /** Gives the next slot to the row that has waited longest, if there is room. */
  private async admit(): Promise<void> {
    const { cache, loras, maxRows } = this.deps
    while (this.queue.length > 0 && this.decoding.length < maxRows) {
      const row = this.queue[0]!
      const lengths = [...this.decoding, row].map(({ ids }) => ids.length + HEADROOM_TOKENS)
      // a row always fits alone, without headroom if necessary
      if (this.decoding.length > 0 && !cache.fits(lengths)) return
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
      this.reading = row
      cache.reserve(
        lengths,
        this.decoding.map(({ length }) => length)
      )
      this.copyPrefix(row)
      return
    }
  }

  private copyPrefix(row: Row): void {
    const { cache, prefixes } = this.deps
    if (!prefixes || !row.usePrefixCache) return
    const blocks = prefixes.find(row.lora, row.ids, row.reusable)
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
    const { predictions, newCache } = await decoder.run({
      rows: [{ ids: row.ids.slice(start, start + count), pastLength: start, lora: row.lora }],
      cache: cache.bind(slot, [start]),
      loras: loras.feedsFor([row.lora]),
      // the graph needs at least one place
      wanted: places.length === 0 ? [count - 1] : places,
      distributions: row.needsDistribution && places.length > 0,
    })
    if (this.cancelled.delete(row)) return this.stopReading()
    cache.append(slot, [start], newCache)
    row.length += count
    const whole = row.length === row.ids.length
    if (whole) this.keepPrefix(row, slot)
    let goesOn = false
    for (const [index, position] of wanted.entries())
      goesOn = row.receive(position, predictions[index]!)
    if (!whole) return
    if (!goesOn) return this.stopReading()
    this.reading = null
    this.decoding.push(row)
  }

  private keepPrefix(row: Row, slot: number): void {
    const { cache, prefixes } = this.deps
    if (prefixes && row.usePrefixCache)
      prefixes.store(row.lora, row.ids, (start) => cache.read(slot, start, PREFIX_BLOCK))
  }

  private stopReading(): void {
    const lora = this.reading?.lora
    if (lora) this.deps.loras.release(lora)
    this.reading = null
  }

  private async decode(): Promise<void> {
    const { cache, decoder, loras } = this.deps
    this.makeRoom()
    const batch = [...this.decoding]
    if (batch.length === 0) return
    try {
      const lengths = batch.map(({ length }) => length)
      const { predictions, newCache } = await decoder.run({
        rows: batch.map(({ ids, length, lora }) => ({
          ids: [ids[length]!],
          pastLength: length,
          lora,
        })),
        cache: cache.bind(0, lengths),
        loras: loras.feedsFor(batch.map(({ lora }) => lora)),
        wanted: batch.map((_, index) => index),
        distributions: batch.some((row) => row.needsDistribution),
      })
      cache.append(0, lengths, newCache)
      this.advance(predictions)
    } catch (error) {
      for (const row of batch) this.cancel(row, error)
    }
  }

  private advance(predictions: Prediction[]): void {
    for (let slot = this.decoding.length - 1; slot >= 0; slot--) {
      const row = this.decoding[slot]!
      row.length++
      if (this.cancelled.has(row) || !row.receive(row.length - 1, predictions[slot]!))
        this.remove(slot)
    }
  }

  /** Makes room for every row's known tokens. The newest rows go back to the head of the queue. */
  private makeRoom(): void {
    const { cache } = this.deps
    const needed = (): number[] => this.running().map(({ ids }) => ids.length)
    while (this.running().length > 1 && !cache.fits(needed())) {
      const last = this.running().reduce((a, b) =>
        this.arrivals.get(a)! > this.arrivals.get(b)! ? a : b
      )
      if (last === this.reading) this.stopReading()
      else this.remove(this.decoding.indexOf(last))
      last.length = 0
      this.queue.unshift(last)
    }
    if (this.running().length === 0) return
    cache.reserve(
      needed(),
      this.running().map(({ length }) => length)
    )
  }

  /** Closes the gap with the last decoding row, and the gap behind that with the row being read. */
  private remove(slot: number): void {
    const { cache, loras } = this.deps
    const row = this.decoding[slot]!
    const last = this.decoding.length - 1
    if (slot !== last) {
      const moved = this.decoding[last]!
      cache.move(last, slot, moved.length)
      this.decoding[slot] = moved
    }
    this.decoding.pop()
    if (this.reading) cache.move(last + 1, last, this.reading.length)
    if (row.lora !== null) loras.release(row.lora)
    this.cancelled.delete(row)
  }
}
