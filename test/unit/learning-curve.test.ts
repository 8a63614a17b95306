/** The learning curve on learners whose true losses are known. */
import { describe, expect, it } from 'vitest'
import type { HeldOutRow } from '../../src/core/gate/gate.ts'
import {
  learningCurve,
  type CurveFit,
  type CurveOptions,
} from '../../src/core/gate/learning-curve.ts'
import { seededRandom } from '../../src/random.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'

const ALL = 800
const SHARES = [1 / 8, 1 / 4, 1 / 2, 1]
const HELD_OUT = 500

interface Learner {
  /** loss of a middling question when trained on `ALL` rows */
  loss: number
  /** exponent of the power law */
  slope: number
}

/** Chance of a loss on a question. @param hardness uniform in 0 to 1 */
const lossOf = ({ loss, slope }: Learner, growth: number, hardness: number): number =>
  Math.min(1, 4 * loss * hardness ** 3 * growth ** -slope)

const fit = (learner: Learner, growth: number, random: () => number, answerable = 1): CurveFit => ({
  rows: Math.round(growth * ALL),
  heldOut: Array.from({ length: HELD_OUT }, (_, place): HeldOutRow => {
    const hardness = random()
    const chance = lossOf(learner, growth, hardness)
    return heldOutRow(place, {
      agrees: random() >= chance,
      logprobSum: -hardness,
      logprobMin: -hardness,
      deferred: hardness > answerable ? 'kind-not-proven' : null,
    })
  }),
})

const options = (seed: number): CurveOptions => ({
  statistic: 'sum',
  burstMs: 0,
  margin: 0.05,
  alpha: 0.05,
  minCoverage: 0.5,
  seed,
})

/** @param answerable share of the questions that may be answered */
const curveOf = (learner: Learner, seed: number, answerable = 1) => {
  const random = seededRandom(seed)
  return learningCurve(
    SHARES.map((growth) => fit(learner, growth, random, answerable)),
    options(seed)
  )
}

/** Mean loss among the most confident half, which has a hardness below a half: 4 · loss · ∫ h³ / (1/2). */
const halfLoss = ({ loss, slope }: Learner, growth: number): number =>
  (4 * loss * growth ** -slope * 0.5 ** 4) / 4 / 0.5

/** With 250 answers and a level of 0.025 the gate accepts 5 losses: P(X ≤ 6) is 0.031 at 5 %. */
const ACCEPTED = 5
/** Loss at which there are so few in half of the cases: the median of a binomial is n·p − 2/3 or so. */
const NEEDED_LOSS = (ACCEPTED + 2 / 3) / 250

const trueRows = (learner: Learner): number =>
  ALL * (halfLoss(learner, 1) / NEEDED_LOSS) ** (1 / learner.slope)

describe('a learning curve', () => {
  it.each([
    { name: 'falls fast', loss: 0.4, slope: 0.8 },
    { name: 'falls slowly', loss: 0.3, slope: 0.4 },
  ])('of a loss that $name has the needed rows in its interval', ({ loss, slope }) => {
    const learner = { loss, slope }
    const needed = trueRows(learner)
    const found = Array.from({ length: 40 }, (_, seed) => curveOf(learner, seed, 0.56).targets[0]!)
    const holding = found.filter(
      ({ interval: [lower, upper] }) =>
        lower !== null && lower <= needed && (upper === null || upper >= needed)
    )
    expect(holding.length / found.length).toBeGreaterThanOrEqual(0.85)
    const middle = found.map(({ rows }) => rows ?? Infinity).toSorted((a, b) => a - b)[20]!
    expect(middle / needed).toBeGreaterThan(0.75)
    expect(middle / needed).toBeLessThan(1.33)
  })

  it('of a loss that never falls shows that rows alone do not help', () => {
    const { targets } = curveOf({ loss: 0.6, slope: 0 }, 1)
    expect(targets[0]).toMatchObject({ coverage: 0.5, rows: null, likelyRows: null })
  })

  it('of a loss that is small enough asks for no more rows', () => {
    const { targets, points } = curveOf({ loss: 0.02, slope: 0.5 }, 1)
    expect(targets[0]).toMatchObject({ rows: ALL, likelyRows: ALL })
    expect(points.map(({ rows }) => rows)).toEqual([100, 200, 400, 800])
    expect(points.every(({ losses }) => losses.length === targets.length)).toBe(true)
  })

  it('asks for more rows to be likely to pass than to pass in half of the cases', () => {
    const [target] = curveOf({ loss: 0.25, slope: 0.8 }, 3).targets
    expect(target!.likelyRows).toBeGreaterThan(target!.rows!)
  })

  it('has no target that so few rows could ever pass, or that may not be answered', () => {
    const random = seededRandom(1)
    const few = SHARES.map((growth) => {
      const { rows, heldOut } = fit({ loss: 0.1, slope: 0.5 }, growth, random)
      return { rows, heldOut: heldOut.slice(0, 60) }
    })
    expect(learningCurve(few, options(1)).targets.map(({ coverage }) => coverage)).toEqual([1])
    const deferred = SHARES.map((growth) => {
      const { rows, heldOut } = fit({ loss: 0.1, slope: 0.5 }, growth, random)
      const answered = heldOut.map((row, place) =>
        place % 5 < 2 ? { ...row, deferred: 'kind-not-proven' } : row
      )
      return { rows, heldOut: answered }
    })
    expect(learningCurve(deferred, options(1)).targets.map(({ coverage }) => coverage)).toEqual([
      0.5, 0.6,
    ])
  })

  it('gives the same figures for the same seed', () => {
    const learner = { loss: 0.4, slope: 0.8 }
    expect(curveOf(learner, 7)).toEqual(curveOf(learner, 7))
  })
})
