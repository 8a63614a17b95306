/**
 * Group commit: items of many callers in one write, since a durable commit costs the same for one
 * as for many. One write at a time; what comes meanwhile waits and goes together, so a slow disk
 * gets larger batches instead of a longer queue. Knows nothing of what it writes.
 */
import { inChunks } from './base/chunks.ts'

/** so many do not wait for company */
const PROMPT_ITEMS = 50
const MAX_DELAY_MS = 20
/** keeps a transaction, and with it the lock that other processes wait for, short */
const MAX_WRITE_ITEMS = 512

interface Entry<T> {
  items: T[]
  resolve: () => void
  reject: (error: unknown) => void
}

export interface Batcher<T> {
  /** Resolves when the items are written; rejects with the error of their own write. */
  add: (items: T[]) => Promise<void>
  /** Resolves when nothing waits any more. */
  flush: () => Promise<void>
}

export const createBatcher = <T>(write: (items: T[]) => Promise<void>): Batcher<T> => {
  const waiting: Entry<T>[] = []
  let waitingItems = 0
  let timer: NodeJS.Timeout | null = null
  let writing: Promise<void> | null = null

  const settleAlone = async ({ items, resolve, reject }: Entry<T>): Promise<void> => {
    try {
      for (const chunk of inChunks(items, MAX_WRITE_ITEMS)) await write(chunk)
      resolve()
    } catch (error) {
      reject(error)
    }
  }

  /** One caller's bad item must not fail the others, so a failed batch is written one by one. */
  const settle = async (entries: Entry<T>[]): Promise<void> => {
    if (entries.length === 1) return settleAlone(entries[0]!)
    try {
      await write(entries.flatMap(({ items }) => items))
      for (const { resolve } of entries) resolve()
    } catch {
      for (const entry of entries) await settleAlone(entry)
    }
  }

  /** The longest run of entries that fits one write; a larger entry goes alone. */
  const take = (): Entry<T>[] => {
    let count = 0
    let items = 0
    while (count < waiting.length && items + waiting[count]!.items.length <= MAX_WRITE_ITEMS) {
      items += waiting[count++]!.items.length
    }
    const taken = waiting.splice(0, Math.max(1, count))
    for (const entry of taken) waitingItems -= entry.items.length
    return taken
  }

  const writeAll = async (): Promise<void> => {
    while (waiting.length > 0) await settle(take())
    writing = null
  }

  const flush = (): Promise<void> => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (writing === null && waiting.length > 0) writing = writeAll()
    return writing ?? Promise.resolve()
  }

  return {
    add: (items) => {
      if (items.length === 0) return Promise.resolve()
      return new Promise((resolve, reject) => {
        waiting.push({ items, resolve, reject })
        waitingItems += items.length
        if (writing !== null) return
        if (waitingItems >= PROMPT_ITEMS) void flush()
        else timer ??= setTimeout(() => void flush(), MAX_DELAY_MS)
      })
    },
    flush,
  }
}
