/**
 * Proxies that share the limits of one key, with an account of the test's in place of the database: in every
 * order of requests, answers, trips, lost messages, deaths and clocks.
 */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Amounts, CountedLimits } from '../../src/core/keys/account.ts'
import { KeySlice } from '../../src/core/keys/slice.ts'
import { MemoryAccounts } from '../kit/proxy/accounts.ts'
import { NOON, SliceWorld } from '../kit/proxy/slice-world.ts'

const MINUTE_MS = 60_000

type Step = (world: SliceWorld) => void

const index = fc.nat(3)
const ends = fc.constantFrom('answered', 'lost', 'unanswered')
const amounts = fc.record({
  requests: fc.constant(1),
  tokens: fc.integer({ min: 1, max: 300 }),
  usd: fc.integer({ min: 1, max: 30 }).map((tenths) => tenths / 10),
})

const doing = <Given>(
  weight: number,
  given: fc.Arbitrary<Given>,
  does: (world: SliceWorld, given: Given) => void
) => ({
  weight,
  arbitrary: given.map(
    (value): Step =>
      (world) =>
        does(world, value)
  ),
})

const steps = (clockJumps: fc.Arbitrary<number>): fc.Arbitrary<Step[]> => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  const passed = fc.tuple(fc.integer({ min: 0, max: 90_000 }), clockJumps)
  const step = fc.oneof(
    doing(6, fc.tuple(index, amounts), (world, [by, wanted]) => world.request(by, wanted)),
    doing(4, fc.tuple(index, share), (world, [by, taken]) => world.settle(by, taken)),
    doing(3, fc.tuple(index, ends), (world, [by, end]) => world.trip(by, end)),
    doing(2, index, (world, by) => world.arrive(by)),
    doing(2, index, (world, by) => world.tick(by)),
    doing(1, index, (world, by) => world.kill(by)),
    doing(1, passed, (world, [ms, jump]) => {
      world.now += ms
      world.databaseNow += ms + jump
    })
  )
  // long and not biased to short: a budget must be used up for anything to go wrong
  return fc.array(step, { minLength: 80, maxLength: 200, size: 'max' })
}

const budgetOf = (period: 'day' | 'month' | 'total'): CountedLimits => ({
  requestsPerMinute: null,
  tokensPerMinute: null,
  budget: { usd: 10, period },
})

const costing = (usd: number): Amounts => ({ requests: 1, tokens: 1, usd })

