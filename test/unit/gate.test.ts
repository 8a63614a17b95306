import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, type GateInput, type HeldOutRow } from '../../src/core/gate.ts'
import { armByValidationLoss } from '../../src/core/gate-arm.ts'
import {
  chooseThreshold,
  fallbackProcedure,
  minimumRows,
  testedRanks,
  testThresholds,
  type RankedRows,
  type Start,
  type ThresholdTest,
} from '../../src/core/gate-selective.ts'
import { sliceFigures } from '../../src/core/gate-slices.ts'
import { seededRandom } from '../../src/random.ts'

/** Rows whose chance to agree falls with the place; `chance` maps place 0..1 to it. */
const heldOut = (
  size: number,
  chance: (place: number) => number,
  { seed = 1, upstream = null as number | null } = {}
): HeldOutRow[] => {
  const random = seededRandom(seed)
  return Array.from({ length: size }, (_, i) => {
    const place = random()
    return {
      similarity: random() < chance(place) ? 1 : 0,
      logprobSum: -place,
      logprobMin: -place * place - 0.1 * random(),
      upstreamSimilarity: upstream === null ? null : Number(random() < upstream),
      session: `session-${i}`,
    }
  })
}

const wellRanked = (place: number): number => {
  if (place < 0.55) return 0.985
  return place < 0.7 ? 0.87 : 0.52
}

const input = (rows: HeldOutRow[], options: Partial<GateInput> = {}): GateInput => ({
  arms: [{ arm: 'query-only', rows }],
  responseType: 'label',
  margin: 0.05,
  seed: 1,
  ...options,
})

const ranked = (agrees: number[]): RankedRows => ({
  confidence: Float64Array.from(agrees, (_, i) => -i / agrees.length),
  agrees: Uint8Array.from(agrees),
  upstreamAgrees: new Int8Array(agrees.length).fill(-1),
  sessions: null,
})

const noisy = (upstream: number | null) => decide(input(heldOut(2000, () => 0.9, { upstream })))

const run = (pValues: number[], starts: Start[]) =>
  fallbackProcedure(pValues.length, (place) => pValues[place]!, { starts, alpha: 0.05 })

const equally = (...places: number[]): Start[] =>
  places.map((place) => ({ place, share: 1 / places.length }))

const slice = (name: string, size: number, right: number) =>
  Array.from({ length: size }, (_, i) => ({
    similarity: i < right ? 1 : 0,
    upstreamSimilarity: null,
    slice: name,
  }))

const partly = (upstream: number) =>
  heldOut(2000, () => 0.9, { upstream }).map((row, i) =>
    i % 4 === 0 ? row : { ...row, upstreamSimilarity: null }
  )

const candidates = (given: HeldOutRow[], responseType: GateInput['responseType']) =>
  decide(input(given, { responseType })).arms[0]!.candidates!.map(({ confidence }) => confidence)

const thresholdTest = (rows: number, loss: number, passed = true): ThresholdTest => ({
  rows,
  disagreements: Math.round(loss * rows),
  loss,
  threshold: -rows,
  pValue: 0.01,
  level: 0.05,
  passed,
})
/** of the chosen one, where a loss of 0.03 is tolerated */
const rowsOf = (tests: ThresholdTest[]) => chooseThreshold(tests, 0.03)?.rows ?? null

