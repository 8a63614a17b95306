import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutsOf, leastPValue, minimumRows, type RankedRow } from '../../src/core/gate/samples.ts'
import {
  byPreference,
  fallbackProcedure,
  testedCuts,
  testThresholds,
  type Start,
  type ThresholdTest,
} from '../../src/core/gate/selective.ts'
import { seededRandom } from '../../src/random.ts'

const row = (place: number, changes: Partial<RankedRow> = {}): RankedRow => ({
  confidence: -place,
  agrees: true,
  upstreamAgrees: null,
  conversation: String(place),
  isTraffic: true,
  isUnseen: true,
  ...changes,
})

const rowsOf = (size: number, changes: (place: number) => Partial<RankedRow> = () => ({})) =>
  Array.from({ length: size }, (_, place) => row(place, changes(place)))

const options = { margin: 0.05, alpha: 0.05, minAnswered: 1 }

const run = (pValues: number[], starts: Start[]) =>
  fallbackProcedure(pValues.length, (place) => pValues[place]!, { starts, alpha: 0.05 })

const equally = (...places: number[]): Start[] =>
  places.map((place) => ({ place, share: 1 / places.length }))

const thresholdTest = (rows: number, loss: number, passed = true): ThresholdTest => ({
  rows,
  disagreements: Math.round(loss * rows),
  loss,
  threshold: -rows,
  pValue: 0.01,
  level: 0.05,
  passed,
})
/** of all that passed, best first, where a loss of 0.03 is tolerated */
const preferred = (tests: ThresholdTest[]) => byPreference(tests, 0.03).map(({ rows }) => rows)

/** One tie block of `tied` rows in the middle of `size` rows that all agree. */
const withTies = (size: number, tied: number) => {
  const begin = Math.floor((size - tied) / 2)
  return rowsOf(size, (place) =>
    place >= begin && place < begin + tied ? { confidence: -begin } : {}
  )
}

/** Traffic and unseen questions take turns; all traffic agrees. */
const passesWithUnseenWrong = (isWrong: (place: number) => boolean): boolean => {
  const rows = rowsOf(1000, (place) => ({
    isTraffic: place % 2 === 0,
    isUnseen: place % 2 === 1,
    agrees: place % 2 === 0 || !isWrong(place),
  }))
  return testThresholds(cutsOf(rows), options).some(({ passed }) => passed)
}

/** Of 200 rows, the last ten of which disagree. */
const lossOfAll = (upstreamAgrees: (place: number) => boolean | null): number => {
  const rows = rowsOf(200, (place) => ({
    agrees: place < 190,
    upstreamAgrees: upstreamAgrees(place),
  }))
  return testThresholds(cutsOf(rows), { ...options, margin: 0.08, minAnswered: 200 }).at(-1)!.loss
}

describe('cutsOf', () => {
  it('never separates rows of equal confidence', () => {
    const rows = rowsOf(500, (place) => ({ confidence: -Math.floor(place / 100) }))
    const cuts = cutsOf(rows)
    expect(cuts.map(({ traffic }) => traffic.rows)).toEqual([100, 200, 300, 400, 500])
    for (const { threshold, traffic } of cuts)
      expect(rows.filter(({ confidence }) => confidence >= threshold)).toHaveLength(traffic.rows)
  })

  it('puts thresholds half way into the gap, and the last one at the lowest confidence', () => {
    const cuts = cutsOf(rowsOf(3))
    expect(cuts.map(({ threshold }) => threshold)).toEqual([-0.5, -1.5, -2])
  })

  it('separates neighbouring numbers, between which no number lies', () => {
    const next = -(1 + Number.EPSILON)
    const rows = [row(1), row(2, { confidence: next })]
    expect(cutsOf(rows)[0]!.threshold).toBe(-1)
  })

  it('counts both samples above one threshold, and a row of both in both', () => {
    const rows = [
      row(0, { isUnseen: false }),
      row(1, { isTraffic: false, agrees: false }),
      row(2),
      row(3, { isTraffic: false }),
    ]
    const cuts = cutsOf(rows)
    expect(cuts.map(({ traffic, unseen }) => [traffic.rows, unseen.rows])).toEqual([
      [1, 0],
      [2, 2],
    ])
    expect(cuts[1]!.unseen.disagreements).toBe(1)
    expect(cuts[1]!.threshold).toBe(-2.5)
  })

  it('counts conversations, however often their turns were asked', () => {
    const cuts = cutsOf(rowsOf(300, (place) => ({ conversation: String(place % 100) })))
    expect(cuts.at(-1)!.traffic.effectiveRows).toBeCloseTo(100, 9)
  })
})

