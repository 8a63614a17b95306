/** Pairs of a live route prove wider borders, one after the other. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  borderAt,
  BorderReader,
  NarrowingReader,
  provedBorder,
  reportBorder,
  type BorderPair,
} from '../../src/core/rollout/border.ts'
import { armFigures } from '../../src/core/gate/figures.ts'
import { evidenceBelow } from '../../src/core/rollout/evidence.ts'
import type { PairOutcome } from '../../src/core/rollout/pair.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'
import { seededRandom } from '../../src/random.ts'

const MARGIN = 0.05
const SETTINGS = { margin: MARGIN, capital: 20 }
/** The border of the proof, and three wider ones. */
const BORDERS = [-1, -2, -3, -4]

const pair = (outcome: PairOutcome, confidence: number | null = -0.5): BorderPair => ({
  outcome,
  confidence,
  rating: null,
})

const sumsOf = (pairs: readonly BorderPair[], borders = BORDERS) => {
  const reader = new BorderReader(borders)
  for (const each of pairs) reader.read(each)
  return reader.sums()
}

const times = (count: number, ...pairs: BorderPair[]): BorderPair[] =>
  Array.from({ length: count }, () => pairs).flat()

describe('the sums of borders', () => {
  it('have a pair at each border that answers it', () => {
    const sums = sumsOf([
      pair('agreed'),
      pair('disagreed', -1),
      pair('draft-agreed', -1.5),
      pair('draft-disagreed', -2),
      pair('draft-disagreed', -3.5),
      pair('draft-agreed', -9),
      pair('fallback', null),
      pair('unusable', null),
    ])
    expect(sums.borders.map(({ pairs, losses }) => [pairs, losses])).toEqual([
      [2, 1],
      [4, 2],
      [4, 2],
      [5, 3],
    ])
    expect([sums.answered, sums.drafts, sums.audited]).toEqual([2, 4, 7])
  })

  it('count credits, ratings and refusals as the evidence of the route does', () => {
    const { borders } = sumsOf([
      pair('second-agrees'),
      { ...pair('disagreed'), rating: 'lora' },
      pair('refused', null),
    ])
    for (const each of borders) expect(each).toMatchObject({ pairs: 3, losses: 1, credits: 1 })
  })
})

describe('a wider border', () => {
  it('is proved by answers and drafts together', () => {
    const { borders } = sumsOf(times(100, pair('agreed')))
    expect(evidenceBelow(borders[1]!, MARGIN)).toBeGreaterThan(Math.log(20))
    expect(provedBorder(borders, 0, SETTINGS)).toBe(3)
    const few = sumsOf(times(30, pair('agreed'), pair('draft-agreed', -1.5)))
    expect(evidenceBelow(few.borders[0]!, MARGIN)).toBeLessThan(Math.log(20))
    expect(provedBorder(few.borders, 0, SETTINGS)).toBe(0)
    const more = sumsOf(times(60, pair('agreed'), pair('draft-agreed', -1.5)))
    expect(provedBorder(more.borders, 0, SETTINGS)).toBe(3)
  })

  it('waits for those before it', () => {
    // wrong between -1 and -2, right below: of all together few are wrong
    const sums = sumsOf([
      ...times(200, pair('agreed')),
      ...times(12, pair('draft-disagreed', -1.5)),
      ...times(1_000, pair('draft-agreed', -3.5)),
    ])
    expect(evidenceBelow(sums.borders[3]!, MARGIN)).toBeGreaterThan(Math.log(20))
    expect(provedBorder(sums.borders, 0, SETTINGS)).toBe(0)
  })

  it('stays in force where the evidence of one before it falls again', () => {
    const sums = sumsOf([...times(100, pair('agreed')), ...times(8, pair('disagreed'))])
    expect(evidenceBelow(sums.borders[1]!, MARGIN)).toBeLessThan(Math.log(20))
    expect(provedBorder(sums.borders, 2, SETTINGS)).toBe(2)
  })

  it('is never narrower than the present one, whatever the pairs', () => {
    const outcomes = fc.constantFrom<PairOutcome>(
      'agreed',
      'disagreed',
      'draft-agreed',
      'draft-disagreed',
      'fallback'
    )
    const pairs = fc.array(
      fc.record({ outcome: outcomes, confidence: fc.double({ min: -5, max: 0, noNaN: true }) })
    )
    fc.assert(
      fc.property(pairs, fc.integer({ min: 0, max: 3 }), (drawn, present) => {
        const { borders } = sumsOf(drawn.map((each) => ({ ...each, rating: null })))
        const proved = provedBorder(borders, present, SETTINGS)
        expect(proved).toBeGreaterThanOrEqual(present)
        expect(proved).toBeLessThan(BORDERS.length)
      })
    )
  })

  it('with a loss of the margin comes into force in at most one of twenty lives', () => {
    const random = seededRandom(43)
    const DRAWS = 400
    let wrong = 0
    for (let draw = 0; draw < DRAWS; draw++) {
      const reader = new BorderReader([-1, -2])
      for (let i = 0; i < 3_000; i++) {
        reader.read(pair(random() < MARGIN ? 'disagreed' : 'agreed'))
        if (i % 50 !== 0 || provedBorder(reader.sums().borders, 0, SETTINGS) === 0) continue
        wrong++
        break
      }
    }
    expect(wrong / DRAWS).toBeLessThanOrEqual(0.05)
  })
})

/** The border in force, and narrower ones, the narrowest first. */
const [PRESENT, NARROWER] = [-4, [-1, -2, -3]] as const
const LIMITS = { margin: MARGIN, least: -1, stepCapital: 20, rollbackCapital: 300 } as const

