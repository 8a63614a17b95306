/**
 * Group commit: one write holds the items of many callers, because a durable commit costs the same
 * for one item as for many. Only one write runs at a time, and items that arrive meanwhile share the
 * next one: on a slow disk the writes get larger and the queue does not get longer. Does not know
 * what an item is.
 */
import { inChunks } from './chunks.ts'

/** this many waiting items are written at once */
const PROMPT_ITEMS = 50
const MAX_DELAY_MS = 20
/** keeps a transaction short, and with it the wait of other processes for the lock */
const MAX_WRITE_ITEMS = 512

interface Entry<T> {
  items: T[]
  resolve: () => void
  reject: (error: unknown) => void
}

/** Calls back after `delayMs`. @returns cancels the call */
export type SetTimer = (callback: () => void, delayMs: number) => () => void

const setTimer: SetTimer = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs)
  return () => clearTimeout(timer)
}

export class Batcher<T> {
  private readonly setTimer: SetTimer
  private readonly waiting: Entry<T>[] = []
  private waitingItems = 0
  private cancelTimer: (() => void) | null = null
  private writing: Promise<void> | null = null

  constructor(
    private readonly write: (items: T[]) => Promise<void>,
    timers = setTimer
  ) {
    this.setTimer = timers
  }

  /** Resolves when the items are written; rejects with the error of their own write. */
  add(items: T[]): Promise<void> {
    if (items.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.waiting.push({ items, resolve, reject })
      this.waitingItems += items.length
      if (this.writing !== null) return
      if (this.waitingItems >= PROMPT_ITEMS) void this.flush()
      else this.cancelTimer ??= this.setTimer(() => void this.flush(), MAX_DELAY_MS)
    })
  }

  /** Resolves when no item waits any more. */
  flush(): Promise<void> {
    this.cancelTimer?.()
    this.cancelTimer = null
    if (this.writing === null && this.waiting.length > 0) this.writing = this.writeAll()
    return this.writing ?? Promise.resolve()
  }

  private async writeAll(): Promise<void> {
    while (this.waiting.length > 0) await this.settle(this.take())
    this.writing = null
  }

  /** @returns the longest run of entries that fits one write; a larger entry alone */
  private take(): Entry<T>[] {
    let entries = 0
    let items = 0
    for (const entry of this.waiting) {
      if (entries > 0 && items + entry.items.length > MAX_WRITE_ITEMS) break
      entries++
      items += entry.items.length
    }
    this.waitingItems -= items
    return this.waiting.splice(0, entries)
  }

  /** Writes the entries together, and one by one if that fails: a bad item fails only its caller. */
  private async settle(entries: Entry<T>[]): Promise<void> {
    const [first, ...others] = entries
    if (first !== undefined && others.length === 0) return this.settleAlone(first)
    try {
      await this.write(entries.flatMap(({ items }) => items))
      for (const { resolve } of entries) resolve()
    } catch {
      for (const entry of entries) await this.settleAlone(entry)
    }
  }

  private async settleAlone({ items, resolve, reject }: Entry<T>): Promise<void> {
    try {
      for (const chunk of inChunks(items, MAX_WRITE_ITEMS)) await this.write(chunk)
      resolve()
    } catch (error) {
      reject(error)
    }
  }
}
