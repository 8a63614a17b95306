import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateLimit } from '../../src/core/keys/rate-limit.ts'

const steps = fc.array(
  fc.record({
    pauseMs: fc.integer({ min: 0, max: 90_000 }),
    amount: fc.integer({ min: 1, max: 30 }),
  }),
  { maxLength: 60 }
)

describe('a rate limit', () => {
  it('allows the amount of a minute at once, and refills with time', () => {
    const limit = new RateLimit(60, 0)
    for (let i = 0; i < 60; i++) {
      expect(limit.waitMs(1, 0)).toBe(0)
      limit.take(1, 0)
    }
    expect(limit.waitMs(1, 0)).toBe(1000)
    expect(limit.waitMs(1, 999)).toBeCloseTo(1)
    expect(limit.waitMs(1, 1000)).toBe(0)
    expect(limit.waitMs(61, 3_600_000)).toBe(Infinity)
  })

  it('never allows more than the amount of a minute and the refill since', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), steps, (perMinute, requests) => {
        const limit = new RateLimit(perMinute, 0)
        let [now, taken] = [0, 0]
        for (const { pauseMs, amount } of requests) {
          now += pauseMs
          if (limit.waitMs(amount, now) > 0) continue
          limit.take(amount, now)
          taken += amount
          expect(taken).toBeLessThanOrEqual(perMinute + (perMinute * now) / 60_000 + 1e-6)
        }
      })
    )
  })

  it('tells exactly when the next request is allowed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 60 }), steps, (perMinute, requests) => {
        const limit = new RateLimit(perMinute, 0)
        let now = 0
        for (const { amount } of requests) {
          const waitMs = limit.waitMs(amount, now)
          if (waitMs > 1) expect(limit.waitMs(amount, now + waitMs - 1)).toBeGreaterThan(0)
          now += Math.ceil(waitMs) + 1
          expect(limit.waitMs(amount, now)).toBe(0)
          limit.take(amount, now)
        }
      })
    )
  })

  it('keeps a negative level, and is never more than full', () => {
    const limit = new RateLimit(60, 0)
    limit.take(90, 0)
    expect(limit.waitMs(1, 0)).toBe(31_000)
    limit.take(-1000, 0)
    expect(limit.waitMs(60, 0)).toBe(0)
    limit.take(60, 0)
    expect(limit.waitMs(1, 0)).toBe(1000)
  })

  it('does not refill when the clock is set back', () => {
    const limit = new RateLimit(60, 100_000)
    limit.take(60, 100_000)
    expect(limit.waitMs(1, 0)).toBe(1000)
  })
})
