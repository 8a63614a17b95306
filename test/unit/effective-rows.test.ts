/** How many independent rows the rows of conversations and bursts are worth. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createEffectiveRows,
  effectiveRows,
  type ClusteredRow,
} from '../../src/core/gate/effective-rows.ts'
import { seededRandom } from '../../src/random.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const BURST = 5 * MINUTE

const single = (times: number[]): ClusteredRow[] =>
  times.map((at, i) => ({ at, conversation: String(i) }))

/** Share of independent rows, mean of 40 draws. */
const worth = (draw: (random: () => number) => number[]): number => {
  const random = seededRandom(20261129)
  const shares = Array.from({ length: 40 }, () => {
    const times = draw(random)
    return effectiveRows(single(times), BURST) / times.length
  })
  return shares.reduce((sum, share) => sum + share, 0) / shares.length
}

const steady = (rows: number, spanMs: number) => (random: () => number) =>
  Array.from({ length: rows }, () => random() * spanMs)

const batches = (count: number, size: number, spanMs: number) => (random: () => number) =>
  steady(
    count,
    spanMs
  )(random).flatMap((begin) => steady(size, MINUTE)(random).map((at) => begin + at))

const officeHours = (random: () => number) =>
  Array.from({ length: 1000 }, () => Math.floor(5 * random()) * DAY + random() * (DAY / 3))

/** Half of the requests come alone, half in batches of 20. */
const halfInBatches = (random: () => number) => [
  ...steady(500, 7 * DAY)(random),
  ...batches(25, 20, 7 * DAY)(random),
]

describe('conversations', () => {
  it.each([
    ['40 of one size', (i: number) => i % 40, 40],
    ['rows of their own', (i: number) => i, 400],
    ['one of 10 and 390 of 1', (i: number) => Math.max(9, i), 160_000 / 490],
  ])('are worth as many rows as they are: %s', (_, clusterOf, rows) => {
    const clustered = Array.from({ length: 400 }, (__, i) => ({
      at: i,
      conversation: String(clusterOf(i)),
    }))
    expect(effectiveRows(clustered, 0)).toBeCloseTo(rows, 9)
    expect(effectiveRows([], 0)).toBe(0)
    expect(effectiveRows([], BURST)).toBe(0)
  })
})

describe('bursts', () => {
  it.each([
    ['7 days', 7 * DAY],
    ['a day', DAY],
  ])('are not seen in steady traffic of %s', (_, spanMs) => {
    expect(worth(steady(1000, spanMs))).toBeGreaterThan(0.93)
  })

  it('are not seen in office hours', () => {
    expect(worth(officeHours)).toBeGreaterThan(0.88)
  })

  it.each([20, 50])('of %d alike requests count as one each', (size) => {
    expect(worth(batches(Math.floor(1000 / size), size, 7 * DAY))).toBeCloseTo(1 / size, 2)
  })

  it('weigh by their size in mixed traffic', () => {
    // E[m²]/E[m] is 10.5
    expect(worth(halfInBatches)).toBeCloseTo(1 / 10.5, 2)
  })

  it('make one row of a log that is one burst', () => {
    expect(effectiveRows(single(steady(500, 3 * MINUTE)(seededRandom(1))), BURST)).toBeCloseTo(1, 9)
    expect(effectiveRows(single(Array<number>(500).fill(7)), BURST)).toBeCloseTo(1, 9)
  })

  it('are none at all where the length is 0', () => {
    expect(effectiveRows(single(Array<number>(500).fill(7)), 0)).toBeCloseTo(500, 9)
  })
})

const rows: fc.Arbitrary<ClusteredRow[]> = fc.array(
  fc.record({
    conversation: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
    at: fc.oneof(fc.nat(1e5), fc.nat(1e7), fc.constant(-1e12)),
  }),
  { minLength: 1, maxLength: 60 }
)

describe('the number of effective rows', () => {
  it('is at least that of one conversation and at most that of all, in any order of rows', () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(0, BURST), (given, burstMs) => {
        const all = effectiveRows(given, burstMs)
        expect(all).toBeGreaterThan(0)
        expect(all).toBeLessThanOrEqual(
          new Set(given.map(({ conversation }) => conversation)).size + 1e-9
        )
        expect(effectiveRows(given.toReversed(), burstMs)).toBeCloseTo(all, 9)
      })
    )
  })

  it('grows row by row to that of all rows', () => {
    fc.assert(
      fc.property(rows, (given) => {
        const counter = createEffectiveRows(given, BURST)
        for (const row of given) counter.add(row)
        expect(counter.read()).toBeCloseTo(effectiveRows(given, BURST), 9)
      })
    )
  })
})
