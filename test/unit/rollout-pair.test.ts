/** Pairs become a stream of losses: one conversation, one pair; a rating decides on a pair. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isAnswered,
  lossOf,
  PAIR_OUTCOMES,
  RATINGS,
  type JudgedPair,
  type PairOutcome,
  type Rating,
} from '../../src/core/rollout/pair.ts'
import { PairReader, type PairSums } from '../../src/core/rollout/pair-reader.ts'
import { evidenceFigures } from '../../src/core/rollout/stages.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const outcomesOf = (counts: Partial<PairSums['outcomes']>): PairSums['outcomes'] => ({
  agreed: 0,
  disagreed: 0,
  'upstream-differs': 0,
  'second-agrees': 0,
  'draft-agreed': 0,
  'draft-disagreed': 0,
  withheld: 0,
  fallback: 0,
  refused: 0,
  unusable: 0,
  ...counts,
})

/** A turn of a conversation. */
type Turn = Partial<JudgedPair> & Pick<JudgedPair, 'at'>

const pairsOf = (turns: Turn[]): JudgedPair[] =>
  turns.map((turn, i) => ({
    place: i + 1,
    conversation: 'a',
    outcome: 'agreed',
    drawn: 1,
    rating: null,
    confidence: -0.1,
    ...turn,
  }))

const readTurns = (turns: Turn[], pairsBefore = 0): PairReader => {
  const reader = new PairReader(false, pairsBefore)
  reader.read(pairsOf(turns))
  return reader
}

const countsOf = ({ stream: { pairs, losses } }: PairSums): [pairs: number, losses: number] => [
  pairs,
  losses,
]

describe('the loss of a pair', () => {
  const table: [PairOutcome, Record<'none' | Rating, -1 | 0 | 1>][] = [
    ['agreed', { none: 0, lora: 0, upstream: 1, both: 0, neither: 0 }],
    ['disagreed', { none: 1, lora: 0, upstream: 1, both: 0, neither: 0 }],
    ['upstream-differs', { none: 0, lora: 0, upstream: 1, both: 0, neither: 0 }],
    ['second-agrees', { none: -1, lora: 0, upstream: 1, both: 0, neither: 0 }],
  ]

  it.each(table)('that %s is decided by its rating, if it has one', (outcome, losses) => {
    for (const rating of [null, ...RATINGS])
      expect([rating, lossOf({ outcome, rating })]).toEqual([rating, losses[rating ?? 'none']])
  })

  it('does not exist where the lora would not have answered, or there is no pair', () => {
    expect(PAIR_OUTCOMES.filter((outcome) => !isAnswered({ outcome }))).toEqual([
      'draft-agreed',
      'draft-disagreed',
      'withheld',
      'fallback',
      'unusable',
    ])
  })
})

describe('pairs of a template without further turns', () => {
  it('count one by one, also those of one question', () => {
    const reader = new PairReader(true, 0)
    reader.read(
      pairsOf([
        { at: 1 },
        { at: 1, outcome: 'disagreed' },
        { at: 1, outcome: 'upstream-differs' },
        { at: 1, outcome: 'fallback' },
        { at: 1, outcome: 'unusable' },
      ])
    )
    const sums = reader.sums(1)
    expect(countsOf(sums)).toEqual([3, 1])
    expect(sums.outcomes).toEqual(
      outcomesOf({
        agreed: 1,
        disagreed: 1,
        'upstream-differs': 1,
        'second-agrees': 0,
        'draft-agreed': 0,
        'draft-disagreed': 0,
        withheld: 0,
        fallback: 1,
        unusable: 1,
      })
    )
    expect(reader.lastPlace).toBe(5)
  })

  it('count for the stage from its first pair on, as they are rated now', () => {
    const losses: Turn[] = Array.from({ length: 10 }, () => ({ at: 1, outcome: 'disagreed' }))
    const rated = losses.map((pair): Turn => ({ ...pair, rating: 'both' }))
    const kept: Turn[] = Array.from({ length: 20 }, () => ({ at: 2 }))
    const reader = new PairReader(true, 10)
    reader.read(pairsOf([...rated, ...kept, { at: 3, outcome: 'disagreed' }]))
    expect(reader.sums(3).inStage).toEqual({ pairs: 21, losses: 1, credits: 0 })
    expect(countsOf(reader.sums(3))).toEqual([31, 1])
  })

  it('are none of the stage before it has any', () => {
    const reader = new PairReader(true, 10)
    reader.read(pairsOf([{ at: 1, outcome: 'disagreed' }]))
    expect(reader.sums(1).inStage).toEqual({ pairs: 0, losses: 0, credits: 0 })
  })
})

