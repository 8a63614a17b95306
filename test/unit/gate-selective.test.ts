import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cutsOf,
  leastPValue,
  lossOf,
  minimumRows,
  pValueOf,
  type RankedRow,
  type SampleCounts,
} from '../../src/core/gate/samples.ts'
import { byPreference, startLevel, testThresholds } from '../../src/core/gate/selective.ts'
import { tangoNonInferiority } from '../../src/core/gate/statistics.ts'
import { seededRandom } from '../../src/random.ts'

const rowsOf = (size: number, changes: (place: number) => Partial<RankedRow> = () => ({})) =>
  Array.from({ length: size }, (_, place): RankedRow => ({
    confidence: -place,
    agrees: true,
    upstreamAgrees: null,
    at: place,
    conversation: String(place),
    isTraffic: true,
    isUnseen: true,
    ...changes(place),
  }))

const countsOf = (changes: Partial<SampleCounts>): SampleCounts => ({
  rows: 0,
  effectiveRows: changes.rows ?? 0,
  disagreements: 0,
  fresh: 0,
  upstreamDisagreements: 0,
  onlyAdapted: 0,
  onlyUpstream: 0,
  ...changes,
})

const options = { margin: 0.05, alpha: 0.05, minAnswered: 1 }

const testsOf = (rows: RankedRow[], changes: Partial<typeof options> = {}) =>
  testThresholds(cutsOf(rows, 0), { ...options, ...changes })

/** `-` no level left, `x` failed, `+` passed. */
const shapeOf = (rows: RankedRow[]): string =>
  testsOf(rows)
    .map(({ pValue, passed }) => (pValue === null ? '-' : passed ? '+' : 'x'))
    .join('')

const sizesOf = ({ rows: size, disagreements }: SampleCounts) => [size, disagreements]

// traffic and unseen questions take turns
const apart = (isWrong: (place: number) => boolean) =>
  testsOf(
    rowsOf(1000, (place) => ({
      isTraffic: place % 2 === 0,
      isUnseen: place % 2 === 1,
      agrees: !isWrong(place),
    }))
  )

describe('cutsOf', () => {
  it('never separates rows of equal confidence', () => {
    const rows = rowsOf(50, (place) => ({ confidence: -Math.floor(place / 10) }))
    const cuts = cutsOf(rows, 0)
    expect(cuts.map(({ traffic }) => traffic.rows)).toEqual([10, 20, 30, 40, 50])
    for (const { threshold, traffic } of cuts)
      expect(rows.filter(({ confidence }) => confidence >= threshold)).toHaveLength(traffic.rows)
  })

  it('puts thresholds in the middle of the gap, and the last one at the lowest confidence', () => {
    expect(cutsOf(rowsOf(3), 0).map(({ threshold }) => threshold)).toEqual([-0.5, -1.5, -2])
  })

  it('separates neighbouring doubles, between which there is no number', () => {
    const next = -(1 + Number.EPSILON)
    const rows = rowsOf(2, (place) => ({ confidence: [-1, next][place]! }))
    expect(cutsOf(rows, 0)[0]!.threshold).toBe(-1)
  })

  it('counts each sample above a threshold, and makes no threshold for unseen questions alone', () => {
    const kinds = [
      [true, false],
      [false, true],
      [true, true],
      [false, true],
    ] as const
    const rows = rowsOf(4, (place) => ({
      isTraffic: kinds[place]![0],
      isUnseen: kinds[place]![1],
      agrees: place !== 1,
    }))
    expect(
      cutsOf(rows, 0).map(({ threshold, traffic, unseen }) => [
        threshold,
        sizesOf(traffic),
        sizesOf(unseen),
      ])
    ).toEqual([
      [-0.5, [1, 0], [0, 0]],
      [-2.5, [2, 0], [2, 1]],
    ])
    expect(cutsOf(rows.slice(1, 2), 0)).toEqual([])
  })

  it('counts agreement of lora and upstream, row by row', () => {
    const outcomes: [boolean, boolean | null][] = [
      [true, true],
      [true, false],
      [true, false],
      [false, true],
      [false, true],
      [false, true],
      [false, false],
      [false, null],
      [true, null],
    ]
    const rows = rowsOf(outcomes.length, (place) => ({
      agrees: outcomes[place]![0],
      upstreamAgrees: outcomes[place]![1],
      conversation: place < 3 ? 'one' : String(place),
    }))
    expect(cutsOf(rows, 0).at(-1)!.traffic).toEqual({
      rows: 9,
      effectiveRows: 81 / 15,
      disagreements: 5,
      fresh: 7,
      upstreamDisagreements: 3,
      onlyAdapted: 2,
      // without fresh answers the upstream is taken to repeat itself
      onlyUpstream: 4,
    })
  })
})

