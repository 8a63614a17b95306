/**
 * The loras in memory, and those of the batch as inputs of the decode graph. The `load` function reads
 * a lora.
 *
 * A batch with several loras gets them as one lora of the summed rank, and a mask leaves each row its own
 * columns. The base weights are not merged, so rows of the base model can be in the batch, too.
 */
import type { Tensor } from 'onnxruntime-node'
import { AppError } from '../../../src/errors.ts'
import type { LlamaConfig } from '../../model/llama-config.ts'
import {
  fuseLora,
  pairFeeds,
  type FusedLora,
  type LoraFeeds,
  type LoraMatrices,
  bytesOf,
  emptyPairs,
  type FusedPair,
} from './fused-lora.ts'

export class LoraMixture {
  readonly bytes: number
  private readonly pairs: FusedPair[]
  private readonly feeds: Record<string, Tensor>
  /** the lora in each slot; null for an empty slot */
  private readonly slots: (string | null)[]

  /** @param slotRank of the widest lora that a slot can take */
  constructor(
    config: LlamaConfig,
    slots: number,
    private readonly slotRank: number
  ) {
    this.slots = Array.from({ length: slots }, () => null)
    this.pairs = emptyPairs(config, slots * slotRank)
    this.feeds = pairFeeds(config, this.pairs, slots * slotRank)
    this.bytes = bytesOf(this.pairs)
  }

  get isEmpty(): boolean {
    return this.slots.every((occupant) => occupant === null)
  }

  /** Has a slot for each lora, and at most twice as many: every slot costs time at every step. */
  serves(loras: FusedLora[]): boolean {
    return (
      loras.every(({ rank }) => rank <= this.slotRank) &&
      loras.length <= this.slots.length &&
      this.slots.length <= 2 * loras.length
    )
  }

  /** @param loras of the batch */
  feedsFor(loras: FusedLora[]): LoraFeeds {
    const { feeds, slots, slotRank } = this
    const wanted = new Set(loras.map(({ id }) => id))
    for (const lora of loras) {
      if (slots.includes(lora.id)) continue
      const free = slots.findIndex((occupant) => occupant === null || !wanted.has(occupant))
      this.put(lora, free)
    }
    const columns = new Map(
      loras.map(({ id, rank }) => [id, { first: slots.indexOf(id) * slotRank, rank }])
    )
    return { feeds, rank: slots.length * slotRank, columns }
  }

  forget(id: string): void {
    const slot = this.slots.indexOf(id)
    if (slot >= 0) this.slots[slot] = null
  }

  private put(lora: FusedLora, slot: number): void {
    const { pairs, slots } = this
    slots[slot] = lora.id
    pairs.forEach(({ a, b }, index) => {
      const own = lora.pairs[index]!
      a.set(own.a, (slot * a.length) / slots.length)
      b.set(own.b, (slot * b.length) / slots.length)
    })
  }
}

interface ResidentLora extends FusedLora {
  feeds: Record<string, Tensor>
  /** rows that use it */
  users: number
}

type LoraSize = Pick<ResidentLora, 'id' | 'bytes'>

interface LoraPoolOptions {
  config: LlamaConfig
  /** of all loras in memory, the copy that a mixed batch needs included */
  maxBytes: number
  load: (id: string) => Promise<LoraMatrices>
}

const totalBytes = (loras: LoraSize[]): number => loras.reduce((sum, { bytes }) => sum + bytes, 0)

const NO_LORAS: LoraFeeds = { feeds: {}, rank: 0, columns: new Map() }

export class LoraPool {
  /** least recently used first */
  private readonly resident = new Map<string, ResidentLora>()
  private mixture: LoraMixture | null = null
  /** The last lora that did not fit. It is requested again at every step, but must not be read again. */
  private refused: LoraSize | null = null

  constructor(private readonly options: LoraPoolOptions) {}

  get bytes(): number {
    return (this.mixture?.bytes ?? 0) + totalBytes([...this.resident.values()])
  }

  has(id: string): boolean {
    return this.resident.has(id)
  }

