/** The lower bound of a scan's coverage, on traffic whose distribution is known. */
import { describe, expect, it } from 'vitest'
import type { HeldOutRow } from '../../src/core/gate/gate.ts'
import { coverageOf, laterCoverageBound } from '../../src/core/scan/coverage.ts'
import { seededRandom } from '../../src/random.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'

const SETTINGS = { margin: 0.05, minCoverage: 0.2, seed: 1, burstMinutes: 0 }
const ROWS = 400
const DRAWS = 60

/** Chance of a wrong answer by rank of its confidence, 0 for the surest. */
const WORLDS: Record<string, (rank: number) => number> = {
  'nearly always right': () => 0.004,
  'ever less sure': (rank) => 0.4 * rank ** 4,
  'one half easy and one hard': (rank) => (rank < 0.6 ? 0.004 : 0.4),
}

/** Confidences are −rank, and ranks are uniform, so the true coverage of a threshold is −threshold. */
const heldOutRows = (loss: (rank: number) => number, random: () => number): HeldOutRow[] =>
  Array.from({ length: ROWS }, (_, place) => {
    const rank = random()
    return heldOutRow(place, {
      agrees: random() >= loss(rank),
      logprobSum: -rank,
      logprobMin: -rank,
    })
  })

const judge = (heldOut: HeldOutRow[]) =>
  coverageOf([{ arm: 'label-head', rows: 500, heldOut }], SETTINGS)

describe('coverageOf', () => {
  it.each(Object.entries(WORLDS))('has a true lower bound where answers are %s', (_name, loss) => {
    const random = seededRandom(20261128)
    const figures = Array.from({ length: DRAWS }, () => judge(heldOutRows(loss, random)))
    const passed = figures.filter(({ refusal }) => refusal === null)
    expect(passed.length).toBeGreaterThan(DRAWS / 2)
    const isTrue = passed.filter(
      ({ threshold, coverageLowerBound }) => coverageLowerBound <= -threshold!
    )
    expect(isTrue.length / passed.length).toBeGreaterThanOrEqual(0.95)
    for (const { coverageLowerBound, expectedCoverage } of passed) {
      expect(coverageLowerBound).toBeLessThanOrEqual(expectedCoverage)
      expect(expectedCoverage - coverageLowerBound).toBeLessThan(0.12)
    }
  })

  it('is no coverage, with the reason, where the gate refuses', () => {
    const figures = judge(heldOutRows(() => 0.3, seededRandom(1)))
    expect(figures).toMatchObject({
      expectedCoverage: 0,
      coverageLowerBound: 0,
      threshold: null,
      agreement: null,
    })
    expect(figures.refusal).toMatchObject({
      code: 'loss-too-large',
      figures: { arm: 'label-head', minCoverage: 0.2, margin: 0.05 },
    })
  })

  it('does not show the value of a slot in a reason', () => {
    const rows = heldOutRows(() => 0.001, seededRandom(2)).map((row, place) => ({
      ...row,
      agrees: place % 10 > 0 && row.agrees,
      slices: place % 5 === 0 ? ['patient=Jane Doe'] : [],
    }))
    const { refusal } = coverageOf([{ arm: 'label-head', rows: 500, heldOut: rows }], {
      ...SETTINGS,
      margin: 0.3,
      minCoverage: 0.9,
    })
    expect(refusal).toMatchObject({
      code: 'slices-worse',
      figures: { slices: [{ slice: 'one value of a slot' }] },
    })
  })

  it('shows the agreement of the most confident answers in at most fifty points', () => {
    const { selective } = judge(heldOutRows((rank) => rank, seededRandom(3)))
    expect(selective.length).toBeLessThanOrEqual(50)
    expect(selective.at(-1)!.coverage).toBe(1)
    expect(selective[5]!.agreement).toBeGreaterThan(selective.at(-1)!.agreement)
  })
})

describe('laterCoverageBound', () => {
  const singles = Array.from({ length: 500 }, (_, i) => heldOutRow(i))
  const figures = { coverage: 0.5, tests: [] }

  it('is Clopper and Pearson’s bound for one threshold', () => {
    expect(laterCoverageBound(figures, singles, 0)).toBeCloseTo(0.462, 3)
  })

  it('is lower for turns of few conversations', () => {
    const few = singles.map((row, i) => ({ ...row, conversation: String(i % 50) }))
    expect(laterCoverageBound(figures, few, 0)).toBeLessThan(
      laterCoverageBound(figures, singles, 0) - 0.05
    )
  })
})
