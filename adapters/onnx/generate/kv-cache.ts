/**
 * Keys and values of the rows in the batch, in memory that the graph reads without a copy. Rows are
 * slots 0, 1, 2, …, which the caller keeps without gaps.
 *
 * Every layer has one tensor for keys and one for values, `[slots, kvHeads, 1, capacity, headDim]`; a
 * run of slots is therefore a tensor of its own without copying. Attention visits the whole capacity,
 * so it stays close to the longest row.
 */
import { Tensor } from 'onnxruntime-node'
import type { LlamaConfig } from '../../model/llama-config.ts'

/** Capacity grows by so many tokens. Each growth moves the cache; each unused token costs time. */
const CAPACITY_STEP = 64

/** Keys and values of one token. */
export const cacheBytesPerToken = ({ layers, kvHeads, headDim }: LlamaConfig): number =>
  layers * 2 * kvHeads * headDim * 4

/** Of layer 0 keys and values, of layer 1 keys and values, … */
export type CacheTensors = readonly Tensor[]

export class KvCache {
  private readonly bytesPerToken: number
  private readonly maxBytes: number
  private readonly maxSlots: number
  private readonly tensors: Float32Array[]
  private readonly views = new Map<string, CacheTensors>()
  private slots = 0
  private capacity = 0

  constructor(
    private readonly config: LlamaConfig,
    limits: { maxBytes: number; maxSlots: number }
  ) {
    this.maxBytes = limits.maxBytes
    this.maxSlots = limits.maxSlots
    this.bytesPerToken = cacheBytesPerToken(config)
    this.tensors = Array.from({ length: 2 * config.layers }, () => new Float32Array(0))
  }

  get allocatedBytes(): number {
    return this.slots * this.capacity * this.bytesPerToken
  }

  /** @param tokens how many each row is to hold */
  fits(tokens: number[]): boolean {
    return (
      tokens.length <= this.maxSlots &&
      tokens.length * this.capacityFor(tokens) * this.bytesPerToken <= this.maxBytes
    )
  }

  /**
   * Makes room for the rows, and moves their tokens when the shape must change.
   * @param tokens how many each row is to hold
   * @param lengths how many each row holds, for the rows that are there already
   */
  reserve(tokens: number[], lengths: number[]): void {
    const capacity = this.capacityFor(tokens)
    const enough = this.slots >= tokens.length && this.capacity >= capacity
    if (enough && this.capacity <= 2 * capacity) return
    const affordable = Math.floor(this.maxBytes / (capacity * this.bytesPerToken))
    let slots = 1
    while (slots < tokens.length) slots *= 2
    this.reshape(Math.min(slots, affordable, this.maxSlots), capacity, lengths)
  }

  /**
   * The tensors of slots from `first` on.
   * @param lengths how many tokens each of them holds
   */
  bind(first: number, lengths: readonly number[]): CacheTensors {
    const empty = lengths.every((length) => length === 0)
    const count = lengths.length
    const key = empty ? `empty:${count}` : `${first}:${count}`
    let view = this.views.get(key)
    if (!view) {
      const { kvHeads, headDim } = this.config
      const size = kvHeads * this.capacity * headDim
      const dims = [count, kvHeads, 1, empty ? 0 : this.capacity, headDim]
      const [from, to] = empty ? [0, 0] : [first * size, (first + count) * size]
      view = this.tensors.map((data) => new Tensor('float32', data.subarray(from, to), dims))
      this.views.set(key, view)
    }
    return view
  }

  /**
   * Appends the graph's new keys and values to the slots.
   * @param lengths how many tokens each slot holds before
   * @param added `[layers·2, slots, kvHeads, tokens, headDim]`
   */
  append(first: number, lengths: readonly number[], added: Float32Array): void {
    const { kvHeads, headDim } = this.config
    const size = added.length / (this.tensors.length * lengths.length * kvHeads)
    let offset = 0
    for (const data of this.tensors)
      for (const [index, length] of lengths.entries())
        for (let kv = 0; kv < kvHeads; kv++) {
          const head = ((first + index) * kvHeads + kv) * this.capacity * headDim
          data.set(added.subarray(offset, offset + size), head + length * headDim)
          offset += size
        }
  }

  /** Copies the first `length` tokens of a slot over another slot. */
  move(from: number, to: number, length: number): void {
    const { kvHeads, headDim } = this.config
    const head = this.capacity * headDim
    for (const data of this.tensors)
      for (let kv = 0; kv < kvHeads; kv++) {
        const source = (from * kvHeads + kv) * head
        data.copyWithin((to * kvHeads + kv) * head, source, source + length * headDim)
      }
  }

  /** @returns `[layers · 2, kvHeads, count, headDim]`, a copy */
  read(slot: number, start: number, count: number): Float32Array {
    const copy = new Float32Array((count * this.bytesPerToken) / 4)
    let offset = 0
    this.eachHead(slot, start, count, (data, from, to) => {
      copy.set(data.subarray(from, to), offset)
      offset += to - from
    })
    return copy
  }

  /** Puts back what `read` gave. */
  write(slot: number, start: number, count: number, copy: Float32Array): void {
    let offset = 0
    this.eachHead(slot, start, count, (data, from, to) => {
      data.set(copy.subarray(offset, offset + to - from), from)
      offset += to - from
    })
  }

  private eachHead(
    slot: number,
    start: number,
    count: number,
    visit: (data: Float32Array, from: number, to: number) => void
  ): void {
    const { kvHeads, headDim } = this.config
    for (const data of this.tensors)
      for (let kv = 0; kv < kvHeads; kv++) {
        const from = ((slot * kvHeads + kv) * this.capacity + start) * headDim
        visit(data, from, from + count * headDim)
      }
  }

  private capacityFor(tokens: number[]): number {
    const steps = Math.ceil(Math.max(...tokens) / CAPACITY_STEP)
    return Math.min(steps * CAPACITY_STEP, this.config.maxPositions)
  }

  private reshape(slots: number, capacity: number, lengths: number[]): void {
    const { kvHeads, headDim } = this.config
    for (const [index, old] of this.tensors.entries()) {
      const data = new Float32Array(slots * kvHeads * capacity * headDim)
      for (const [slot, length] of lengths.entries())
        for (let kv = 0; kv < kvHeads; kv++) {
          const head = slot * kvHeads + kv
          const from = head * this.capacity * headDim
          data.set(old.subarray(from, from + length * headDim), head * capacity * headDim)
        }
      this.tensors[index] = data
    }
    this.slots = slots
    this.capacity = capacity
    this.views.clear()
  }
}