describe('turns of a conversation', () => {
  it('are one pair with their mean loss, once it is over', () => {
    const reader = readTurns([
      { at: 0, outcome: 'disagreed' },
      { at: 10 * MINUTE },
      { at: 20 * MINUTE },
      { at: 25 * MINUTE, outcome: 'fallback' },
    ])
    expect(countsOf(reader.sums(50 * MINUTE))).toEqual([0, 0])
    expect(countsOf(reader.sums(50 * MINUTE + 1))).toEqual([1, 1 / 3])
    expect(reader.sums(0).outcomes).toEqual(outcomesOf({ agreed: 2, disagreed: 1, fallback: 1 }))
  })

  it('are another conversation after half an hour', () => {
    const reader = readTurns([
      { at: 0, outcome: 'disagreed' },
      { at: 30 * MINUTE },
      { at: 60 * MINUTE + 1 },
    ])
    expect(countsOf(reader.sums(60 * MINUTE + 1))).toEqual([1, 0.5])
    expect(countsOf(reader.sums(2 * HOUR))).toEqual([2, 0.5])
  })

  it('belong together by their key, and count in the order of their last turns', () => {
    const turns: Turn[] = [
      { at: 0, conversation: 'a', outcome: 'disagreed' },
      { at: 5 * MINUTE, conversation: 'b' },
      { at: 10 * MINUTE, conversation: 'a', outcome: 'disagreed' },
    ]
    expect(countsOf(readTurns(turns).sums(36 * MINUTE))).toEqual([1, 0])
    expect(countsOf(readTurns(turns).sums(41 * MINUTE))).toEqual([2, 1])
    expect(readTurns(turns, 1).sums(41 * MINUTE).inStage).toEqual({
      pairs: 1,
      losses: 1,
      credits: 0,
    })
  })

  it('count after a day, although the conversation goes on', () => {
    const turns = Array.from({ length: 100 }, (_, i): Turn => ({ at: i * 20 * MINUTE }))
    expect(countsOf(readTurns(turns).sums(99 * 20 * MINUTE))).toEqual([1, 0])
  })

  it('that are stored late still belong to a conversation that seemed to be over', () => {
    const reader = readTurns([{ at: 0 }])
    expect(countsOf(reader.sums(40 * MINUTE))).toEqual([1, 0])
    reader.read([{ ...pairsOf([{ at: 5 * MINUTE, outcome: 'disagreed' }])[0]!, place: 2 }])
    expect(countsOf(reader.sums(40 * MINUTE))).toEqual([1, 0.5])
  })

  it('end when a clock is set back or ahead', () => {
    const back = readTurns([{ at: 100 * HOUR, outcome: 'disagreed' }, { at: HOUR }])
    expect(countsOf(back.sums(HOUR))).toEqual([1, 1])
    expect(countsOf(back.sums(2 * HOUR))).toEqual([2, 1])
    const ahead = readTurns([{ at: HOUR, outcome: 'disagreed' }, { at: 9000 * HOUR }])
    expect(countsOf(ahead.sums(9000 * HOUR))).toEqual([1, 1])
    const time = readTurns([{ at: 100 * HOUR, outcome: 'disagreed' }])
    expect(countsOf(time.sums(HOUR))).toEqual([1, 1])
  })
})

describe('reading pairs', () => {
  const turn = fc.record({
    gap: fc.constantFrom(0, 1000, 10 * MINUTE, 31 * MINUTE, -5 * MINUTE, -2 * HOUR),
    conversation: fc.constantFrom('a', 'b', 'c', 'd'),
    outcome: fc.constantFrom(...PAIR_OUTCOMES),
    rating: fc.constantFrom(null, ...RATINGS),
  })
  const turns = fc.array(turn, { maxLength: 300 }).map((list) => {
    let at = 1000 * HOUR
    return pairsOf(list.map(({ gap, ...rest }) => ({ ...rest, at: (at += gap) })))
  })

  it('gives the same in pages with looks in between as all at once', () => {
    fc.assert(
      fc.property(
        turns,
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 60 }),
        (pairs, page, isSingle, pairsBefore) => {
          const [paged, whole] = [0, 1].map(() => new PairReader(isSingle, pairsBefore))
          for (let i = 0; i < pairs.length; i += page) {
            paged!.read(pairs.slice(i, i + page))
            // a look changes nothing, whatever the time is
            paged!.sums(pairs[i]!.at + 2 * HOUR)
          }
          whole!.read(pairs)
          const now = (pairs.at(-1)?.at ?? 0) + HOUR
          expect(paged!.sums(now)).toEqual(whole!.sums(now))
          expect(paged!.lastPlace).toBe(whole!.lastPlace)
        }
      )
    )
  })

  it('counts each loss once, and no conversation twice', () => {
    fc.assert(
      fc.property(turns, (pairs) => {
        const reader = new PairReader(false, 0)
        reader.read(pairs)
        const { stream, outcomes } = reader.sums(Infinity)
        const answered = pairs.filter(isAnswered)
        expect(Object.values(outcomes).reduce((sum, count) => sum + count, 0)).toBe(pairs.length)
        expect(stream.pairs).toBeLessThanOrEqual(answered.length)
        expect(stream.pairs).toBeGreaterThanOrEqual(
          new Set(answered.map(({ conversation }) => conversation)).size
        )
        const lost = answered.filter((pair) => lossOf(pair) === 1).length
        expect(stream.losses).toBeLessThanOrEqual(lost + 1e-9)
        if (lost === 0) expect(stream.losses).toBe(0)
      })
    )
  })
})

describe('the time of a rise', () => {
  it('is that of the start of the stream that has won most', () => {
    const reader = new PairReader(true, 0)
    const pairs = Array.from({ length: 700 }, (_, i): JudgedPair => ({
      place: i + 1,
      at: 1_000 * (i + 1),
      conversation: `chat-${i}`,
      outcome: i >= 400 && i % 4 === 0 ? 'disagreed' : 'agreed',
      drawn: 1,
      rating: null,
      confidence: -0.1,
    }))
    reader.read(pairs.slice(0, 50))
    const bounds = { margin: 0.05, proven: 0.03, least: 0 } as const
    expect(evidenceFigures(reader.sums(0), bounds).roseAt).toBeNull()
    reader.read(pairs.slice(50))
    expect(evidenceFigures(reader.sums(0), bounds).roseAt).toBe(400_000)
  })
})
