/** How many audits are made: the money of a day lasts until its end, and a busy engine gets fewer. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  nextLoadPart,
  nextMoneyPart,
  partForMoney,
  type AuditCosts,
  type AuditMoney,
  type LoadPart,
} from '../../src/core/rollout/audit-part.ts'
import { DAY_MS } from '../../src/core/days.ts'

const HOUR_MS = 3_600_000
const MIDNIGHT = 20_000 * DAY_MS

const costs = (usd: number, firstAt: number | null = null): AuditCosts => ({
  usd,
  wholeUsd: usd,
  firstAt: usd > 0 ? (firstAt ?? MIDNIGHT - DAY_MS) : null,
})

const money = (hour: number, changes: Partial<AuditMoney> = {}): AuditMoney => ({
  limitUsd: 12,
  today: costs(0),
  yesterday: [costs(hour), costs(24 - hour)],
  now: MIDNIGHT + hour * HOUR_MS,
  ...changes,
})

describe('the part that the money of a day lasts for', () => {
  it('is half where yesterday cost twice as much', () => {
    expect(partForMoney(money(0))).toBe(1 / 2)
    expect(partForMoney(money(0, { limitUsd: 24 }))).toBe(1)
    expect(partForMoney(money(0, { limitUsd: 11.9 }))).toBe(1 / 4)
  })

  it('counts what yesterday would have cost with all audits', () => {
    const yesterday: AuditMoney['yesterday'] = [costs(0), { ...costs(6), wholeUsd: 24 }]
    expect(partForMoney(money(0, { yesterday }))).toBe(1 / 2)
  })

  it('is less where today is dearer than yesterday', () => {
    expect(partForMoney(money(6, { today: costs(6), limitUsd: 24 }))).toBe(1)
    expect(partForMoney(money(6, { today: costs(15), limitUsd: 24 }))).toBe(1 / 8)
  })

  it('is of the hours since the first audit where there is no yesterday', () => {
    const yesterday: AuditMoney['yesterday'] = [costs(0), costs(0)]
    const today = costs(4, MIDNIGHT + 8 * HOUR_MS)
    expect(partForMoney(money(12, { today, yesterday, limitUsd: 17 }))).toBe(1)
    expect(partForMoney(money(12, { today, yesterday, limitUsd: 15 }))).toBe(1 / 2)
    expect(partForMoney(money(12, { yesterday }))).toBe(1)
  })

  it('is none where nothing is left, and with a limit of 0', () => {
    expect(partForMoney(money(20, { today: costs(12) }))).toBe(0)
    expect(partForMoney(money(0, { limitUsd: 0 }))).toBe(0)
    expect(partForMoney(money(20, { today: costs(11.99) }))).toBeGreaterThan(0)
  })

  it('falls during a day, and is decided on anew at midnight', () => {
    const first = nextMoneyPart(null, money(6, { limitUsd: 24, today: costs(15) }))
    expect(first.part).toBe(1 / 8)
    expect(nextMoneyPart(first, money(7, { limitUsd: 100 })).part).toBe(1 / 8)
    expect(nextMoneyPart(first, money(7, { limitUsd: 15, today: costs(14.9) })).part).toBeLessThan(
      1 / 8
    )
    const yesterday: AuditMoney['yesterday'] = [costs(0), costs(24, MIDNIGHT)]
    expect(nextMoneyPart(first, money(24, { yesterday })).part).toBe(1 / 2)
  })

  it('is a power of two in [0, 1], whatever was spent', () => {
    const usd = fc.double({ min: 0, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(
        usd,
        usd,
        usd,
        usd,
        fc.double({ min: 0, max: 23.99, noNaN: true }),
        (...drawn) => {
          const [limitUsd, today, soFar, rest, hour] = drawn
          const yesterday: AuditMoney['yesterday'] = [costs(soFar), costs(rest)]
          const part = partForMoney(money(hour, { limitUsd, today: costs(today), yesterday }))
          expect(part === 0 || Number.isInteger(Math.log2(part))).toBe(true)
          expect(part).toBeLessThanOrEqual(1)
          expect(part > 0).toBe(today < limitUsd)
        }
      )
    )
  })
})

const MINUTE_MS = 60_000

/** The parts after minutes with so many waiting audits. */
const after = (...waiting: number[]): number[] => {
  let known: LoadPart | null = null
  return waiting.map((count, minute) => {
    known = nextLoadPart(known, count, minute * MINUTE_MS)
    return known.part
  })
}

describe('the part that the engine has time for', () => {
  it('is halved while the queue is long and becomes longer', () => {
    expect(after(0, 100, 201, 400, 400, 300)).toEqual([1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 8])
  })

  it('stays where the queue of an hour without the engine becomes shorter', () => {
    expect(after(3000, 2900, 2500, 1000, 0)).toEqual([1, 1, 1, 1, 1])
  })

  it('rises an hour after the last change, once the queue is short', () => {
    const hour = Array.from({ length: 60 }, () => 10)
    expect(after(0, 500, ...hour).at(-2)).toBe(1 / 2)
    expect(after(0, 500, ...hour).at(-1)).toBe(1)
    expect(after(0, 500, ...hour.map(() => 60)).at(-1)).toBe(1 / 2)
  })

  it('is decided on once a minute, also after the clock was set back', () => {
    const known = nextLoadPart(null, 0, 10 * MINUTE_MS)
    expect(nextLoadPart(known, 500, 10.9 * MINUTE_MS)).toBe(known)
    expect(nextLoadPart(known, 500, 2 * MINUTE_MS).part).toBe(1 / 2)
  })
})
