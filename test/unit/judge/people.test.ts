import { describe, expect, it } from 'vitest'
import { binomialLowerTail } from '../../../src/core/gate/statistics.ts'
import {
  peopleFigures,
  ratingOrder,
  RATINGS_NEEDED,
  type SampledAnswer,
} from '../../../src/core/judge/people.ts'

const MARGIN = 0.05

const sampleOf = (
  count: number,
  of: (i: number) => Partial<SampledAnswer> = () => ({})
): SampledAnswer[] =>
  Array.from({ length: count }, (_, i) => ({
    conversation: String(i),
    at: i * 3_600_000,
    isFlagged: false,
    isBad: false,
    ...of(i),
  }))

const figuresOf = (sample: SampledAnswer[], earlierTries = 0) =>
  peopleFigures({ sample, margin: MARGIN, burstMs: 0, earlierTries })

const firstBad = (bad: number) => (i: number) => ({ isBad: i < bad, isFlagged: i < bad + 10 })

/** Of 300: the first `count` are rated, and the first `bad` of them are bad. */
const rated = (count: number, bad: number) =>
  figuresOf(sampleOf(300, (i) => ({ isBad: i < count ? i < bad : null })))

describe('300 blind ratings', () => {
  it('prove a margin of 5 % with eight bad answers, and not with nine', () => {
    expect(figuresOf(sampleOf(300, firstBad(8)))).toMatchObject({ result: 'proved', bad: 8 })
    expect(figuresOf(sampleOf(300, firstBad(9))).result).toBe('not-proved')
  })

  it('hold the level at the border exactly, and have a power of 0.84 at 2 %', () => {
    expect(binomialLowerTail(8, 300, MARGIN)).toBeLessThanOrEqual(0.04)
    expect(binomialLowerTail(8, 300, 0.02)).toBeGreaterThanOrEqual(0.84)
  })

  it('have an upper bound that agrees with the verdict', () => {
    for (const bad of [0, 3, 8, 9, 20, 300]) {
      const { upperBound, result } = figuresOf(sampleOf(300, firstBad(bad)))
      expect(upperBound <= MARGIN).toBe(result === 'proved')
      expect(upperBound).toBeGreaterThan(bad === 300 ? 0.99 : bad / 300)
    }
  })

  it('are open while missing ones may decide, end early for a bad route, and never prove early', () => {
    expect(rated(20, 9).result).toBe('not-proved')
    expect(rated(20, 8).result).toBe('open')
    expect(rated(290, 0).result).toBe('open')
    expect(rated(292, 0).result).toBe('proved')
  })

  it('are needed, although fewer could show it', () => {
    expect(figuresOf(sampleOf(RATINGS_NEEDED - 1)).result).toBe('open')
  })

  it('of one conversation count as one', () => {
    const figures = figuresOf(sampleOf(300, (i) => ({ conversation: String(i % 50) })))
    expect(figures).toMatchObject({ result: 'not-proved', effectiveRows: 50 })
  })

  it('have less level in a second try', () => {
    expect(figuresOf(sampleOf(300, firstBad(7)), 1).result).toBe('not-proved')
  })
})

it('are rated with the flagged ones first', () => {
  const sample = sampleOf(2000, (i) => ({ isFlagged: i % 10 === 0 }))
  expect(ratingOrder(sample).findIndex(({ isFlagged }) => !isFlagged)).toBe(200)
})
