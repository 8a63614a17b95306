/**
 * What keys used, on its way to the store: added up in memory and written at most once in an
 * interval. Has at most an entry a key and day, and forgets none that the store has not taken.
 */
import { dayOf } from '../../core/keys/budget.ts'
import type { DailySpend } from '../../core/keys/issued-key.ts'

export interface SpendLog {
  add(keyId: string, tokens: number, usd: number): void
  /** Writes what there is, once more. */
  close(): Promise<void>
}

export interface SpendLogOptions {
  /** durable when it resolves, nothing kept when it rejects */
  write: (rows: DailySpend[]) => Promise<void>
  onError: (error: unknown) => void
  now: () => number
  intervalMs?: number
}

export const createSpendLog = (options: SpendLogOptions): SpendLog => {
  const { write, onError, now, intervalMs = 1000 } = options
  let waiting = new Map<string, DailySpend>()
  let writing: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | null = null
  let isClosed = false

  const count = (keyId: string, day: number, more: Omit<DailySpend, 'keyId' | 'day'>): void => {
    const name = `${day} ${keyId}`
    const row = waiting.get(name) ?? { keyId, day, requests: 0, tokens: 0, usd: 0 }
    row.requests += more.requests
    row.tokens += more.tokens
    row.usd += more.usd
    waiting.set(name, row)
  }
  const flush = async (): Promise<void> => {
    const rows = [...waiting.values()]
    waiting = new Map()
    if (rows.length === 0) return
    try {
      await write(rows)
    } catch (error) {
      for (const { keyId, day, ...spend } of rows) count(keyId, day, spend)
      onError(error)
      wait()
    }
  }
  const wait = (): void => {
    if (isClosed) return
    timer ??= setTimeout(() => {
      timer = null
      writing = writing.then(flush)
    }, intervalMs)
  }

  return {
    add: (keyId, tokens, usd) => {
      count(keyId, dayOf(now()), { requests: 1, tokens, usd })
      wait()
    },
    close: async () => {
      isClosed = true
      if (timer !== null) clearTimeout(timer)
      await (writing = writing.then(flush))
    },
  }
}