describe('testedCuts', () => {
  it('tests only where both samples can pass, in order, each once, with everything at the end', () => {
    const world = fc.record({
      size: fc.integer({ min: 1, max: 600 }),
      values: fc.integer({ min: 1, max: 600 }),
      conversations: fc.integer({ min: 1, max: 600 }),
      unseen: fc.integer({ min: 1, max: 5 }),
    })
    fc.assert(
      fc.property(world, ({ size, values, conversations, unseen }) => {
        const rows = rowsOf(size, (place) => ({
          confidence: -((place * 7919) % values),
          conversation: String(place % conversations),
          isUnseen: place % unseen === 0,
        }))
        const cuts = cutsOf(rows)
        const tested = testedCuts(cuts, options)
        const answered = tested.map(({ traffic }) => traffic.rows)
        expect(answered).toEqual([...new Set(answered)].sort((a, b) => a - b))
        for (const { traffic, unseen: other } of tested) {
          expect(leastPValue(traffic, 0.05)).toBeLessThanOrEqual(0.05)
          expect(leastPValue(other, 0.05)).toBeLessThanOrEqual(0.05)
        }
        if (answered.length > 0) expect(answered.length).toBeLessThanOrEqual(33)
      }),
      { numRuns: 60 }
    )
  })

  it('needs 59 rows at 5 points and 99 at 3', () => {
    expect(minimumRows(0.05, 0.05)).toBe(59)
    expect(minimumRows(0.03, 0.05)).toBe(99)
  })
})

describe('fallbackProcedure', () => {
  it('stops at the first failure and goes on at the next start with its own share', () => {
    const outcome = run([0.01, 0.2, 0.001, 0.02, 0.03], equally(0, 3))
    expect(outcome.map(({ passed }) => passed)).toEqual([true, false, false, true, false])
    expect(outcome[2]!.pValue).toBeNull()
  })

  it('hands the level of a passed sequence on to the next start', () => {
    const outcome = run([0.01, 0.04], equally(0, 1))
    expect(outcome.map(({ level }) => level)).toEqual([0.025, 0.05])
    expect(outcome[1]!.passed).toBe(true)
  })

  it('gives a start its own share, and both shares where two begin at one place', () => {
    const starts = [
      { place: 0, share: 0.25 },
      { place: 1, share: 0.5 },
      { place: 1, share: 0.25 },
    ]
    const [first, second] = run([0.2, 0.03], starts)
    expect(first!.level).toBeCloseTo(0.0125)
    expect(second!.level).toBeCloseTo(0.0375)
  })

  it('never spends more than alpha at once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 0.1, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.array(fc.nat(39), { minLength: 1, maxLength: 8 }),
        (pValues, places) => {
          for (const { level } of run(pValues, equally(...places)))
            expect(level).toBeLessThanOrEqual(0.05 + 1e-12)
        }
      )
    )
  })
})

describe('testThresholds', () => {
  it.each([
    [300, 50],
    [500, 50],
    [1000, 60],
    [70, 70],
  ])('passes everywhere when all of %i rows agree and %i of them tie', (size, tied) => {
    const tests = testThresholds(cutsOf(withTies(size, tied)), options)
    expect(tests.length).toBeGreaterThan(0)
    expect(tests.every(({ passed }) => passed)).toBe(true)
    expect(tests.at(-1)!.rows).toBe(size)
  })

  it('passes no less when the margin is wider', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), (seed) => {
        const random = seededRandom(seed)
        const cuts = cutsOf(rowsOf(400, () => ({ agrees: random() < 0.97 })))
        const passed = (margin: number) =>
          testThresholds(cuts, {
            ...options,
            margin,
            minAnswered: 160,
            starts: equally(0),
          }).filter((test) => test.passed).length
        expect(passed(0.08)).toBeGreaterThanOrEqual(passed(0.04))
      }),
      { numRuns: 50 }
    )
  })

  it('needs both samples to pass at the same threshold', () => {
    expect(passesWithUnseenWrong(() => false)).toBe(true)
    expect(passesWithUnseenWrong((place) => place % 20 === 1)).toBe(false)
  })

  it('counts as loss what the upstream does not lose itself, from the rows that it was asked on', () => {
    expect(lossOfAll(() => null)).toBeCloseTo(0.05)
    expect(lossOfAll((place) => (place < 100 ? place < 98 : null))).toBeCloseTo(0.03)
  })

  it('calls a pass only what the exact bound confirms', () => {
    const random = seededRandom(9)
    const rows = rowsOf(800, (place) => ({ agrees: random() < 1 - place / 4000 }))
    for (const test of testThresholds(cutsOf(rows), options))
      if (test.passed) expect(test.disagreements / test.rows).toBeLessThan(0.05)
  })
})

describe('byPreference', () => {
  it('takes the widest whose loss is tolerated, then the next wide one', () => {
    expect(
      preferred([thresholdTest(200, 0.01), thresholdTest(400, 0.03), thresholdTest(500, 0.036)])
    ).toEqual([400, 200, 500])
  })

  it('takes the one with the least loss where every loss is larger', () => {
    expect(
      preferred([thresholdTest(200, 0.034), thresholdTest(400, 0.032), thresholdTest(500, 0.036)])
    ).toEqual([400, 200, 500])
  })

  it('takes nothing that did not pass', () => {
    expect(preferred([thresholdTest(200, 0, false)])).toEqual([])
  })
})