const narrowingOf = (pairs: readonly BorderPair[], borders: readonly number[] = NARROWER) => {
  const reader = new NarrowingReader(PRESENT, borders)
  for (const each of pairs) reader.read(each)
  return reader.narrowed(LIMITS)
}

/** Answers at each confidence, of which those at the lowest are wrong. */
const lowWrong = (count: number): BorderPair[] =>
  times(
    count,
    ...times(3, pair('agreed', -0.5), pair('agreed', -1.5), pair('agreed', -2.5)),
    pair('disagreed', -3.5)
  )

describe('a narrower border', () => {
  it('is the widest one behind which the loss has not risen', () => {
    const good = times(250, pair('agreed', -0.5), pair('agreed', -3.5))
    const { border, answers } = narrowingOf([...good, ...lowWrong(80)])!
    expect(border).toMatchObject({
      threshold: -3,
      evidence: { pairs: 720, losses: 0, answered: 1_300, drafts: 0, margin: MARGIN },
      narrowing: { before: 500, least: -1 },
    })
    expect(border.evidence.capital).toBe(
      evidenceBelow({ pairs: 720, losses: 0, credits: 0 }, MARGIN)
    )
    expect(border.narrowing!.rise).toBeGreaterThan(Math.log(300))
    // those from before the rise are answers of it as well
    expect(answers).toEqual({ pairs: 250 + 720, losses: 0, credits: 0 })
  })

  it('is none where the loss has risen at each, however good they were before', () => {
    const risen = times(60, ...times(9, pair('agreed')), pair('disagreed'))
    expect(narrowingOf([...times(2_000, pair('agreed')), ...risen])).toBeNull()
  })

  it('is none with too few pairs, or beyond one that is not proved', () => {
    expect(narrowingOf(lowWrong(8))).toBeNull()
    expect(narrowingOf(lowWrong(40), [])).toBeNull()
    // wrong where it is surest: all others dilute it
    const sureWrong = times(
      60,
      ...times(2, pair('agreed', -0.5)),
      ...times(30, pair('agreed', -1.5)),
      pair('disagreed', -0.5),
      ...times(3, pair('disagreed', -3.5))
    )
    expect(narrowingOf(sureWrong)).toBeNull()
    expect(narrowingOf(sureWrong, [-2])?.border.threshold).toBe(-2)
  })

  it('does not count answers that an earlier narrowing took', () => {
    const below = times(500, pair('disagreed', -4.5))
    expect(narrowingOf([...below, ...lowWrong(40)])!.border.evidence.answered).toBe(400)
  })

  it('with a loss of the margin everywhere comes into force in at most one of twenty lives', () => {
    const random = seededRandom(44)
    const DRAWS = 150
    let wrong = 0
    for (let draw = 0; draw < DRAWS; draw++) {
      const pairs = Array.from({ length: 1_500 }, (_, i) => {
        const confidence = -4 * random()
        // from the 500th on, at the margin behind the widest candidate, and far above it below that
        const loss = confidence > -3 ? MARGIN : 0.3
        return pair(i > 500 && random() < loss ? 'disagreed' : 'agreed', confidence)
      })
      if (narrowingOf(pairs) !== null) wrong++
    }
    expect(wrong / DRAWS).toBeLessThanOrEqual(0.05)
  })
})

describe('what is shown of a border', () => {
  it('is its share of the audited requests, and the next one with its evidence', () => {
    const sums = sumsOf([
      ...times(60, pair('agreed')),
      ...times(20, pair('draft-agreed', -1.5)),
      ...times(20, pair('fallback', null)),
    ])
    const report = reportBorder(sums, 0, MARGIN)
    expect(report).toMatchObject({ present: 0, widest: 3, coverage: 0.6 })
    expect(report.next).toMatchObject({ threshold: -2, coverage: 0.8 })
    expect(report.next!.evidence.capital).toBe(borderAt(sums, 1, MARGIN).evidence.capital)
    expect(reportBorder(sums, 3, MARGIN).next).toBeNull()
    expect(reportBorder(sumsOf([]), 0, MARGIN).coverage).toBeNull()
  })
})

/** Below -0.5 every second new question is wrong, and no known one. */
const heldOut = (place: number, isNew: boolean, isTraffic: boolean, random: () => number) => {
  const confidence = -random()
  const agrees = !isNew || confidence > -0.5 || random() < 0.5
  return heldOutRow(place, { agrees, logprobSum: confidence, isTraffic, isUnseen: isNew })
}

describe('the borders that pairs may prove', () => {
  it('end where new questions lose more than the margin, however few of them the traffic has', () => {
    const random = seededRandom(11)
    const rows = Array.from({ length: 1_000 }, (_, place) =>
      heldOut(place, place >= 470, place < 500, random)
    )
    const { threshold, wider, tests } = armFigures(
      { arm: 'label-head', statistic: 'sum', rows },
      {
        margin: MARGIN,
        armAlpha: 0.04,
        minCoverage: 0.1,
        burstMs: 0,
      }
    )
    expect(tests.some((test) => test.threshold < -0.8)).toBe(true)
    for (const border of [threshold!, ...wider!]) {
      const answered = rows.filter(({ isUnseen, logprobSum }) => isUnseen && logprobSum >= border)
      const wrong = answered.filter(({ agrees }) => !agrees).length / answered.length
      expect(wrong).toBeLessThanOrEqual(MARGIN)
    }
  })
})
