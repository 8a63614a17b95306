import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/random.ts'
import {
  binomialLowerTail,
  holm,
  incompleteBeta,
  normalCdf,
  normalQuantile,
  proportionLowerBound,
  tangoLowerBound,
  tangoNonInferiority,
} from '../../src/core/gate/statistics.ts'
import { bootstrapLowerBound, effectiveRows } from '../../src/core/gate/statistics-clusters.ts'

const binomialBySum = (k: number, n: number, p: number): number => {
  let term = (1 - p) ** n
  let sum = term
  for (let i = 1; i <= k; i++) {
    term *= ((n - i + 1) / i) * (p / (1 - p))
    sum += term
  }
  return sum
}

const twoSided = (both: number, onlyNew: number, onlyReference: number, neither: number) => {
  const pairs = both + onlyNew + onlyReference + neither
  const low = tangoLowerBound({ pairs, onlyNew, onlyReference }, 0.025)
  const high = -tangoLowerBound({ pairs, onlyNew: onlyReference, onlyReference: onlyNew }, 0.025)
  return [low, high]
}

const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed))

describe('distributions', () => {
  it('gives the binomial tail that the plain sum gives', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0.01, max: 0.6, noNaN: true }),
        (n, share, p) => {
          const k = Math.floor(share * n)
          expect(binomialLowerTail(k, n, p)).toBeCloseTo(Math.min(1, binomialBySum(k, n, p)), 9)
        }
      )
    )
  })

  it('does not underflow for twenty thousand rows', () => {
    expect(binomialLowerTail(1000, 20_000, 0.05)).toBeCloseTo(0.508, 2)
    expect(binomialLowerTail(900, 20_000, 0.05)).toBeLessThan(0.001)
  })

  it('knows the fewest rows that can pass without an error: 59 at 5 points, 99 at 3', () => {
    expect(binomialLowerTail(0, 58, 0.05)).toBeGreaterThan(0.05)
    expect(binomialLowerTail(0, 59, 0.05)).toBeLessThanOrEqual(0.05)
    expect(binomialLowerTail(0, 98, 0.03)).toBeGreaterThan(0.05)
    expect(binomialLowerTail(0, 99, 0.03)).toBeLessThanOrEqual(0.05)
  })

  it('matches tabulated normal values', () => {
    expect(normalCdf(1.96)).toBeCloseTo(0.9750021, 7)
    expect(normalCdf(-1.644854)).toBeCloseTo(0.05, 7)
    expect(normalQuantile(0.975)).toBeCloseTo(1.959964, 6)
    expect(normalQuantile(0.05)).toBeCloseTo(-1.644854, 6)
  })

  it('has the symmetry of the incomplete beta function', () => {
    expect(incompleteBeta(0.3, 2, 5)).toBeCloseTo(1 - incompleteBeta(0.7, 5, 2), 12)
    expect(incompleteBeta(0.5, 3, 3)).toBeCloseTo(0.5, 12)
  })
})

describe('proportionLowerBound', () => {
  it('matches tabulated Clopper-Pearson limits', () => {
    // two-sided 95 % interval of 15 of 20: 0.5090 to 0.9134
    expect(proportionLowerBound(15, 20, 0.025)).toBeCloseTo(0.509, 3)
    expect(proportionLowerBound(59, 59, 0.05)).toBeCloseTo(0.05 ** (1 / 59), 9)
    expect(proportionLowerBound(0, 10, 0.05)).toBe(0)
  })

  it('is the p at which the tail test just rejects', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 400 }),
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        (n, s) => {
          const successes = Math.max(1, Math.floor(s * n))
          const bound = proportionLowerBound(successes, n, 0.05)
          expect(binomialLowerTail(n - successes, n, 1 - bound)).toBeCloseTo(0.05, 6)
        }
      )
    )
  })
})

