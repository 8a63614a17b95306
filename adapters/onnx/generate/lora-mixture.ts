/**
 * Several loras side by side, for a batch in which rows use different loras. A lora keeps its slot, so
 * that a joining row costs a copy of one lora, not of all. Empty slots are masked.
 */
import type { Tensor } from 'onnxruntime-node'
import type { LlamaConfig } from '../../model/llama-config.ts'
import { bytesOf, emptyPairs, pairFeeds } from './fused-lora.ts'
import type { FusedLora, FusedPair, LoraFeeds } from './fused-lora.ts'

export class LoraMixture {
  readonly bytes: number
  private readonly pairs: FusedPair[]
  private readonly feeds: Record<string, Tensor>
  private readonly slotRank: number
  /** the lora in each slot; null for an empty slot */
  private readonly slots: (string | null)[]

  /** @param slotRank of the widest lora that a slot can take */
  constructor(config: LlamaConfig, slots: number, slotRank: number) {
    this.slotRank = slotRank
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
