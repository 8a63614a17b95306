/** What the accounts of issued keys do between processes, over each database. */
import { describe, expect } from 'vitest'
import type { Amounts, SliceAsk, SliceGrant } from '../../src/core/keys/account.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleAsk } from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const none = (): Amounts => ({ requests: 0, tokens: 0, usd: 0 })

const LIMITS: SliceAsk['limits'] = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  budget: { usd: 10, period: 'total' },
}

const askFor = (changes: Partial<SliceAsk> = {}): SliceAsk =>
  exampleAsk('a', { limits: LIMITS, ...changes })

const money = (...usds: number[]): Amounts[] => usds.map((usd) => ({ ...none(), usd }))

const renew = async (
  { keys }: Store,
  holder: string,
  changes: Partial<SliceAsk> = {}
): Promise<SliceGrant> => (await keys.renew(holder, [askFor(changes)]))[0]!

const spentUsd = async ({ keys }: Store): Promise<number> =>
  (await keys.spend(0)).get('a')?.usd ?? 0

onEachStore((it) => {
  describe('a budget', () => {
    it('is cut into slices that never come to more', async ({ store, open }) => {
      const other = await open()
      const mine = await renew(store, 'one', { waiting: money(6) })
      expect(mine).toMatchObject({ granted: { usd: 6 }, left: { usd: 4 }, spentUsd: 0 })
      const theirs = await renew(other, 'two', { waiting: money(5, 3, 2, 1) })
      expect(theirs).toMatchObject({ granted: { usd: 4 }, left: { usd: 0 } })
      expect(await spentUsd(store)).toBe(0)
    })

    it('never comes to more when many ask at the same time', async ({ store }) => {
      const asked = Array.from({ length: 12 }, (_, index) =>
        renew(store, `holder ${index}`, { waiting: money(1) })
      )
      const granted = (await Promise.all(asked)).reduce((sum, grant) => sum + grant.granted.usd, 0)
      expect(granted).toBeCloseTo(10)
    })

    it('takes the spend and the rest of a slice in one step', async ({ store }) => {
      await renew(store, 'one', { waiting: money(6) })
      const spend = { requests: 2, tokens: 30, usd: 2.5 }
      const grant = await renew(store, 'one', { spend, keptUsd: 1 })
      expect(grant).toMatchObject({ spentUsd: 2.5, left: { usd: 6.5 } })
      expect(await renew(store, 'two')).toMatchObject({ left: { usd: 6.5 } })
      expect(await renew(store, 'one')).toMatchObject({ left: { usd: 7.5 } })
      expect(await store.keys.spend(0)).toEqual(new Map([['a', spend]]))
    })

    it('holds the slice of a dead process: what its requests cost is not known', async ({
      store,
      open,
    }) => {
      const other = await open()
      await renew(other, 'dead', { waiting: money(7) })
      await other.close()
      expect(await renew(store, 'alive', { waiting: money(4) })).toMatchObject({
        granted: { usd: 0 },
        left: { usd: 3 },
      })
    })

    it('books a slice as spent on its last day, an hour after that', async ({
      store,
      ageSlices,
    }) => {
      for (const dead of ['one', 'two']) await renew(store, dead, { waiting: money(3) })
      await renew(store, 'slow', { waiting: money(1) })
      await ageSlices(3_500_000)
      expect(await renew(store, 'alive')).toMatchObject({ spentUsd: 0, left: { usd: 3 } })
      expect(await spentUsd(store)).toBe(0)
      await ageSlices(86_400_000)
      // its own slice is not booked: the process is there
      const grant = await renew(store, 'slow', { keptUsd: 1 })
      expect(grant).toMatchObject({ spentUsd: 6, left: { usd: 3 } })
      expect(await spentUsd(store)).toBe(6)
      const today = { ...LIMITS, budget: { usd: 10, period: 'day' } } as const
      expect(await renew(store, 'alive', { limits: today })).toMatchObject({ spentUsd: 0 })
    })

    it('gives spare money only out of what is left, and not all of it', async ({ store }) => {
      const spare = { ...none(), usd: 100 }
      const first = await renew(store, 'one', { waiting: money(2), spare })
      expect(first).toMatchObject({ granted: { usd: 4 }, left: { usd: 6 } })
      expect(await renew(store, 'two', { waiting: money(6) })).toMatchObject({
        granted: { usd: 6 },
      })
    })

    it('honours what a process has kept, also where it is more than there is', async ({
      store,
    }) => {
      await renew(store, 'one', { waiting: money(8) })
      const grant = await renew(store, 'two', { keptUsd: 5, waiting: money(1) })
      expect(grant).toMatchObject({ granted: { usd: 0 }, left: { usd: -3 } })
    })

    it('has a period by the clock of the database', async ({ store }) => {
      const leftOf = async (period: 'day' | 'month' | 'total') =>
        (await renew(store, 'one', { limits: { ...LIMITS, budget: { usd: 1, period } } }))
          .periodLeftMs
      const day = await leftOf('day')
      expect(day).toBeGreaterThan(0)
      expect(day).toBeLessThanOrEqual(86_400_000)
      expect(await leftOf('month')).toBeGreaterThanOrEqual(day! - 1000)
      expect(await leftOf('total')).toBeNull()
    })
  })

  describe('a rate', () => {
    const limits = { requestsPerMinute: 6, tokensPerMinute: 1000, budget: null }
    const wanted = { requests: 1, tokens: 400, usd: 5 }

    it('is one bucket for all processes, and a request gets all that it needs or nothing', async ({
      store,
      open,
    }) => {
      const other = await open()
      const first = await renew(store, 'one', { limits, waiting: [wanted] })
      expect(first.granted).toEqual(wanted)
      expect(first.left.requests).toBeCloseTo(5, 0)
      expect(first.left.usd).toBe(Infinity)
      const second = await renew(other, 'two', { limits, waiting: [wanted, wanted] })
      expect(second.granted).toEqual(wanted)
      expect(second.left.tokens).toBeGreaterThanOrEqual(200)
      expect(second.left.tokens).toBeLessThan(400)
    })

    it('takes back what was not used, up to the amount of a minute', async ({ store }) => {
      await renew(store, 'one', { limits, waiting: [wanted] })
      const returned = { requests: 100, tokens: 100_000 }
      const grant = await renew(store, 'one', { limits, returned })
      expect(grant.left).toEqual({ requests: 6, tokens: 1000, usd: Infinity })
    })

    it('keeps a debt, and fills with time', async ({ store }) => {
      const debt = { requests: 0, tokens: -61_000 }
      const first = await renew(store, 'one', { limits, returned: debt })
      expect(first.left.tokens).toBeCloseTo(-60_000, 0)
      await expect
        .poll(async () => (await renew(store, 'one', { limits })).left.tokens)
        .toBeGreaterThan(first.left.tokens)
    })
  })

  it('keys share nothing, and one without limits only has its use counted', async ({ store }) => {
    const spend = { requests: 1, tokens: 3, usd: 1 }
    const free = { requestsPerMinute: null, tokensPerMinute: null, budget: null }
    const asks = [
      askFor({ waiting: money(10) }),
      askFor({ keyId: 'b', waiting: money(10) }),
      askFor({ keyId: 'c', limits: free, spend }),
    ]
    const grants = await store.keys.renew('one', asks)
    expect(grants.map(({ keyId, granted }) => [keyId, granted.usd])).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 0],
    ])
    expect(await store.keys.spend(0)).toEqual(new Map([['c', spend]]))
    expect(await store.keys.renew('one', [])).toEqual([])
  })
})
