/**
 * What a scan keeps of a stream of exchanges: of the window that the gate draws its held-out traffic from, a part
 * in which each exchange has the same chance; of the time before it, the newest, which only train.
 */
import { hashOf } from '../log/hash.ts'
import { Highest, type Limits } from './highest.ts'

interface InTime {
  /** milliseconds since the epoch */
  at: number
  id: string
}

export class WindowSample<Item extends InTime> {
  private readonly inWindow: Highest<Item>
  private readonly older: Highest<Item>
  private readonly limits: Limits
  private readonly from: number

  /** @param limits of each of the two parts @param from when the window begins, milliseconds since the epoch */
  constructor(limits: Limits, from: number) {
    this.limits = limits
    this.from = from
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
