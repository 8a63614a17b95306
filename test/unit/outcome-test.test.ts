/** The outcome test: feedback becomes conversations, blocks and evidence. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DrawnFeedback, DrawnSide } from '../../src/core/log/feedback.ts'
import {
  addOutcomes,
  differenceOf,
  NO_BLOCK,
  type OutcomeBlock,
} from '../../src/core/outcomes/outcome-figures.ts'
import { blockFigures } from '../../src/core/outcomes/outcome-figures.ts'
import { OutcomeReader } from '../../src/core/outcomes/conversation-outcomes.ts'
import { Capital, differenceInterval } from '../../src/core/outcomes/difference-test.ts'
import {
  isHarmful,
  OutcomeSums,
  type OutcomeFigures,
} from '../../src/core/outcomes/outcome-figures.ts'
import { unsureText } from '../../src/core/outcomes/outcome-text.ts'

const MARGIN = 0.05
const MINUTE_MS = 60_000
const LATER = 1e12

type Given = Pick<DrawnFeedback, 'side' | 'rating'> & { conversation: number; waitMs: number }

const feedbackOf = (given: readonly Given[]): DrawnFeedback[] => {
  let firstAt = 0
  return given.map(({ waitMs, conversation, ...rest }, i) => {
    firstAt += waitMs
    return { ...rest, place: i + 1, firstAt, conversation: `c${conversation}` }
  })
}

const givenTurns = fc.record<Given>({
  side: fc.constantFrom<DrawnSide>('lora', 'audit'),
  rating: fc.constantFrom('good', 'bad'),
  conversation: fc.integer({ min: 0, max: 30 }),
  waitMs: fc.integer({ min: 0, max: 40 * MINUTE_MS }),
})

const givenLists = fc.array(givenTurns, { maxLength: 200 })

const figuresOf = (
  pages: readonly (readonly DrawnFeedback[])[],
  isSingle = false
): OutcomeFigures => {
  const sums = new OutcomeSums({ isSingle, margin: MARGIN, revision: 0 })
  for (const page of pages) sums.read(page)
  return sums.figures(LATER)
}

const blocksOf = (given: readonly Given[]): OutcomeBlock[] => {
  const reader = new OutcomeReader(false)
  const outcomes = [...reader.read(feedbackOf(given)), ...reader.overBy(LATER)]
  return addOutcomes(NO_BLOCK, outcomes).closed
}

/** One rating a conversation. @param ratings `L` and `A` bad ones of the sides, `l` and `a` good ones */
const single = (ratings: string): DrawnFeedback[] =>
  [...ratings].map((letter, i) => ({
    place: i + 1,
    firstAt: i,
    side: letter.toLowerCase() === 'l' ? 'lora' : 'audit',
    conversation: `record-${i}`,
    rating: letter === letter.toLowerCase() ? 'good' : 'bad',
  }))

const turn = (conversation: string, firstAt: number, changes: Partial<DrawnFeedback> = {}) =>
  ({ place: firstAt, firstAt, side: 'lora', conversation, rating: 'good', ...changes }) as const