describe('tangoLowerBound', () => {
  it('gives the interval published for airway hyper-responsiveness (Fagerland et al. 2014)', () => {
    const [low, high] = twoSided(1, 1, 7, 12)
    expect(low).toBeCloseTo(-0.517, 3)
    expect(high).toBeCloseTo(-0.026, 3)
  })

  it('gives what PropCIs scoreci.mp(25, 28, 618) gives at 90 %', () => {
    const counts = { pairs: 618, onlyNew: 28, onlyReference: 25 }
    expect(tangoLowerBound(counts, 0.05)).toBeCloseTo(-0.0148, 4)
    const swapped = { pairs: 618, onlyNew: 25, onlyReference: 28 }
    expect(-tangoLowerBound(swapped, 0.05)).toBeCloseTo(0.0247, 4)
  })

  it('is finite and honest without any discordant pair', () => {
    const few = tangoLowerBound({ pairs: 20, onlyNew: 0, onlyReference: 0 }, 0.05)
    const many = tangoLowerBound({ pairs: 2000, onlyNew: 0, onlyReference: 0 }, 0.05)
    expect(few).toBeLessThan(-0.05)
    expect(many).toBeGreaterThan(-0.003)
    expect(many).toBeLessThan(0)
  })

  it('falls with every pair that only the reference gets right', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.nat({ max: 50 }),
        fc.nat({ max: 50 }),
        (neutral, onlyNew, onlyReference) => {
          const pairs = neutral + onlyNew + onlyReference + 1
          const better = tangoLowerBound({ pairs, onlyNew, onlyReference }, 0.05)
          const worse = tangoLowerBound({ pairs, onlyNew, onlyReference: onlyReference + 1 }, 0.05)
          expect(worse).toBeLessThanOrEqual(better + 1e-9)
          expect(better).toBeLessThanOrEqual((onlyNew - onlyReference) / pairs + 1e-9)
        }
      )
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

describe('holm', () => {
  it('adjusts step by step and keeps the order', () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06])
    expect(holm([0.9, 0.9])).toEqual([1, 1])
    expect(holm([])).toEqual([])
  })
})

describe('resampling', () => {
  it('repeats itself for the same seed and differs for another', () => {
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
    expect(draw(7).every((value) => value >= 0 && value < 1)).toBe(true)
  })

  it('puts the bound where normal theory puts it for many independent rows', () => {
    const random = seededRandom(1)
    const values = Float64Array.from({ length: 400 }, () => random())
    const mean = values.reduce((a, b) => a + b, 0) / 400
    const rows = Array.from(values, (_, i) => String(i))
    const bound = bootstrapLowerBound(values, rows, { alpha: 0.05, random })
    expect(bound).toBeCloseTo(mean - 1.645 * Math.sqrt(1 / 12 / 400), 2)
  })

  it('widens when rows come in clusters that agree', () => {
    const values = Float64Array.from({ length: 400 }, (_, i) => (i % 40 < 32 ? 1 : 0))
    const alone = Array.from(values, (_, i) => String(i))
    const clustered = Array.from(values, (_, i) => String(i % 40))
    const bound = (clusters: string[]) =>
      bootstrapLowerBound(values, clusters, { alpha: 0.05, random: seededRandom(3), draws: 2000 })
    expect(bound(clustered)).toBeLessThan(bound(alone) - 0.03)
  })

  it('counts clusters of one size as one row each, and rows of their own as themselves', () => {
    const clusters = Array.from({ length: 400 }, (_, i) => String(i % 40))
    expect(effectiveRows(clusters)).toBeCloseTo(40, 9)
    expect(effectiveRows(clusters.map((_, i) => String(i)))).toBe(400)
    expect(effectiveRows([])).toBe(0)
  })

  it('lets a large cluster weigh on all: 1 of 10 and 90 of 1 are worth 52.6', () => {
    const clusters = Array.from({ length: 100 }, (_, i) => (i < 10 ? 'large' : String(i)))
    expect(effectiveRows(clusters)).toBeCloseTo(10_000 / 190, 9)
  })
})
