import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DailySpend } from '../../src/core/keys/issued-key.ts'
import { createSpendLog, type SpendLog } from '../../src/proxy/access/spend-log.ts'
import { systemTimer } from '../../src/proxy/timers.ts'

const DAY_MS = 86_400_000

describe('the log of what keys spent', () => {
  const written: DailySpend[][] = []
  const errors: unknown[] = []
  let isDown = false
  let now = 0
  let log: SpendLog

  beforeEach(() => {
    vi.useFakeTimers()
    written.length = 0
    errors.length = 0
    isDown = false
    now = 10 * DAY_MS
    log = createSpendLog({
      write: async (rows) => {
        if (isDown) throw new Error('gone')
        written.push(rows)
      },
      onError: (error) => errors.push(error),
      now: () => now,
      setTimer: systemTimer,
    })
  })

  afterEach(() => vi.useRealTimers())

  it('is written at most once a second, added up by key and day', async () => {
    log.add('a', 10, 0.25)
    log.add('a', 5, 0.25)
    log.add('b', 1, 0)
    now += DAY_MS
    log.add('a', 1, 1)
    await vi.advanceTimersByTimeAsync(999)
    expect(written).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(written).toEqual([
      [
        { keyId: 'a', day: 10, requests: 2, tokens: 15, usd: 0.5 },
        { keyId: 'b', day: 10, requests: 1, tokens: 1, usd: 0 },
        { keyId: 'a', day: 11, requests: 1, tokens: 1, usd: 1 },
      ],
    ])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(written).toHaveLength(1)
  })

  it('keeps what the store did not take, and adds to it', async () => {
    isDown = true
    log.add('a', 10, 1)
    await vi.advanceTimersByTimeAsync(3000)
    expect(errors).toHaveLength(3)
    log.add('a', 1, 1)
    isDown = false
    await vi.advanceTimersByTimeAsync(1000)
    expect(written).toEqual([[{ keyId: 'a', day: 10, requests: 2, tokens: 11, usd: 2 }]])
  })

  it('is written when it closes, and then tries no more', async () => {
    log.add('a', 10, 1)
    await log.close()
    expect(written).toHaveLength(1)
    isDown = true
    log.add('a', 10, 1)
    await log.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})