describe('the outcome of a conversation', () => {
  it('is the share of its rated turns that are bad, half an hour after the last one', () => {
    const reader = new OutcomeReader(false)
    const ratings = ['bad', 'good', 'good', 'bad'] as const
    expect(reader.read(ratings.map((rating, i) => turn('c', i, { rating })))).toEqual([])
    expect(reader.overBy(30 * MINUTE_MS)).toEqual([])
    expect(reader.overBy(31 * MINUTE_MS)).toEqual([{ side: 'lora', bad: 0.5, at: 3 }])
  })

  it('is of the side of its first rated turn where a step moved it to the other side', () => {
    const reader = new OutcomeReader(false)
    reader.read([turn('c', 1, { side: 'audit' }), turn('c', 2, { side: 'lora', rating: 'bad' })])
    expect(reader.overBy(LATER)).toEqual([{ side: 'audit', bad: 0, at: 2 }])
  })

  it('counts once: feedback after its end changes nothing', () => {
    const reader = new OutcomeReader(false)
    const first = reader.read([turn('c', 0), turn('d', 31 * MINUTE_MS)])
    expect(first).toHaveLength(1)
    reader.read([turn('c', 32 * MINUTE_MS, { rating: 'bad' })])
    expect(reader.overBy(LATER)).toEqual([{ side: 'lora', bad: 0, at: 31 * MINUTE_MS }])
  })

  it('is one, of ten thousand ratings', () => {
    const reader = new OutcomeReader(false)
    reader.read(Array.from({ length: 10_000 }, (_, i) => turn('c', i, { rating: 'bad' })))
    expect(reader.overBy(LATER)).toEqual([{ side: 'lora', bad: 1, at: 9_999 }])
  })

  it('is over when a clock was set back', () => {
    const reader = new OutcomeReader(false)
    expect(reader.read([turn('c', LATER), turn('d', 0)])).toMatchObject([{ at: LATER }])
  })

  it('is that of each rating where no request has a second turn', () => {
    expect(new OutcomeReader(true).read(single('lA'))).toEqual([
      { side: 'lora', bad: 0, at: 0 },
      { side: 'audit', bad: 1, at: 1 },
    ])
  })
})

const sizes = (blocks: OutcomeBlock[]) =>
  blocks.map(({ at, lora, audit }) => [at, lora.conversations, audit.conversations])

describe('a block', () => {
  it('closes with the first conversation of its second side', () => {
    const { closed, open } = addOutcomes(NO_BLOCK, new OutcomeReader(true).read(single('aAalLaL')))
    expect(closed.map(differenceOf)).toEqual([0 - 1 / 3, 1 - 0])
    expect(open.lora).toEqual({ conversations: 1, bad: 1 })
  })

  it('depends on the sides alone, whatever the ratings', () => {
    fc.assert(
      fc.property(givenLists, (list) => {
        const allGood = list.map((one) => ({ ...one, rating: 'good' as const }))
        expect(sizes(blocksOf(list))).toEqual(sizes(blocksOf(allGood)))
      })
    )
  })

  it('has the opposite difference where the sides are swapped', () => {
    fc.assert(
      fc.property(givenLists, (list) => {
        const swapped = list.map((one) => ({
          ...one,
          side: one.side === 'lora' ? ('audit' as const) : ('lora' as const),
        }))
        const differences = blocksOf(list).map(differenceOf)
        expect(blocksOf(swapped).map(differenceOf)).toEqual(differences.map((one) => 0 - one))
        const [lower, upper] = blockFigures(blocksOf(list), MARGIN).interval
        const mirrored = blockFigures(blocksOf(swapped), MARGIN).interval
        expect(mirrored[0]).toBeCloseTo(-upper, 4)
        expect(mirrored[1]).toBeCloseTo(-lower, 4)
      }),
      { numRuns: 50 }
    )
  })
})

describe('the figures of feedback', () => {
  it('do not depend on the pages in which it was read, nor on when they were asked for', () => {
    fc.assert(
      fc.property(givenLists, fc.integer({ min: 1, max: 20 }), (list, size) => {
        const feedback = feedbackOf(list)
        const sums = new OutcomeSums({ isSingle: false, margin: MARGIN, revision: 0 })
        for (let i = 0; i < feedback.length; i += size) {
          const page = feedback.slice(i, i + size)
          sums.read(page)
          sums.figures(page.at(-1)!.firstAt)
        }
        expect(sums.figures(LATER)).toEqual(figuresOf([feedback]))
      }),
      { numRuns: 50 }
    )
  })

  it('are the same for feedback that was withdrawn and for feedback that was never given', () => {
    fc.assert(
      fc.property(givenLists, fc.nat(), (list, which) => {
        const feedback = feedbackOf(list)
        const left = feedback.filter((_, i) => i !== which % Math.max(1, feedback.length))
        const renumbered = left.map((one, i) => ({ ...one, place: i + 1 }))
        expect(figuresOf([left])).toEqual(figuresOf([renumbered]))
      }),
      { numRuns: 50 }
    )
  })

  it('tell nothing while one side has no feedback for months', () => {
    const figures = figuresOf([single('lL'.repeat(20_000))], true)
    expect(figures).toMatchObject({ blocks: 0, bad: null, interval: [-1, 1], missing: null })
    expect(isHarmful(figures, 300)).toBe(false)
    expect(unsureText(figures)).toBe('not enough yet: no conversation of the audited side is rated')
  })

  it('tell nothing where an application sends bad ratings alone', () => {
    const figures = figuresOf([single('LA'.repeat(2_000))], true)
    expect(figures).toMatchObject({ blocks: 2_000, bad: { lora: 1, audit: 1 }, missing: null })
    expect(figures.rollback).toBeLessThan(0)
    expect(unsureText(figures)).toBe('no difference can be detected while all ratings are bad')
  })

  it('say how many more conversations tell a difference of one point', () => {
    const few = figuresOf([single('LalA'.repeat(50))], true)
    const more = figuresOf([single('LalA'.repeat(500))], true)
    // differences of ±1 have variance 1: 2 · (ln 40 + 1.6) / 0.01² blocks of two conversations
    expect(few.missing! + 200).toBeCloseTo(211_556, -3)
    expect(more.missing! + 2_000).toBeCloseTo(few.missing! + 200, -2)
    expect(unsureText(few)).toMatch(/^about 210,000 more rated conversations are needed/)
    expect(unsureText({ ...few, missing: 2e6 })).toMatch(/^more than 1,000,000 more rated/)
  })
})

