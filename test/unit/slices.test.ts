import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SliceAsk, SliceGrant } from '../../src/core/keys/account.ts'
import type { IssuedKey, KeyLimits } from '../../src/core/keys/issued-key.ts'
import type { Reservation } from '../../src/core/keys/slice.ts'
import { Slices } from '../../src/proxy/access/slices.ts'
import { systemTimer } from '../../src/timers.ts'
import { MemoryAccounts } from '../kit/proxy/accounts.ts'
import { exampleKey } from '../kit/records/examples.ts'

const keyWith = (limits: Partial<KeyLimits>, id = 'a'): IssuedKey =>
  exampleKey(id, { limits: { ...exampleKey(id).limits, ...limits } })

const BUDGET = keyWith({ budget: { usd: 10, period: 'total' } })
const RATE = keyWith({ requestsPerMinute: 3 }, 'rate')
const FREE = keyWith({}, 'free')

const dollars = (usd: number) => ({ requests: 1, tokens: 10, usd })
const spent = (usd: number) => ({ requests: 1, tokens: 10, usd })

describe('the slices of a proxy', () => {
  let accounts: MemoryAccounts
  let trips: SliceAsk[][]
  let errors: unknown[]
  /** how the database answers */
  let database: 'up' | 'down' | 'silent'
  let slices: Slices

  const renew = async (asks: SliceAsk[]): Promise<SliceGrant[]> => {
    trips.push(asks)
    if (database === 'down') throw new Error('gone')
    if (database === 'silent') await new Promise((resolve) => setTimeout(resolve, 30_000))
    return accounts.renew('proxy', asks)
  }

  const take = async (key: IssuedKey, usd = 0): Promise<Reservation> =>
    slices.take(key, dollars(usd))

  const outcomes = async (key: IssuedKey, usd: number, count: number): Promise<string[]> => {
    const all = Array.from({ length: count }, () =>
      take(key, usd).then(
        () => 'admitted',
        ({ code }: { code: string }) => code
      )
    )
    await vi.advanceTimersByTimeAsync(1)
    return Promise.all(all)
  }

  beforeEach(() => {
    vi.useFakeTimers()
    accounts = new MemoryAccounts(Date.now)
    trips = []
    errors = []
    database = 'up'
    slices = new Slices({
      renew,
      onError: (error) => errors.push(error),
      now: Date.now,
      setTimer: systemTimer,
    })
  })

  afterEach(() => vi.useRealTimers())

  it('admit exactly what fits, and requests at the same time share a trip', async () => {
    const all = await outcomes(BUDGET, 1, 30)
    expect(all.filter((outcome) => outcome === 'admitted')).toHaveLength(10)
    expect(all.filter((outcome) => outcome === 'budget-exceeded')).toHaveLength(20)
    expect(trips).toHaveLength(2)
  })

  it('serve the next requests without a trip where as many came before', async () => {
    await outcomes(BUDGET, 0.5, 2)
    const before = trips.length
    expect(slices.take(BUDGET, dollars(0.5))).not.toBeInstanceOf(Promise)
    expect(trips).toHaveLength(before)
  })

  it('refuse without a trip for a moment after the database did', async () => {
    await outcomes(RATE, 0, 4)
    const before = trips.length
    for (let again = 0; again < 5; again++) expect(() => slices.take(RATE, dollars(0))).toThrow('3')
    expect(trips).toHaveLength(before)
    await vi.advanceTimersByTimeAsync(300)
    await expect(take(RATE)).rejects.toMatchObject({ code: 'rate-limited', retryAfterSeconds: 20 })
    expect(trips.length).toBeGreaterThan(before)
  })

  it('are written once a second with all that was spent, and then given back', async () => {
    const first = await take(BUDGET, 2)
    slices.settle(BUDGET, first, spent(0.5))
    slices.settle(FREE, null, spent(0.25))
    slices.settle(FREE, null, spent(0.25))
    const before = trips.length
    await vi.advanceTimersByTimeAsync(1000)
    expect(
      trips
        .slice(before)
        .flat()
        .map(({ keyId, spend }) => [keyId, spend])
    ).toEqual([
      ['a', spent(0.5)],
      ['free', { requests: 2, tokens: 20, usd: 0.5 }],
    ])
    expect(accounts.heldUsd('a')).toBeGreaterThan(0)
    await vi.advanceTimersByTimeAsync(5000)
    expect([accounts.heldUsd('a'), accounts.spentUsd('a')]).toEqual([0, 0.5])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keep what running requests reserved for as long as they run', async () => {
    const slow = await take(BUDGET, 8)
    await vi.advanceTimersByTimeAsync(600_000)
    expect(accounts.heldUsd('a')).toBe(8)
    expect(accounts.renew('other', [{ ...trips[0]![0]!, waiting: [] }])[0]!.left.usd).toBe(2)
    slices.settle(BUDGET, slow, spent(1))
    await vi.advanceTimersByTimeAsync(3000)
    expect([accounts.heldUsd('a'), accounts.spentUsd('a')]).toEqual([0, 1])
  })

  describe('while the database is away', () => {
    it('stop granting when the money is spent, and say that it is not the budget', async () => {
      for (const reservation of [await take(BUDGET, 1), await take(BUDGET, 1)])
        slices.settle(BUDGET, reservation, spent(0))
      database = 'down'
      await vi.advanceTimersByTimeAsync(1000)
      expect(await outcomes(BUDGET, 1, 4)).toEqual([
        'admitted',
        'admitted',
        'store-unavailable',
        'store-unavailable',
      ])
      await expect(take(BUDGET, 1)).rejects.toMatchObject({ retryAfterSeconds: 1 })
      database = 'up'
      await vi.advanceTimersByTimeAsync(1000)
      expect(await outcomes(BUDGET, 1, 1)).toEqual(['admitted'])
    })

    it('count rates for this proxy alone', async () => {
      await take(RATE)
      database = 'down'
      expect(await outcomes(RATE, 0, 3)).toEqual(['admitted', 'admitted', 'rate-limited'])
      await vi.advanceTimersByTimeAsync(20_000)
      expect(await outcomes(RATE, 0, 2)).toEqual(['admitted', 'rate-limited'])
    })

    it('keep what was spent, and add to it', async () => {
      database = 'down'
      slices.settle(FREE, null, spent(1))
      await vi.advanceTimersByTimeAsync(3000)
      expect(errors).toHaveLength(3)
      slices.settle(FREE, null, spent(1))
      database = 'up'
      await vi.advanceTimersByTimeAsync(1000)
      expect(accounts.spentUsd('free')).toBe(2)
    })

    it('do not let requests wait for a silent one', async () => {
      database = 'silent'
      const waiting = [take(RATE), take(BUDGET, 1).catch(({ code }: { code: string }) => code)]
      await vi.advanceTimersByTimeAsync(5000)
      expect(await waiting[0]).toMatchObject({ isOfSlice: false })
      expect(await waiting[1]).toBe('store-unavailable')
      expect(slices.take(RATE, dollars(0))).toMatchObject({ isOfSlice: false })
      expect(trips).toHaveLength(1)
      database = 'up'
      await vi.advanceTimersByTimeAsync(40_000)
      expect(await outcomes(BUDGET, 10, 1)).toEqual(['admitted'])
    })
  })

  it('are given back when the server stops, with the rest of the spend', async () => {
    const reservations = [await take(BUDGET, 2), await take(BUDGET, 2), await take(BUDGET, 2)]
    slices.settle(BUDGET, reservations[0]!, spent(1))
    slices.settle(BUDGET, reservations[1]!, spent(1))
    await slices.close()
    // the third one still runs
    expect([accounts.heldUsd('a'), accounts.spentUsd('a')]).toEqual([2, 2])
    database = 'down'
    slices.settle(BUDGET, reservations[2]!, spent(1))
    await slices.close()
    expect(errors).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})
