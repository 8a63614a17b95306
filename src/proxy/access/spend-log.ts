/**
 * The usage of keys on its way to the store: added up in memory and written at most once in an
 * interval. Holds at most one entry for each key and day, and keeps an entry until the store has it.
 */
import { dayOf } from '../../core/keys/budget.ts'
import type { DailySpend } from '../../core/keys/issued-key.ts'
import type { SetTimer } from '../timers.ts'

export interface SpendLog {
  add(keyId: string, tokens: number, usd: number): void
  /** Writes the rest, once. */
  close(): Promise<void>
}

export interface SpendLogOptions {
  /** durable when it resolves, nothing kept when it rejects */
  write: (rows: DailySpend[]) => Promise<void>
  onError: (error: unknown) => void
  now: () => number
  setTimer: SetTimer
  intervalMs?: number
}

export const createSpendLog = (options: SpendLogOptions): SpendLog => {
  const { write, onError, now, setTimer, intervalMs = 1000 } = options
  let waiting = new Map<string, DailySpend>()
  let writing: Promise<void> = Promise.resolve()
  let cancelTimer: (() => void) | null = null
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
    cancelTimer ??= setTimer(intervalMs, () => {
      cancelTimer = null
      writing = writing.then(flush)
    })
  }

  return {
    add: (keyId, tokens, usd) => {
      count(keyId, dayOf(now()), { requests: 1, tokens, usd })
      wait()
    },
    close: async () => {
      isClosed = true
      cancelTimer?.()
      await (writing = writing.then(flush))
    },
  }
}
