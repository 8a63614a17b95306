/**
 * Consecutive requests of a log of any length, in bounded memory. Whether a provider's cache can still hold a prefix
 * depends on the requests before, so whole stretches of time are kept, chosen by the hash of their hour: a random
 * request here and there would have no neighbours. An hour with too many requests is kept up to a point.
 */
import { hashOf } from '../log/hash.ts'

interface InTime {
  /** milliseconds since the epoch, or the place in the log where no time is known */
  at: number
}

export interface Stretch<Item> {
  /** number of the hour */
  hour: number
  items: Item[]
  /** later requests of the hour were left out */
  isCut: boolean
}

export interface StretchLimits {
  /** of all kept stretches */
  items: number
  bytes: number
  /** length of a stretch, milliseconds (or places in the log) */
  length: number
}

/** Below that many stretches a rare one could decide. */
const LEAST_STRETCHES = 4

const rankOf = (hour: number): number => hashOf(String(hour))

export class Stretches<Item extends InTime> {
  private readonly kept = new Map<number, Stretch<Item> & { bytes: number }>()
  private items = 0
  private bytes = 0
  /** hours with a higher rank are not kept any more */
  private highestRank = Infinity

  constructor(private readonly limits: StretchLimits) {}

  /** Whether `add` would keep an item of that time. */
  wants(at: number): boolean {
    const hour = this.hourOf(at)
    const known = this.kept.get(hour)
    return known === undefined ? rankOf(hour) <= this.highestRank : !this.isFull(known)
  }

  /** @param bytes that the item takes in memory; one that takes more than all may is left out */
  add(item: Item, bytes: number): void {
    if (bytes > this.limits.bytes) return
    const hour = this.hourOf(item.at)
    const stretch = this.kept.get(hour) ?? { hour, items: [], isCut: false, bytes: 0 }
    this.kept.set(hour, stretch)
    stretch.items.push(item)
    stretch.bytes += bytes
    if (this.isFull(stretch)) stretch.isCut = true
    this.items++
    this.bytes += bytes
    while (this.items > this.limits.items || this.bytes > this.limits.bytes)
      if (!this.dropOne()) return
  }

  /** Rank of the last hour that is kept whatever else comes; Infinity while all are. */
  get rank(): number {
    return this.highestRank
  }

  /** @param rank hours with a higher one are left out, so that samples of several templates have the same hours */
  all(rank = Infinity): Stretch<Item>[] {
    return [...this.kept.values()]
      .filter(({ hour }) => rankOf(hour) <= rank)
      .toSorted((a, b) => a.hour - b.hour)
  }

  private hourOf(at: number): number {
    return Math.floor(at / this.limits.length)
  }

  private isFull({ items, bytes }: { items: Item[]; bytes: number }): boolean {
    const { limits } = this
    return items.length * LEAST_STRETCHES >= limits.items || bytes * LEAST_STRETCHES >= limits.bytes
  }

  /** The hour with the highest rank; never the last one. */
  private dropOne(): boolean {
    if (this.kept.size < 2) return false
    const worst = [...this.kept.values()].reduce((a, b) =>
      rankOf(b.hour) > rankOf(a.hour) ? b : a
    )
    this.kept.delete(worst.hour)
    this.items -= worst.items.length
    this.bytes -= worst.bytes
    this.highestRank = rankOf(worst.hour) - 1
    return true
  }
}