describe('decide', () => {
  it('answers the confident part of a model that plain parity must refuse', () => {
    const rows = heldOut(1000, wellRanked)
    const verdict = decide(input(rows))
    const [arm] = verdict.arms
    expect(verdict.verdict).toBe('promote')
    expect(arm!.agreement).toBeLessThan(0.86)
    expect(arm!.differenceBound).toBeLessThan(-0.05)
    expect(arm!.coverage).toBeGreaterThan(0.5)
    expect(arm!.agreementAnsweredBound).toBeGreaterThanOrEqual(0.95)
    const answered = rows.filter(
      (row) => (arm!.confidence === 'sum' ? row.logprobSum : row.logprobMin) >= arm!.threshold!
    )
    expect(answered.length / rows.length).toBeCloseTo(arm!.coverage, 9)
  })

  it('answers everything with a finite threshold when the model is as good as the upstream', () => {
    const verdict = decide(input(heldOut(1000, () => 0.995)))
    expect(verdict.arms[0]!.coverage).toBe(1)
    expect(JSON.parse(JSON.stringify(verdict)).arms[0].threshold).toBeLessThan(-1e6)
  })

  it('rejects a model whose confidence says nothing', () => {
    const verdict = decide(input(heldOut(2000, () => 0.82)))
    expect(verdict.verdict).toBe('reject')
    expect(verdict.reason).toContain('no threshold')
    expect(verdict.arms[0]).toMatchObject({ threshold: null, coverage: 0 })
  })

  it('rejects when even flawless answers would be too few to prove anything', () => {
    const verdict = decide(input(heldOut(50, () => 1)))
    expect(verdict.verdict).toBe('reject')
    expect(verdict.reason).toContain('too few')
  })

  it('rejects an evaluation without rows', () => {
    expect(decide(input([])).verdict).toBe('reject')
    expect(decide(input([], { arms: [] })).verdict).toBe('reject')
  })

  it('rejects free text, for which there is no judge', () => {
    expect(
      decide(
        input(
          heldOut(1000, () => 1),
          { responseType: 'free-text' }
        )
      ).verdict
    ).toBe('reject')
  })

  it('lets the arm win that answers more, and keeps the figures of both', () => {
    const arms: GateInput['arms'] = [
      { arm: 'query-only', rows: heldOut(1000, (place) => (place < 0.4 ? 0.99 : 0.5)) },
      { arm: 'schedule', rows: heldOut(1000, (place) => (place < 0.7 ? 0.99 : 0.5)) },
    ]
    const verdict = decide(input([], { arms }))
    expect(verdict.arm).toBe(1)
    expect(verdict.arms.map(({ arm }) => arm)).toEqual(['query-only', 'schedule'])
    expect(verdict.arms[1]!.coverage).toBeGreaterThan(verdict.arms[0]!.coverage)
  })

  it('gives four fifths of alpha to the favoured arm, and lets the other one win all the same', () => {
    const arms: GateInput['arms'] = [
      { arm: 'query-only', rows: heldOut(1000, wellRanked) },
      { arm: 'schedule', rows: heldOut(1000, (place) => wellRanked(place) - 0.3) },
    ]
    const levelOf = (favouredArm: number | null): number =>
      decide({ ...input([]), arms, favouredArm }).arms[0]!.candidates![0]!.tests[0]!.level
    expect(levelOf(0) / levelOf(null)).toBeCloseTo(0.8 / 0.5, 12)
    expect(levelOf(0) + levelOf(1)).toBeCloseTo(2 * levelOf(null), 12)
    const verdict = decide({ ...input([]), arms, favouredArm: 1 })
    expect(verdict).toMatchObject({ arm: 0, verdict: 'promote' })
  })

  it('forgives disagreement that the upstream has with itself', () => {
    expect(noisy(null).verdict).toBe('reject')
    const verdict = noisy(0.9)
    expect(verdict.verdict).toBe('promote')
    expect(verdict.upstreamAgreement).toBeCloseTo(0.9, 1)
  })

  it('uses fresh upstream answers that were bought for a part of the rows only', () => {
    expect(decide(input(partly(0.82))).verdict).toBe('promote')
    expect(decide(input(partly(1))).verdict).toBe('reject')
  })

  it('counts sessions, not rows, when rows of a session repeat each other', () => {
    const once = heldOut(100, () => 0.99, { seed: 5 })
    const repeated = once.flatMap((row) => Array.from({ length: 10 }, () => row))
    expect(decide(input(heldOut(1000, () => 0.99))).verdict).toBe('promote')
    const verdict = decide(input(repeated))
    expect(verdict.arms[0]!.agreementAnsweredBound).toBeLessThan(0.97)
  })

  it('rejects when a slice loses more than ten points', () => {
    const rows = heldOut(3000, () => 0.999).map((row, i) => ({
      ...row,
      similarity: i % 40 === 0 && i % 80 === 0 ? 0 : row.similarity,
      slice: i % 40 === 0 ? 'refunds' : 'cards',
    }))
    const verdict = decide(input(rows))
    expect(verdict.verdict).toBe('reject')
    expect(verdict.reason).toContain('refunds')
    expect(verdict.reason).not.toContain('cards')
  })

  it('bounds graded similarities by the bootstrap, the same for the same seed', () => {
    const rows = heldOut(400, () => 1).map((row, i) => ({
      ...row,
      similarity: 0.9 + 0.1 * (i % 2),
      upstreamSimilarity: 0.95,
    }))
    const verdict = decide(input(rows, { responseType: 'short-text' }))
    expect(verdict).toEqual(decide(input(rows, { responseType: 'short-text' })))
    expect(verdict.arms[0]!.differenceBound).toBeCloseTo(-0.004, 2)
    expect(verdict.verdict).toBe('promote')
  })

  it('spends alpha on one statistic only for labels and where both rank alike', () => {
    const rows = heldOut(400, () => 0.99)
    expect(candidates(rows, 'json')).toEqual(['sum', 'min'])
    expect(candidates(rows, 'label')).toEqual(['sum'])
    const alike = rows.map((row) => ({ ...row, logprobMin: row.logprobSum }))
    expect(candidates(alike, 'json')).toEqual(['sum'])
  })

  it('keeps its promise on fresh rows: thresholds that break it are rarer than one in twenty', () => {
    // agreement is 0.949 wherever the threshold lies, so every promotion is a false one
    let promoted = 0
    for (let seed = 0; seed < 200; seed++)
      if (decide(input(heldOut(600, () => 0.949, { seed }))).verdict === 'promote') promoted++
    expect(promoted).toBeLessThanOrEqual(14)
  })
})