describe('slices of a budget', () => {
  it('never come to more than the budget, whatever is lost, dies or has a wrong clock', () => {
    // an hour and more, also back: slices of living processes are booked as spent
    const jumps = fc.integer({ min: -5_000_000, max: 5_000_000 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), steps(jumps), (count, happens) => {
        const world = new SliceWorld(budgetOf('total'), count)
        let most = 0
        for (const step of happens) {
          step(world)
          most = Math.max(most, world.billedUsd + world.admittedUsd)
        }
        expect(most).toBeLessThanOrEqual(10 + 1e-6)
      }),
      { numRuns: 100 }
    )
  })

  it('are all given back when requests end and no further one comes', () => {
    const nothing = fc.constant(0)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), steps(nothing), (count, happens) => {
        const world = new SliceWorld(budgetOf('total'), count)
        for (const step of happens) step(world)
        const dead = world.accounts.heldUsd('a')
        for (let by = 0; by < count; by++) {
          for (let request = 0; request < 120; request++) world.settle(by, 1)
          for (let seconds = 0; seconds < 3; seconds++) {
            world.tick(by)
            world.trip(by, 'answered')
            world.arrive(by)
          }
        }
        expect(world.accounts.heldUsd('a')).toBeLessThanOrEqual(dead + 1e-6)
        const booked = world.accounts.spentUsd('a') + world.accounts.heldUsd('a')
        expect(booked).toBeGreaterThanOrEqual(world.billedUsd - 1e-6)
      })
    )
  })

  it('of a period are not used in the next one before the database agrees', () => {
    const world = new SliceWorld(budgetOf('day'), 2)
    const two = { requests: 1, tokens: 1, usd: 2 }
    world.request(0, two)
    world.request(0, two)
    world.settle(0, 0)
    const twelveHours = 12 * 60 * MINUTE_MS
    world.now += twelveHours
    world.databaseNow += twelveHours
    world.request(1, { ...two, usd: 8 })
    const admitted = world.admittedUsd
    // two dollars are still held for a request of yesterday, which is booked when it ends
    expect(admitted).toBe(10)
    world.request(0, two)
    expect(world.admittedUsd).toBe(admitted)
  })

  it('do not have the money that is on its way to the database as spend', () => {
    const slice = new KeySlice('a', budgetOf('total'), 0)
    const accounts = new MemoryAccounts(() => NOON)
    const wanted = { requests: 1, tokens: 1, usd: 5 }
    slice.end(accounts.renew('one', [slice.ask([wanted], 0)])[0]!, 0, 0)
    slice.settle(slice.take(wanted, 0)!, { requests: 1, tokens: 1, usd: 5 }, 0)
    slice.ask([], 0)
    expect(slice.take(wanted, 0)).toBeNull()
    slice.fail()
    expect(slice.take(wanted, 0)).toBeNull()
  })

  it('serve from what they have, and wait for running requests or for the period', () => {
    const slice = new KeySlice('a', budgetOf('day'), 0)
    const accounts = new MemoryAccounts(() => NOON)
    expect(slice.shortage(costing(11), 0)).toEqual({ limit: 'usd', waitMs: Infinity })
    expect(slice.shortage(costing(6), 0)).toBeNull()
    const trip = (waiting: Amounts[]): void =>
      slice.end(accounts.renew('one', [slice.ask(waiting, 0)])[0]!, 0, 0)
    trip([costing(6)])
    const first = slice.take(costing(6), 0)!
    trip([costing(6)])
    expect(slice.take(costing(6), 0)).toBeNull()
    expect(slice.shortage(costing(6), 0)).toEqual({ limit: 'usd', waitMs: 1000 })
    expect(slice.shortage(costing(6), 200)).toBeNull()
    slice.settle(first, { requests: 1, tokens: 1, usd: 5 }, 0)
    trip([costing(6)])
    expect(slice.shortage(costing(6), 0)).toEqual({ limit: 'usd', waitMs: 12 * 60 * MINUTE_MS })
    expect(slice.take(costing(5), 0)).toBeNull()
    trip([costing(5)])
    expect(slice.take(costing(5), 0)).not.toBeNull()
  })
})

describe('slices of rates', () => {
  const limits = { requestsPerMinute: 30, tokensPerMinute: 2000, budget: null }

  it('never admit more than one bucket would', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), steps(fc.constant(0)), (count, happens) => {
        const world = new SliceWorld(limits, count)
        const over = { requests: 0, tokens: 0 }
        for (const step of happens) {
          step(world)
          const minutes = 1 + (world.databaseNow - NOON) / MINUTE_MS
          over.requests = Math.max(over.requests, world.requests - 30 * minutes)
          over.tokens = Math.max(over.tokens, world.tokens - 2000 * minutes)
        }
        expect(over.requests).toBeLessThanOrEqual(1e-6)
        expect(over.tokens).toBeLessThanOrEqual(1e-6)
      }),
      { numRuns: 100 }
    )
  })

  it('go back within three ticks, so that another proxy may use the whole minute', () => {
    const world = new SliceWorld(limits, 2)
    const one = { requests: 1, tokens: 1, usd: 0 }
    for (let request = 0; request < 10; request++) world.request(0, one)
    for (let seconds = 0; seconds < 3; seconds++) {
      world.tick(0)
      world.trip(0, 'answered')
    }
    world.arrive(0)
    for (let request = 0; request < 30; request++) world.request(1, one)
    expect(world.requests).toBe(30)
  })

  it('tell when the request will fit', () => {
    const slice = new KeySlice('a', limits, 0)
    const accounts = new MemoryAccounts(() => NOON)
    const wanted = { requests: 1, tokens: 1500, usd: 0 }
    for (const expected of [true, false]) {
      slice.end(accounts.renew('one', [slice.ask([wanted], 0)])[0]!, 0, 0)
      expect(slice.take(wanted, 0) !== null).toBe(expected)
    }
    expect(slice.shortage(wanted, 0)).toEqual({ limit: 'tokens', waitMs: 30_000 })
    expect(slice.shortage({ ...wanted, tokens: 2001 }, 0)).toEqual({
      limit: 'tokens',
      waitMs: Infinity,
    })
  })
})
