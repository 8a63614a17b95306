import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveSeed, seededRandom, shuffle } from '../../src/random.ts'
import {
  binomialLowerTail,
  incompleteBeta,
  normalCdf,
  normalQuantile,
  proportionLowerBound,
  tangoLowerBound,
  tangoNonInferiority,
} from '../../src/core/gate/statistics.ts'

const binomialBySum = (k: number, n: number, p: number): number => {
  let term = (1 - p) ** n
  let sum = term
  for (let i = 1; i <= k; i++) {
    term *= ((n - i + 1) / i) * (p / (1 - p))
    sum += term
  }
  return sum
}

const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed))

describe('distributions', () => {
  it('gives the binomial tail that the plain sum gives', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    const chance = fc.double({ min: 0.01, max: 0.6, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), share, chance, (n, part, p) => {
        const k = Math.floor(part * n)
        expect(binomialLowerTail(k, n, p)).toBeCloseTo(Math.min(1, binomialBySum(k, n, p)), 9)
      })
    )
  })

  it.each([
    ['below every outcome', -1, 5, 0.5, 0],
    ['at the last outcome', 5, 5, 0.5, 1],
    ['with a chance of 0', 1, 5, 0, 1],
    ['with a chance of 1', 1, 5, 1, 0],
    ['with a chance outside of [0, 1]', 1, 5, -0.1, 1],
    ['of fractional counts: I_0.9(9, 1.5)', 0.5, 9.5, 0.1, incompleteBeta(0.9, 9, 1.5)],
    ['of twenty thousand rows, without underflow', 1000, 20_000, 0.05, 0.5084],
  ])('gives the tail %s', (_, k, n, p, tail) => {
    expect(binomialLowerTail(k, n, p)).toBeCloseTo(tail, 4)
  })

  it.each([
    [0.05, 59],
    [0.03, 99],
  ])('knows the fewest rows that can pass at %d without an error: %d', (margin, rows) => {
    expect(binomialLowerTail(0, rows - 1, margin)).toBeGreaterThan(0.05)
    expect(binomialLowerTail(0, rows, margin)).toBeLessThanOrEqual(0.05)
  })

  it('matches tabulated normal values, and is 0 or 1 beyond eight deviations', () => {
    expect(normalCdf(1.96)).toBeCloseTo(0.9750021, 7)
    expect(normalCdf(-1.644854)).toBeCloseTo(0.05, 7)
    expect([-8.1, 0, 8.1].map(normalCdf)).toEqual([0, 0.5, 1])
    expect(normalQuantile(0.975)).toBeCloseTo(1.959964, 6)
    expect(normalQuantile(0.05)).toBeCloseTo(-1.644854, 6)
  })

  it('gives the incomplete beta function of closed forms, and its symmetry', () => {
    // I_x(a, 1) = x^a and I_x(1, b) = 1 − (1 − x)^b
    expect(incompleteBeta(0.3, 4.5, 1)).toBeCloseTo(0.3 ** 4.5, 12)
    expect(incompleteBeta(0.3, 1, 4.5)).toBeCloseTo(1 - 0.7 ** 4.5, 12)
    expect(incompleteBeta(0.3, 2, 5)).toBeCloseTo(1 - incompleteBeta(0.7, 5, 2), 12)
    expect(incompleteBeta(0.5, 3, 3)).toBeCloseTo(0.5, 12)
  })
})

describe('proportionLowerBound', () => {
  it('matches tabulated Clopper-Pearson limits', () => {
    // two-sided 95 % interval of 15 of 20: 0.5090 to 0.9134
    expect(proportionLowerBound(15, 20, 0.025)).toBeCloseTo(0.509, 3)
    expect(proportionLowerBound(59, 59, 0.05)).toBeCloseTo(0.05 ** (1 / 59), 9)
    expect(proportionLowerBound(1, 1, 0.05)).toBeCloseTo(0.05, 9)
    expect(proportionLowerBound(0, 10, 0.05)).toBe(0)
  })

  it('is the p at which the tail test just rejects', () => {
    const share = fc.double({ min: 0.1, max: 1, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 400 }), share, (n, part) => {
        const successes = Math.max(1, Math.floor(part * n))
        const bound = proportionLowerBound(successes, n, 0.05)
        expect(binomialLowerTail(n - successes, n, 1 - bound)).toBeCloseTo(0.05, 6)
      })
    )
  })
})

describe('tangoLowerBound', () => {
  it.each([
    ['airway hyper-responsiveness, Fagerland et al. 2014', 21, 1, 7, 0.025, -0.517, -0.026],
    ['PropCIs scoreci.mp(25, 28, 618) at 90 %', 618, 28, 25, 0.05, -0.0148, 0.0247],
    // z² = n m / (1 − m) where no pair is discordant, z = 1.644854
    ['closed form of 20 pairs without discordance', 20, 0, 0, 0.05, -0.1191578, 0.1191578],
  ])('gives the published interval: %s', (_, pairs, onlyNew, onlyReference, alpha, low, high) => {
    const digits = String(low).length - 3
    const swapped = { pairs, onlyNew: onlyReference, onlyReference: onlyNew }
    expect(tangoLowerBound({ pairs, onlyNew, onlyReference }, alpha)).toBeCloseTo(low, digits)
    expect(-tangoLowerBound(swapped, alpha)).toBeCloseTo(high, digits)
  })

  it('falls with every pair that only the reference gets right', () => {
    const count = fc.nat({ max: 50 })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        count,
        count,
        (neutral, onlyNew, onlyReference) => {
          const pairs = neutral + onlyNew + onlyReference + 1
          const better = tangoLowerBound({ pairs, onlyNew, onlyReference }, 0.05)
          const worse = tangoLowerBound({ pairs, onlyNew, onlyReference: onlyReference + 1 }, 0.05)
          expect(worse).toBeLessThanOrEqual(better + 1e-9)
          expect(better).toBeLessThanOrEqual((onlyNew - onlyReference) / pairs + 1e-9)
        }
      ),
      { numRuns: 50 }
    )
  })

  it('agrees with its own test: the bound exceeds −margin exactly when the p-value is below alpha', () => {
    fc.assert(
      fc.property(fc.nat({ max: 40 }), fc.nat({ max: 40 }), (onlyNew, onlyReference) => {
        const counts = { pairs: 500, onlyNew, onlyReference }
        const bound = tangoLowerBound(counts, 0.05)
        fc.pre(Math.abs(bound + 0.05) > 1e-6)
        expect(tangoNonInferiority(counts, 0.05) < 0.05).toBe(bound > -0.05)
      })
    )
  })
})

describe('random numbers', () => {
  it('repeat themselves for the same seed and differ for another', () => {
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
    expect(draw(7).every((value) => value >= 0 && value < 1)).toBe(true)
    expect([deriveSeed(1, 2), deriveSeed(1, 3)]).toEqual([deriveSeed(1, 2), deriveSeed(1, 3)])
    expect(new Set([deriveSeed(1, 2), deriveSeed(1, 3), deriveSeed(2, 2)]).size).toBe(3)
  })

  it('shuffle every order alike often', () => {
    const random = seededRandom(1)
    const counts = new Map<string, number>()
    for (let i = 0; i < 6000; i++) {
      const order = shuffle(['a', 'b', 'c'], random).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect([...counts.values()].filter((count) => Math.abs(count - 1000) < 120)).toHaveLength(6)
  })
})
