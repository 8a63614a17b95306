/**
 * What a scan keeps of a stream of exchanges: of the window that the gate draws its held-out traffic from, a part
 * in which each exchange has the same chance; of the time before it, the newest, which only train.
 */
import { hashOf } from '../log/hash.ts'
import { isNonEmpty, lastOf } from '../lists.ts'

interface InTime {
  /** milliseconds since the epoch */
  at: number
  id: string
}

export class WindowSample<Item extends InTime> {
  private readonly inWindow: Highest<Item>
  private readonly older: Highest<Item>

  /** @param limits of each of the two parts @param from when the window begins, milliseconds since the epoch */
  constructor(
    private readonly limits: Limits,
    private readonly from: number
  ) {
    this.inWindow = new Highest<Item>(limits, ({ id }) => hashOf(id))
    this.older = new Highest<Item>(limits, ({ at }) => at)
  }

  /** @param bytes that the item takes in memory */
  add(item: Item, bytes: number): void {
    const part = item.at < this.from ? this.older : this.inWindow
    part.add(item, bytes)
  }

  /** At most as many rows as one part may have, in the order of time. */
  items(): Item[] {
    const inWindow = this.inWindow.items().toSorted((a, b) => a.at - b.at)
    const older = this.older.items()
    const first = Math.max(0, older.length + inWindow.length - this.limits.rows)
    return [...older.slice(first), ...inWindow]
  }
}

export interface Limits {
  rows: number
  bytes: number
}

interface Kept<Item> {
  item: Item
  key: number
  bytes: number
}

/** Sorting is put off until the limits are passed so many times over. */
const SLACK = 2

export class Highest<Item> {
  private kept: Kept<Item>[] = []
  private bytes = 0
  /** items with a lower key are not among the highest any more */
  private lowestKey = -Infinity

  constructor(
    private readonly limits: Limits,
    private readonly keyOf: (item: Item) => number
  ) {}

  /** @param bytes that the item takes in memory */
  add(item: Item, bytes: number): void {
    const key = this.keyOf(item)
    if (key < this.lowestKey) return
    this.kept.push({ item, key, bytes })
    this.bytes += bytes
    const { limits } = this
    if (this.kept.length > SLACK * limits.rows || this.bytes > SLACK * limits.bytes) this.trim()
  }

  /** In the order of the keys; items of one key in the order in which they came. */
  items(): Item[] {
    this.trim()
    return this.kept.map(({ item }) => item)
  }

  private trim(): void {
    // stable, so that items of one key keep their order
    const sorted = this.kept.toSorted((a, b) => a.key - b.key)
    let [rows, bytes] = [0, 0]
    for (const item of sorted.toReversed()) {
      if (rows >= this.limits.rows || bytes + item.bytes > this.limits.bytes) break
      rows++
      bytes += item.bytes
    }
    const first = sorted.length - rows
    const [dropped, kept] = [sorted.slice(0, first), sorted.slice(first)]
    if (isNonEmpty(dropped)) this.lowestKey = (kept[0] ?? lastOf(dropped)).key
    this.kept = kept
    this.bytes = bytes
  }
}