/** All sequences of so many differences of −1, 0 and 1, with their chances. */
const meanCapital = (
  chances: readonly [number, number, number],
  length: number,
  bound: number
): number => {
  const capitals = (capital: Capital, chance: number, left: number): number => {
    if (left === 0) return chance * Math.exp(capital.evidence)
    return chances
      .map((each, i) => capitals(capital.after([i - 1]), chance * each, left - 1))
      .reduce((sum, value) => sum + value, 0)
  }
  return capitals(new Capital(bound), 1, length)
}

describe('the capital', () => {
  it('is 1 on average where the mean is the bound', () => {
    expect(meanCapital([0.1, 0.75, 0.15], 7, 0.05)).toBeCloseTo(1, 10)
    expect(meanCapital([0.3, 0.4, 0.3], 7, 0)).toBeCloseTo(1, 10)
    expect(meanCapital([0.2, 0.7, 0.1], 7, 0.05)).toBeLessThan(1)
  })

  it('is the same at once and one by one, over many starts', () => {
    const differences = Array.from({ length: 450 }, (_, i) => ((i * 7) % 11) / 11 - 0.4)
    let capital = new Capital(0.05)
    for (const difference of differences) capital = capital.after([difference])
    expect(new Capital(0.05).after(differences).evidence).toBeCloseTo(capital.evidence, 9)
  })

  it('finds a harm that begins after a long good time', () => {
    const good = Array.from({ length: 20_000 }, (_, i) => (i % 10 === 0 ? 0.5 : -0.1))
    const harmful = Array.from({ length: 300 }, (_, i) => (i % 10 < 4 ? 1 : 0))
    const capital = new Capital(0.05).after(good)
    expect(capital.evidence).toBeLessThan(0)
    expect(capital.after(harmful).evidence).toBeGreaterThan(Math.log(600))
  })

  it('stays finite at the ends', () => {
    for (const bound of [-0.999, 0, 0.999])
      for (const difference of [-1, 1]) {
        const { evidence } = new Capital(bound).after([difference, difference])
        expect(evidence).toSatisfy(Number.isFinite)
      }
  })
})

describe('the interval', () => {
  it('is everything before the first block, and narrows around the mean', () => {
    expect(differenceInterval(new Map(), 0.05)).toEqual([-1, 1])
    const [few, many] = [10, 1_000].map(
      (times) =>
      differenceInterval(new Map([[-1, times], [0, 5 * times], [1, 2 * times]]), 0.05) // prettier-ignore
    )
    expect(few![0]).toBeLessThan(many![0])
    expect(few![1]).toBeGreaterThan(many![1])
    expect(many![0]).toBeLessThan(0.125)
    expect(many![1]).toBeGreaterThan(0.125)
    expect(many![1] - many![0]).toBeLessThan(0.06)
  })
})