describe('pValueOf', () => {
  it('is the binomial tail without fresh upstream answers', () => {
    expect(pValueOf(countsOf({ rows: 40 }), 0.1)).toBeCloseTo(0.9 ** 40, 12)
    const one = pValueOf(countsOf({ rows: 40, disagreements: 1 }), 0.1)
    expect(one).toBeCloseTo(0.9 ** 40 + 40 * 0.1 * 0.9 ** 39, 12)
    expect(pValueOf(countsOf({ rows: 1 }), 0.1)).toBeCloseTo(0.9, 12)
    expect(pValueOf(countsOf({}), 0.1)).toBe(1)
  })

  it('is Tango’s paired score where rows have fresh upstream answers', () => {
    // without discordant pairs z = √(n m / (1 − m)): 2 for 4 pairs and a margin of a half
    expect(pValueOf(countsOf({ rows: 4, fresh: 4 }), 0.5)).toBeCloseTo(0.0227501319, 9)
    const pairs = countsOf({ rows: 50, fresh: 50, onlyAdapted: 6, onlyUpstream: 3 })
    const expected = { pairs: 50, onlyNew: 6, onlyReference: 3 }
    expect(pValueOf(pairs, 0.05)).toBeCloseTo(tangoNonInferiority(expected, 0.05), 12)
    expect(leastPValue(pairs, 0.05)).toBe(pValueOf(countsOf({ rows: 50, fresh: 50 }), 0.05))
  })

  it.each<Partial<SampleCounts>>([
    { disagreements: 2 },
    { disagreements: 2, fresh: 80, onlyAdapted: 2, onlyUpstream: 4 },
  ])('counts rows in pairs half: %j', (counts) => {
    const half = Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, n / 2]))
    const doubled = countsOf({ rows: 80, effectiveRows: 40, ...counts })
    expect(pValueOf(doubled, 0.1)).toBeCloseTo(pValueOf(countsOf({ rows: 40, ...half }), 0.1), 12)
  })
})

it('calls loss the disagreement beyond the upstream’s own, over all rows', () => {
  expect(lossOf(countsOf({ rows: 200, disagreements: 10 }))).toBe(0.05)
  const fresh = { rows: 200, disagreements: 10, fresh: 100, upstreamDisagreements: 2 }
  expect(lossOf(countsOf(fresh))).toBeCloseTo(0.04, 12)
  expect(lossOf(countsOf({ rows: 1, disagreements: 1 }))).toBe(1)
  expect(lossOf(countsOf({}))).toBe(0)
})

it.each([
  [0.05, 59],
  [0.03, 99],
])('needs at a margin of %d at least %d rows', (margin, rows) => {
  expect(minimumRows(margin, 0.05)).toBe(rows)
  expect(testsOf(rowsOf(rows), { margin })).toHaveLength(1)
  expect(testsOf(rowsOf(rows - 1), { margin })).toEqual([])
})

