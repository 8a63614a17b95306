/** A part of a route that is mostly wrong is withheld, and the others stay. */
import { describe, expect, it } from 'vitest'
import { PartReader, type PartPair } from '../../src/core/rollout/withheld.ts'
import type { PairOutcome } from '../../src/core/rollout/pair.ts'
import type { RoutePart } from '../../src/core/route/parts.ts'
import { seededRandom } from '../../src/random.ts'
import { RouteReader } from '../../src/worker/rollout/route-reader.ts'

const LABELS = Array.from({ length: 77 }, (_, i) => i)
const PARTS = [
  ...LABELS.map((i): RoutePart => ({ kind: 'answer', name: `label ${i}`, share: 1 / 77 })),
  ...['plan=pro', 'plan=free'].map((name): RoutePart => ({ kind: 'request', name, share: 0.5 })),
]
const [PRO, FREE] = [77, 78]
const CAPITAL = 300

const pairOf = (outcome: PairOutcome, parts: number[], isNewLabel = false): PartPair => ({
  outcome,
  parts,
  rating: null,
  isNewLabel,
})

const readerOf = (pairs: readonly PartPair[]): PartReader => {
  const reader = new PartReader(PARTS)
  for (const pair of pairs) reader.read([pair])
  return reader
}

const times = (count: number, outcome: PairOutcome, parts = [0]): PartPair[] =>
  Array.from({ length: count }, () => pairOf(outcome, parts))

/** Every fifth answer is wrong: a quarter may be. */
const mixed = (isNewLabel: boolean): PartPair[] =>
  Array.from({ length: 400 }, (_, i) =>
    i % 5 === 0 ? pairOf('disagreed', [0], isNewLabel) : pairOf('agreed', [0])
  )

describe('a part', () => {
  it('is withheld after some twenty wrong answers, also after many right ones', () => {
    expect(readerOf(times(5, 'disagreed')).wrong(CAPITAL, 0)).toEqual([])
    const [wrong] = readerOf(times(20, 'disagreed')).wrong(CAPITAL, 0)
    const counts = { pairs: 20, losses: 20, credits: 0 }
    expect(wrong).toMatchObject({ kind: 'answer', name: 'label 0', ...counts })
    expect(wrong!.capital).toBeGreaterThanOrEqual(Math.log(CAPITAL * PARTS.length))
    const later = [...times(60, 'agreed'), ...times(60, 'disagreed')]
    expect(readerOf(later).wrong(CAPITAL, 0)).toHaveLength(1)
  })

  it('needs as much capital as all parts share', () => {
    const pairs = times(11, 'disagreed')
    const alone = new PartReader(PARTS.slice(0, 1))
    for (const pair of pairs) alone.read([pair])
    expect(alone.wrong(CAPITAL, 0)).toHaveLength(1)
    expect(readerOf(pairs).wrong(CAPITAL, 0)).toEqual([])
  })

  it('is withheld earlier where the upstream gives labels that are new', () => {
    expect(readerOf(mixed(false)).wrong(CAPITAL, 0)).toEqual([])
    const [wrong, ...others] = readerOf(mixed(true)).wrong(CAPITAL, 0)
    expect(others).toEqual([])
    expect(wrong).toMatchObject({ name: 'label 0', pairs: 400, losses: 80 })
  })

  it('is a kind of requests, whatever the answers to them are', () => {
    const pairs = LABELS.flatMap((label) => [
      pairOf('disagreed', [label, PRO]),
      ...times(9, 'agreed', [label, FREE]),
    ])
    const [wrong, ...others] = readerOf(pairs).wrong(CAPITAL, 0)
    expect(others).toEqual([])
    expect(wrong).toMatchObject({ kind: 'request', name: 'plan=pro', pairs: 77, losses: 77 })
  })

  it('has one pair of a conversation, with the mean loss of its turns that are of the part', () => {
    const reader = new PartReader(PARTS)
    for (let i = 0; i < 12; i++)
      reader.read([pairOf('disagreed', [0]), pairOf('agreed', [1]), pairOf('disagreed', [0])])
    expect(reader.wrong(10, 0)).toMatchObject([{ name: 'label 0', pairs: 12, losses: 12 }])
  })

  it('is not withheld where a person says that the answers are right, nor for another plan', () => {
    const rated = times(50, 'disagreed').map((pair) => ({ ...pair, rating: 'lora' as const }))
    expect(readerOf(rated).wrong(CAPITAL, 0)).toEqual([])
    expect(readerOf(times(50, 'disagreed', [PARTS.length])).wrong(CAPITAL, 0)).toEqual([])
    expect(readerOf(times(50, 'disagreed', [])).wrong(CAPITAL, 0)).toEqual([])
  })

  it('that is wrong in a quarter of the cases is seldom withheld, of all parts together', () => {
    const random = seededRandom(7)
    let withheld = 0
    const ROUTES = 60
    for (let route = 0; route < ROUTES; route++) {
      const reader = new PartReader(PARTS)
      for (let i = 0; i < 77 * 60; i++)
        reader.read([pairOf(random() < 0.25 ? 'disagreed' : 'agreed', [i % 77, PRO + (i % 2)])])
      if (reader.wrong(CAPITAL, 0).length > 0) withheld++
    }
    expect(withheld).toBeLessThanOrEqual(1)
  })
})

/** @param minutes between two pairs */
const wrongOf = (outcome: PairOutcome, isSingle: boolean, minutes: number) => {
  const reader = new RouteReader({
    isSingle,
    pairsBefore: 0,
    baseline: null,
    borders: [0],
    countsFrom: -Infinity,
    parts: PARTS,
    withheldShare: 0,
  })
  const said = { ratedAt: null, confidence: 0, chars: 1, isNewLabel: null, upstreamModel: null }
  const drawn = { ...said, ...pairOf(outcome, [0]), conversation: 'one', drawn: 1 }
  reader.read(
    Array.from({ length: 200 }, (_, i) => ({ ...drawn, place: i + 1, at: i * minutes * 60_000 }))
  )
  return reader.wrongParts(CAPITAL, 0)
}

describe('the pairs of a route', () => {
  it('count for their parts where the lora would have answered', () => {
    expect(wrongOf('disagreed', true, 1)).toMatchObject([{ pairs: 200 }])
    expect(wrongOf('draft-disagreed', true, 1)).toEqual([])
    expect(wrongOf('withheld', true, 1)).toEqual([])
  })

  it('are one for all requests of a conversation', () => {
    expect(wrongOf('disagreed', false, 1)).toEqual([])
    // half an hour later it is another one
    expect(wrongOf('disagreed', false, 31)).toMatchObject([{ pairs: 199 }])
  })
})
