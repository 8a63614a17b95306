import { describe, expect, it } from 'vitest'
import { binomialLowerTail } from '../../../src/core/gate/statistics.ts'
import {
  peopleFigures,
  peoplePValue,
  ratingOrder,
  RATINGS_NEEDED,
  type SampledAnswer,
} from '../../../src/core/judge/people.ts'
import { seededRandom } from '../../../src/random.ts'

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
  peopleFigures({
    sample: sample.map((answer) => ({ ...answer, isChosen: true })),
    rate: 1,
    margin: MARGIN,
    burstMs: 0,
    earlierTries,
  })

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

const draw = (
  { sampled, rate, flagged, passed }: Record<'sampled' | 'rate' | 'flagged' | 'passed', number>,
  random: () => number
) => {
  let [flaggedBad, passedBad] = [0, 0]
  for (let i = 0; i < sampled; i++) {
    const at = random()
    if (at < flagged) flaggedBad++
    else if (at < flagged + passed && random() < rate) passedBad++
  }
  return { sampled, rate, flaggedBad, passedBad }
}

describe('answers that are rated at a rate', () => {
  it.each([
    ['judge that flags all bad answers', 0.05, 0],
    ['judge that flags half of them', 0.025, 0.025],
    ['blind judge', 0, 0.05],
  ])('break a level of 5 %% at the border in at most 5 %%, with a %s', (_name, flagged, passed) => {
    const random = seededRandom(11)
    const draws = 800
    const known = new Map<string, number>()
    const pValueOf = (counts: ReturnType<typeof draw>): number => {
      const key = `${counts.flaggedBad} ${counts.passedBad}`
      const pValue = known.get(key) ?? peoplePValue(counts, MARGIN)
      known.set(key, pValue)
      return pValue
    }
    let broken = 0
    for (let i = 0; i < draws; i++) {
      const counts = draw({ sampled: 600, rate: 0.5, flagged, passed }, random)
      if (pValueOf(counts) <= 0.05) broken++
    }
    // three standard errors above 5 %
    expect(broken / draws).toBeLessThan(0.073)
  })

  it('are tested as a plain sample at a rate of 1, whatever is flagged', () => {
    const counts = { sampled: 300, rate: 1 }
    expect(peoplePValue({ ...counts, flaggedBad: 8, passedBad: 0 }, MARGIN)).toBe(
      peoplePValue({ ...counts, flaggedBad: 0, passedBad: 8 }, MARGIN)
    )
    const near = { sampled: 300, rate: 1 - 1e-9, flaggedBad: 5, passedBad: 3 }
    const exact = binomialLowerTail(8, 300, MARGIN)
    expect(peoplePValue(near, MARGIN)).toBeGreaterThanOrEqual(exact * 0.99)
    expect(peoplePValue(near, MARGIN)).toBeLessThan(exact * 1.15)
  })

  it('have a larger p-value for each further bad answer', () => {
    const counts = { sampled: 800, rate: 0.4, flaggedBad: 6, passedBad: 3 }
    const pValue = peoplePValue(counts, MARGIN)
    expect(peoplePValue({ ...counts, flaggedBad: 7 }, MARGIN)).toBeGreaterThan(pValue)
    expect(peoplePValue({ ...counts, passedBad: 4 }, MARGIN)).toBeGreaterThan(pValue)
  })

  it('begin with all flagged ones', () => {
    const sample = sampleOf(2000, (i) => ({ isFlagged: i % 10 === 0 }))
    expect(ratingOrder(sample).findIndex(({ isFlagged }) => !isFlagged)).toBe(200)
  })

  it('cannot leave out a flagged one', () => {
    const sample = [{ ...sampleOf(1)[0]!, isFlagged: true, isChosen: false }]
    const input = { sample, rate: 0.5, margin: MARGIN, burstMs: 0, earlierTries: 0 }
    expect(() => peopleFigures(input)).toThrow(RangeError)
  })
})