describe('testThresholds', () => {
  it('tests 33 ranks, evenly spaced from the least coverage to everything', () => {
    const tests = testsOf(rowsOf(1000), { minAnswered: 200 })
    expect(tests.map(({ rows }) => rows)).toEqual(
      Array.from({ length: 33 }, (_, step) => 200 + 25 * step)
    )
    expect(testsOf(rowsOf(1000), { minAnswered: 1000 }).map(({ rows }) => rows)).toEqual([1000])
    expect(testsOf(rowsOf(1000), { minAnswered: 1001 })).toEqual([])
    expect(testsOf([])).toEqual([])
  })

  it('starts at the first threshold that can pass in both samples', () => {
    const unseenFrom = 100
    const rows = rowsOf(240, (place) => ({ isUnseen: place >= unseenFrom }))
    expect(testsOf(rows)[0]).toMatchObject({ rows: 159, unseen: { rows: 59 } })
    // a level that is just met is met
    const alpha = leastPValue(countsOf({ rows: 59 }), 0.05)
    expect(testsOf(rowsOf(59), { alpha })).toMatchObject([{ level: alpha, passed: true }])
  })

  it('leaves out a later threshold that cannot pass, as where one long conversation begins', () => {
    const rows = rowsOf(240, (place) => ({ conversation: place < 100 ? String(place) : 'long' }))
    const effective = testsOf(rows).map(
      (test) => cutsOf(rows, 0)[test.rows - 1]!.traffic.effectiveRows
    )
    expect(effective.length).toBeGreaterThan(3)
    expect(Math.min(...effective)).toBeGreaterThanOrEqual(59)
    expect(testsOf(rows).at(-1)!.rows).toBeLessThan(120)
  })

  it.each([
    [249, 249, [0.05]],
    [250, 250, [0.025, 0.05]],
    [699, 699, [0.025, 0.05]],
    [700, 700, [0.0125, 0.025, 0.05]],
    [700, 699, [0.025, 0.05]],
    [699, 700, [0.025, 0.05]],
  ])('has one to three starts: %d rows of traffic, %d unseen', (traffic, unseen, levels) => {
    const rows = rowsOf(Math.max(traffic, unseen), (place) => ({
      isTraffic: place < traffic,
      isUnseen: place < unseen,
    }))
    expect([...new Set(testsOf(rows).map(({ level }) => level))]).toEqual(levels)
    expect(startLevel(cutsOf(rows, 0).at(-1)!, 0.05)).toBe(levels[0])
  })

  it('starts at 0, 19 and 37.5 % of the sequence, each with its own share of alpha', () => {
    const tests = testsOf(rowsOf(1000, () => ({ agrees: false })))
    expect(tests.map(({ level }) => level)).toEqual(
      tests.map((_, place) => ({ 0: 0.0125, 6: 0.0125, 12: 0.025 })[place] ?? 0)
    )
    expect(tests.map(({ pValue }) => pValue)).toEqual(
      tests.map((_, place) => ([0, 6, 12].includes(place) ? 1 : null))
    )
    // of four tests, the first two starts fall on one
    const tied = testsOf(rowsOf(800, (place) => ({ confidence: -Math.floor(place / 200) })))
    expect(tied.map(({ level }) => level)).toEqual([0.025, 0.05, 0.05, 0.05])
  })

  it('stops at the first failure, and goes on at the next start', () => {
    expect(shapeOf(rowsOf(500, (place) => ({ agrees: place < 200 })))).toMatch(/^\+{5,11}x-*x-+$/)
    expect(shapeOf(rowsOf(500, (place) => ({ agrees: place > 2 })))).toMatch(/^x-{11}\++$/)
    const needed = leastPValue(countsOf({ rows: 300 }), 0.05)
    expect(testsOf(rowsOf(300)).at(-1)).toEqual({
      rows: 300,
      disagreements: 0,
      unseen: { rows: 300, disagreements: 0 },
      loss: 0,
      threshold: -299,
      pValue: needed,
      level: 0.05,
      passed: true,
    })
  })

  it.each([
    [300, 50],
    [1000, 60],
    [70, 70],
  ])('passes everywhere when all of %i rows agree and %i of them tie', (size, tied) => {
    const begin = Math.floor((size - tied) / 2)
    const isTied = (place: number) => place >= begin && place < begin + tied
    const rows = rowsOf(size, (place) => (isTied(place) ? { confidence: -begin } : {}))
    expect(shapeOf(rows)).toMatch(/^\++$/)
    expect(testsOf(rows).at(-1)!.rows).toBe(size)
  })

  it('needs both samples to pass at the same threshold, and shows the larger loss', () => {
    expect(apart(() => false).every(({ passed }) => passed)).toBe(true)
    for (const wrong of [0, 1]) {
      const tests = apart((place) => place % 20 === wrong)
      expect(tests.some(({ passed }) => passed)).toBe(false)
      expect(tests.at(-1)!.loss).toBeCloseTo(0.1, 3)
    }
  })

  it('never has more level than alpha, and passes no more than the exact bound confirms', () => {
    const world = fc.record({
      seed: fc.nat(1e6),
      size: fc.integer({ min: 1, max: 900 }),
      values: fc.integer({ min: 1, max: 900 }),
      conversations: fc.integer({ min: 1, max: 900 }),
      unseen: fc.integer({ min: 1, max: 5 }),
      agreement: fc.double({ min: 0.9, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(world, ({ seed, size, values, conversations, unseen, agreement }) => {
        const random = seededRandom(seed)
        const rows = rowsOf(size, (place) => ({
          confidence: -((place * 7919) % values),
          conversation: String(place % conversations),
          isUnseen: place % unseen === 0,
          agrees: random() < agreement,
        }))
        const tests = testsOf(rows)
        expect(tests.length).toBeLessThanOrEqual(33)
        tests.forEach((test, place) => {
          expect(test.level).toBeLessThanOrEqual(0.05)
          if (test.passed) expect(test.disagreements / test.rows).toBeLessThan(0.05)
          if (place > 0) expect(test.rows).toBeGreaterThan(tests[place - 1]!.rows)
        })
      }),
      { numRuns: 40 }
    )
  })
})

describe('byPreference', () => {
  it.each<[string, [rows: number, loss: number][], number[]]>([
    [
      'the widest with a tolerated loss',
      [
        [200, 0.01],
        [500, 0.036],
        [400, 0.03],
      ],
      [400, 200, 500],
    ],
    [
      'the least loss else',
      [
        [200, 0.034],
        [400, 0.032],
        [500, 0.036],
      ],
      [400, 200, 500],
    ],
    [
      'the wider one at equal loss',
      [
        [200, 0.04],
        [400, 0.04],
      ],
      [400, 200],
    ],
  ])('takes %s', (_, tests, order) => {
    const failed = { ...testsOf(rowsOf(59))[0]!, passed: false }
    const passed = tests.map(([rows, loss]) => ({ ...failed, rows, loss, passed: true }))
    expect(byPreference([failed, ...passed], 0.03).map(({ rows }) => rows)).toEqual(order)
  })
})