  /** Rows that use the lora now. */
  users(id: string): number {
    return this.resident.get(id)?.users ?? 0
  }

  /**
   * Counts one more row as the lora's user, and loads the lora if necessary.
   * @returns false when the loras in use leave no room; call again when a row has ended
   * @throws AppError `overloaded` when the lora exceeds the whole limit; errors of `load`
   */
  async acquire(id: string): Promise<boolean> {
    if (this.refused?.id === id && !this.hasRoom(this.refused)) return false
    let lora = this.resident.get(id)
    if (!lora) {
      lora = this.residentOf(fuseLora(this.options.config, id, await this.options.load(id)))
      if (lora.bytes > this.options.maxBytes)
        throw new AppError(
          'overloaded',
          `lora ${id} needs ${lora.bytes} bytes, the limit is ${this.options.maxBytes}`
        )
    }
    if (!this.hasRoom(lora)) {
      this.refused = { id, bytes: lora.bytes }
      return false
    }
    this.refused = null
    this.makeRoom(lora)
    this.resident.delete(id)
    this.resident.set(id, lora)
    lora.users++
    return true
  }

  release(id: string): void {
    const lora = this.resident.get(id)
    if (lora) lora.users--
  }

  /** Forgets a lora that no row uses. */
  unload(id: string): void {
    if (this.users(id) > 0) throw new AppError('conflict', `lora ${id} is in use`)
    this.resident.delete(id)
    this.mixture?.forget(id)
    if (this.mixture?.isEmpty === true) this.mixture = null
  }

  /** @param ids acquired loras, each row's or null for the base model */
  feedsFor(ids: (string | null)[]): LoraFeeds {
    const loras = [...new Set(ids)].flatMap((id) => (id === null ? [] : this.resident.get(id)!))
    if (loras.length === 0) return NO_LORAS
    const [{ id, rank, feeds }] = loras as [ResidentLora]
    if (loras.length === 1) return { feeds, rank, columns: new Map([[id, { first: 0, rank }]]) }
    if (this.mixture?.serves(loras) !== true) {
      // frees the memory of the old one first
      this.mixture = null
      const widest = Math.max(...loras.map((lora) => lora.rank))
      this.mixture = new LoraMixture(this.options.config, loras.length, widest)
    }
    return this.mixture.feedsFor(loras)
  }

  private residentOf(lora: FusedLora): ResidentLora {
    return { ...lora, feeds: pairFeeds(this.options.config, lora.pairs, lora.rank), users: 0 }
  }

  private usedBeside(id: string): ResidentLora[] {
    return this.others(id).filter(({ users }) => users > 0)
  }

  private others(id: string): ResidentLora[] {
    return [...this.resident.values()].filter((lora) => lora.id !== id)
  }

  /** Bytes of the second copy that a batch of this lora and those in use needs. */
  private mixtureBytes({ id, bytes }: LoraSize): number {
    const used = this.usedBeside(id)
    const widest = Math.max(bytes, ...used.map((lora) => lora.bytes))
    return used.length > 0 ? (used.length + 1) * widest : 0
  }

  /** Whether the lora fits after eviction of all unused loras. */
  private hasRoom(lora: LoraSize): boolean {
    const used = totalBytes(this.usedBeside(lora.id))
    return used + lora.bytes + this.mixtureBytes(lora) <= this.options.maxBytes
  }

  /** Evicts unused loras, least recently used first, until the lora fits. */
  private makeRoom(lora: ResidentLora): void {
    const { maxBytes } = this.options
    const others = this.others(lora.id)
    const mixture = this.mixtureBytes(lora)
    let heldBytes = totalBytes(others) + lora.bytes
    for (const idle of others) {
      if (heldBytes + Math.max(mixture, this.mixture?.bytes ?? 0) <= maxBytes) break
      if (idle.users > 0) continue
      this.unload(idle.id)
      heldBytes -= idle.bytes
    }
    // a mixture with empty or wide slots is larger than necessary
    if (heldBytes + (this.mixture?.bytes ?? 0) > maxBytes) this.mixture = null
  }
}
