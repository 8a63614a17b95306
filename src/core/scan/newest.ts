/**
 * The newest items of a stream within a limit of rows and of bytes. The gate holds out the newest traffic and
 * trains on what came before it, so a scan keeps a stretch of the log up to its end: a uniform sample of the
 * whole log would judge old traffic by rules learned on new traffic, and would tear conversations apart.
 */

export interface NewestLimits {
  rows: number
  bytes: number
}

interface Kept<Item> {
  item: Item
  bytes: number
}

/** Sorting is put off until the limits are passed so many times over. */
const SLACK = 2

export class Newest<Item extends { at: number; id: string }> {
  private kept: Kept<Item>[] = []
  private bytes = 0
  /** older items are not among the newest any more */
  private oldestAt = -Infinity
  private readonly limits: NewestLimits

  constructor(limits: NewestLimits) {
    this.limits = limits
  }

  /** @param bytes that the item takes in memory */
  add(item: Item, bytes: number): void {
    if (item.at < this.oldestAt) return
    this.kept.push({ item, bytes })
    this.bytes += bytes
    const { limits } = this
    if (this.kept.length > SLACK * limits.rows || this.bytes > SLACK * limits.bytes) this.trim()
  }

  /** In the order of time; items of one time in the order in which they came. */
  items(): Item[] {
    this.trim()
    return this.kept.map(({ item }) => item)
  }

  private trim(): void {
    // stable, so that items of one time keep their order
    const sorted = this.kept.toSorted((a, b) => a.item.at - b.item.at)
    let [first, bytes] = [sorted.length, 0]
    while (first > 0 && sorted.length - first < this.limits.rows) {
      const next = bytes + sorted[first - 1]!.bytes
      if (next > this.limits.bytes) break
      bytes = next
      first--
    }
    if (first > 0) this.oldestAt = sorted[first]?.item.at ?? sorted.at(-1)!.item.at
    this.kept = sorted.slice(first)
    this.bytes = bytes
  }
}
