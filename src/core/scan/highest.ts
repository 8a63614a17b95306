/** The items of a stream with the highest keys, within a limit of rows and of bytes. */
import { isNonEmpty, lastOf } from '../lists.ts'

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
  private readonly limits: Limits
  private readonly keyOf: (item: Item) => number

  constructor(limits: Limits, keyOf: (item: Item) => number) {
    this.limits = limits
    this.keyOf = keyOf
  }

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
