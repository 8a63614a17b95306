/** Audits that were drawn with different probabilities are thinned to an even sample. */
import { describe, expect, it } from 'vitest'
import { DAY_MS } from '../../src/core/days.ts'
import { CountedConversations, PairReader } from '../../src/core/rollout/pair-reader.ts'
import type { JudgedPair } from '../../src/core/rollout/pair.ts'
import { baselineOf } from '../../src/core/rollout/indicators.ts'
import { Thinning } from '../../src/core/rollout/thinning.ts'
import { RouteReader } from '../../src/worker/rollout/route-reader.ts'

const MINUTE_MS = 60_000

/** Share of so many audits at a part that is kept, after those of another part. */
const keptShare = (drawn: number, after: { drawn: number; agoMs: number }[], pairs = 4_000) => {
  const thinning = new Thinning()
  const at = 10 * DAY_MS
  after.forEach(({ agoMs, ...before }, i) =>
    thinning.keeps({ place: i + 1, at: at - agoMs, ...before })
  )
  const kept = Array.from({ length: pairs }, (_, i) =>
    thinning.keeps({ place: 1_000 + i, at, drawn })
  )
  return kept.filter(Boolean).length / pairs
}

describe('audits', () => {
  it('all count while they are drawn at one part, also at a small one', () => {
    expect([1, 0.5, 2 ** -10].map((drawn) => keptShare(drawn, []))).toEqual([1, 1, 1])
  })

  it('count at the rate of the smallest part of the day before', () => {
    expect(keptShare(1, [{ drawn: 0.25, agoMs: DAY_MS }])).toBeCloseTo(0.25, 1)
    expect(keptShare(0.5, [{ drawn: 0.125, agoMs: 1 }])).toBeCloseTo(0.25, 1)
  })

  it('all count again a day after the last one at a smaller part', () => {
    expect(keptShare(1, [{ drawn: 0.25, agoMs: DAY_MS + 1 }])).toBe(1)
  })

  it('all count at a part that is smaller than those before', () => {
    expect(keptShare(0.25, [{ drawn: 1, agoMs: 1 }])).toBe(1)
  })
})

/** Of 40 days, each: 200 audits before noon, and 50 after it, where a quarter of them is made. */
const daysOf = (outcomeAt: (isMorning: boolean) => JudgedPair['outcome']): JudgedPair[] =>
  Array.from({ length: 40 * 250 }, (_, i) => {
    const [day, number] = [Math.floor(i / 250), i % 250]
    const isMorning = number < 200
    const minute = isMorning ? number : 720 + number
    return {
      place: i + 1,
      at: day * DAY_MS + minute * MINUTE_MS,
      conversation: String(i),
      outcome: outcomeAt(isMorning),
      drawn: isMorning ? 1 : 0.25,
      rating: null,
      confidence: 0,
    }
  })

describe('evidence of audits at two parts', () => {
  it('has the hours of both in the same proportion as the traffic', () => {
    const reader = new PairReader(true, 0)
    reader.read(daysOf((isMorning) => (isMorning ? 'agreed' : 'disagreed')))
    const { stream, outcomes } = reader.sums(0)
    expect(outcomes.disagreed).toBe(2_000)
    // the first morning has no day before it
    expect(stream.losses).toBe(2_000)
    expect(stream.losses / stream.pairs).toBeGreaterThan(0.46)
    expect(stream.losses / stream.pairs).toBeLessThan(0.52)
  })

  it('has the questions of both in that proportion, too', () => {
    const sighting = { isFallback: false, confidence: null, chars: 1, isNewLabel: null, at: 0 }
    const reader = new RouteReader({
      isSingle: true,
      pairsBefore: 0,
      baseline: baselineOf([sighting]),
      borders: [0],
      countsFrom: -Infinity,
      parts: [],
      withheldShare: 0,
    })
    const traits = { ratedAt: null, isNewLabel: null, upstreamModel: null, parts: [] }
    reader.read(
      daysOf((isMorning) => (isMorning ? 'agreed' : 'fallback')).map((pair) => ({
        ...pair,
        ...traits,
        chars: 1,
      }))
    )
    const { requests, seen } = reader
      .figures(0)
      .indicators.find(({ indicator }) => indicator === 'fallbacks')!
    expect(seen).toBe(2_000)
    expect(seen / requests).toBeGreaterThan(0.46)
    expect(seen / requests).toBeLessThan(0.52)
  })

  it('counts a conversation as its first turn was drawn, with all of its turns', () => {
    const turns = daysOf(() => 'agreed').map((pair, i) => ({
      ...pair,
      conversation: String(Math.floor(i / 5)),
    }))
    const reader = new CountedConversations(false)
    const counted = turns.flatMap((pair) => reader.read(pair))
    expect(counted.length).toBeGreaterThan(600)
    expect(counted.length).toBeLessThan(1_100)
    expect(new Set(counted.map(({ turns: { length } }) => length))).toEqual(new Set([5]))
  })
})
