/** Logs with a planted cause: it is named first, with its dollars; clean logs have none. */
import { describe, expect, it } from 'vitest'
import { PLANTED, type Planted } from '../kit/cache/cache-logs.ts'
import { judgeCache, type JudgedCache } from '../kit/cache/judge-cache.ts'

const SEEDS = [2, 3, 4, 5]
const LEAST_RIGHT = 0.95
const MOST_ERROR = 0.1

/** The provider reports its counts in every other log. */
const judged = (planted: readonly Planted[], seed: number): JudgedCache =>
  judgeCache({ seed, planted, isCounted: seed % 2 === 0 })

const TWO: Planted[][] = [
  ['date', 'name'],
  ['time', 'counter'],
  ['tools-change', 'id'],
  ['gap', 'time'],
]

describe('a planted cause', () => {
  const found = PLANTED.map((cause) => ({
    cause,
    all: SEEDS.map((seed) => judged([cause], seed)),
  }))

  it('is named first in at least 95 of 100 logs', () => {
    const wrong = found.flatMap(({ cause, all }) =>
      all.filter(({ isRight }) => !isRight).map((each) => `${cause}: ${each.cause}`)
    )
    expect(wrong.length, wrong.join()).toBeLessThanOrEqual(
      (1 - LEAST_RIGHT) * SEEDS.length * PLANTED.length
    )
  })

  it.each(found)('costs what the provider would not have charged: $cause', ({ all }) => {
    for (const { error, usdPerMonth } of all) {
      expect(usdPerMonth).toBeGreaterThan(0)
      expect(error).toBeLessThanOrEqual(MOST_ERROR)
    }
  })
})

describe('two causes at once', () => {
  it.each(TWO)('are priced one after the other: %s and %s', (...planted) => {
    const { isRight, error } = judged(planted, 4)
    expect(isRight).toBe(true)
    expect(error).toBeLessThanOrEqual(MOST_ERROR)
  })
})

describe('a clean log', () => {
  it.each([1, 2, 3, 4, 5, 6])('has no cause (seed %i)', (seed) => {
    expect(judged([], seed)).toMatchObject({ isRight: true, usdPerMonth: 0 })
  })
})
