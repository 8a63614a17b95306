import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BudgetAccount, dayOf, firstDayOf, type BudgetPeriod } from '../../src/core/keys/budget.ts'

const at = (text: string): number => Date.parse(text)
const NOON = at('2026-11-26T12:00:00Z')
const TEN_MINUTES = 600_000

const open = (usd: number, { period = 'total' as BudgetPeriod, spent = 0, now = NOON } = {}) =>
  new BudgetAccount({ usd, period }, spent, now)

describe('a budget', () => {
  it('reserves before the call, so that concurrent calls cannot spend it twice', () => {
    const account = open(1)
    const first = account.reserve(0.6, NOON)
    expect(account.refusal(0.6, NOON)).toEqual({ waitMs: 1000 })
    expect(account.refusal(0.4, NOON)).toBeNull()
    account.settle(first, 0.1, NOON)
    expect(account.refusal(0.9, NOON)).toBeNull()
    expect(account.refusal(0.91, NOON)).toEqual({ waitMs: null })
  })

  it('counts a reservation that is not settled within ten minutes as spent, until its period ends', () => {
    const daily = open(1, { period: 'day' })
    daily.reserve(1, NOON)
    expect(daily.refusal(0.1, NOON + TEN_MINUTES)).toEqual({ waitMs: 12 * 3_600_000 - TEN_MINUTES })
    expect(daily.refusal(1, NOON + 12 * 3_600_000)).toBeNull()
  })

  it('credits the rest of a late settlement only within its period', () => {
    const total = open(1)
    const slow = total.reserve(1, NOON)
    expect(total.refusal(0.1, NOON + TEN_MINUTES)).toEqual({ waitMs: null })
    total.settle(slow, 0.4, NOON + 2 * TEN_MINUTES)
    expect(total.refusal(0.6, NOON + 2 * TEN_MINUTES)).toBeNull()
    expect(total.refusal(0.61, NOON + 2 * TEN_MINUTES)).not.toBeNull()

    const daily = open(1, { period: 'day' })
    const overnight = daily.reserve(1, NOON)
    const next = at('2026-11-27T09:00:00Z')
    expect(daily.refusal(0, next)).toBeNull()
    daily.settle(daily.reserve(0.7, next), 0.7, next)
    daily.settle(overnight, 0.1, next)
    expect(daily.refusal(0.31, next)).not.toBeNull()
  })

  it('is renewed at the end of its period, which a refusal tells', () => {
    const daily = open(1, { period: 'day', spent: 1 })
    expect(daily.refusal(1, NOON)).toEqual({ waitMs: 12 * 3_600_000 })
    expect(daily.refusal(1, at('2026-11-27T00:00:00Z'))).toBeNull()
    const monthly = open(1, { period: 'month', spent: 1 })
    expect(monthly.refusal(1, NOON)).toEqual({ waitMs: at('2026-12-01T00:00:00Z') - NOON })
    expect(monthly.refusal(1, at('2026-12-01T00:00:00Z'))).toBeNull()
    expect(open(1, { spent: 1 }).refusal(1, at('2099-01-01T00:00:00Z'))).toEqual({ waitMs: null })
  })

  it('refuses a call that costs more than the whole budget', () => {
    expect(open(1, { period: 'day' }).refusal(1.01, NOON)).toEqual({ waitMs: null })
  })

  it('is never overspent by calls that cost at most their reservations, in any order', () => {
    const call = fc.record({
      wanted: fc.integer({ min: 1, max: 40 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      endsAfter: fc.integer({ min: 0, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(call, { maxLength: 50 }), (calls) => {
        const account = open(100)
        let spent = 0
        const running: { end: () => void; endsAt: number }[] = []
        calls.forEach(({ wanted, share, endsAfter }, step) => {
          for (const { end, endsAt } of running) if (endsAt === step) end()
          if (account.refusal(wanted, NOON) !== null) return
          const reservation = account.reserve(wanted, NOON)
          const end = (): void => {
            spent += wanted * share
            account.settle(reservation, wanted * share, NOON)
          }
          running.push({ end, endsAt: step + 1 + endsAfter })
        })
        for (const { end, endsAt } of running) if (endsAt >= calls.length) end()
        expect(spent).toBeLessThanOrEqual(100 + 1e-6)
      })
    )
  })

  it('tolerates rounding errors of sums', () => {
    const account = open(0.3)
    for (let i = 0; i < 3; i++) {
      expect(account.refusal(0.1, NOON)).toBeNull()
      account.settle(account.reserve(0.1, NOON), 0.1, NOON)
    }
    expect(account.refusal(0.0001, NOON)).not.toBeNull()
  })
})

describe('a period', () => {
  it('is in UTC', () => {
    expect(firstDayOf('day', at('2026-11-26T23:59:59Z'))).toBe(dayOf(NOON))
    expect(firstDayOf('month', at('2026-12-31T23:59:59Z'))).toBe(dayOf(at('2026-12-01T00:00:00Z')))
    expect(firstDayOf('total', NOON)).toBe(0)
  })
})