describe('testedRanks', () => {
  it('starts where a pass is possible and ends with everything', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        (rows, minCoverage, minRows, steps) => {
          const ranks = testedRanks(rows, { minCoverage, minRows, steps })
          if (minRows > rows) {
            expect(ranks).toEqual([])
            return
          }
          expect(ranks.at(-1)).toBe(rows)
          expect(ranks[0]).toBeGreaterThanOrEqual(Math.min(rows, minRows))
          expect(ranks).toEqual([...new Set(ranks)].sort((a, b) => a - b))
        }
      )
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
  it('never separates rows of equal confidence', () => {
    const rows = ranked(Array.from({ length: 500 }, () => 1))
    rows.confidence = Float64Array.from(rows.confidence, (value) => Math.ceil(value * 4) / 4)
    const tests = testThresholds(rows, { margin: 0.05, alpha: 0.05, minCoverage: 0.2 })
    expect(tests.length).toBeGreaterThan(1)
    for (const { rows: count, threshold } of tests)
      expect(rows.confidence.filter((value) => value >= threshold)).toHaveLength(count)
  })

  it('passes no less when the margin is wider', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), (seed) => {
        const random = seededRandom(seed)
        const rows = ranked(Array.from({ length: 400 }, () => (random() < 0.97 ? 1 : 0)))
        const passed = (margin: number) =>
          testThresholds(rows, {
            margin,
            alpha: 0.05,
            minCoverage: 0.4,
            starts: equally(0),
          }).filter((test) => test.passed).length
        expect(passed(0.08)).toBeGreaterThanOrEqual(passed(0.04))
      }),
      { numRuns: 50 }
    )
  })

  it('counts as loss what the upstream does not lose itself, from the rows that it was asked on', () => {
    const rows = ranked([
      ...Array.from({ length: 190 }, () => 1),
      ...Array.from({ length: 10 }, () => 0),
    ])
    const lossOfAll = () =>
      testThresholds(rows, { margin: 0.08, alpha: 0.05, minCoverage: 1 }).at(-1)!.loss
    expect(lossOfAll()).toBeCloseTo(0.05)
    rows.upstreamAgrees.fill(1, 0, 98).fill(0, 98, 100)
    expect(lossOfAll()).toBeCloseTo(0.03)
  })

  it('calls a pass only what the exact bound confirms', () => {
    const random = seededRandom(9)
    const rows = ranked(Array.from({ length: 800 }, (_, i) => (random() < 1 - i / 4000 ? 1 : 0)))
    for (const test of testThresholds(rows, { margin: 0.05, alpha: 0.05, minCoverage: 0.2 }))
      if (test.passed) expect(test.disagreements / test.rows).toBeLessThan(0.05)
  })
})

describe('chooseThreshold', () => {
  it('takes the widest whose loss is tolerated', () => {
    expect(
      rowsOf([thresholdTest(200, 0.01), thresholdTest(400, 0.03), thresholdTest(500, 0.036)])
    ).toBe(400)
    expect(
      rowsOf([thresholdTest(200, 0.01), thresholdTest(400, 0.02), thresholdTest(500, 0.02, false)])
    ).toBe(400)
  })

  it('takes the one with the least loss where every loss is larger', () => {
    expect(
      rowsOf([thresholdTest(200, 0.034), thresholdTest(400, 0.032), thresholdTest(500, 0.036)])
    ).toBe(400)
  })

  it('takes nothing that did not pass', () => {
    expect(rowsOf([thresholdTest(200, 0, false)])).toBeNull()
  })
})

describe('sliceFigures', () => {
  it('looks at slices with at least 50 rows only', () => {
    const rows = [...slice('small', 49, 0), ...slice('large', 50, 50)]
    expect(sliceFigures(rows, { cut: 1, alpha: 0.05 }).map((figure) => figure.slice)).toEqual([
      'large',
    ])
  })

  it('tolerates chance and names a loss that chance does not explain', () => {
    const rows = [...slice('unlucky', 60, 52), ...slice('bad', 60, 42)]
    const figures = sliceFigures(rows, { cut: 1, alpha: 0.05 })
    expect(figures.map(({ slice: name, holds }) => [name, holds])).toEqual([
      ['unlucky', true],
      ['bad', false],
    ])
  })
})

describe('the arm by validation loss', () => {
  it('is the one with the lowest loss, the earlier one at a tie', () => {
    expect(armByValidationLoss([0.4, 0.1])).toBe(1)
    expect(armByValidationLoss([0.2, 0.2])).toBe(0)
  })

  it('is unknown when an arm has no loss, as after training that diverged', () => {
    expect(armByValidationLoss([0.4, null])).toBeNull()
    expect(armByValidationLoss([0.4, Number.NaN])).toBeNull()
    expect(armByValidationLoss([])).toBeNull()
  })
})
