/** The sums of a stream of pairs depend on the pairs alone, not on when they were read. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type JudgedPair, type PairOutcome } from '../../src/core/rollout/pair.ts'
import { PairReader } from '../../src/core/rollout/pair-reader.ts'

const NOON = 1_800_000_000_000
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const pair = (place: number, at: number, changes: Partial<JudgedPair> = {}): JudgedPair => ({
  place,
  at,
  conversation: `conversation ${place}`,
  outcome: 'agreed',
  drawn: 1,
  rating: null,
  confidence: -0.1,
  ...changes,
})

interface Step {
  conversation: number
  outcome: PairOutcome
  /** since the pair before */
  passedMs: number
  /** whether a worker looks at the sums after this pair */
  isLookedAt: boolean
}

const OUTCOMES: PairOutcome[] = ['agreed', 'disagreed', 'upstream-differs', 'fallback', 'unusable']

const steps = fc.array(
  fc.record<Step>({
    conversation: fc.nat(12),
    outcome: fc.constantFrom(...OUTCOMES),
    passedMs: fc.oneof(
      { weight: 20, arbitrary: fc.nat(20 * MINUTE_MS) },
      // the clock is set ahead, and back
      { weight: 1, arbitrary: fc.constantFrom(DAY_MS, -DAY_MS) }
    ),
    isLookedAt: fc.boolean(),
  }),
  { minLength: 100, maxLength: 400, size: 'max' }
)

const pairsOf = (made: Step[]): JudgedPair[] => {
  let at = NOON
  return made.map(({ conversation, outcome, passedMs }, index) => {
    at += passedMs
    return pair(index + 1, at, { conversation: String(conversation), outcome })
  })
}

describe('pairs of conversations', () => {
  it('have the same sums when they are read again after a crash', () => {
    fc.assert(
      fc.property(steps, fc.nat(2 * DAY_MS), (made, later) => {
        const pairs = pairsOf(made)
        const living = new PairReader(false, 0)
        for (const [index, one] of pairs.entries()) {
          living.read([one])
          if (made[index]!.isLookedAt) living.sums(one.at + ((later + index) % 40) * MINUTE_MS)
        }
        const restarted = new PairReader(false, 0)
        restarted.read(pairs)
        const now = (pairs.at(-1)?.at ?? NOON) + later
        expect(living.sums(now)).toEqual(restarted.sums(now))
      })
    )
  })

  it('count once each, all of them, when they are over', () => {
    fc.assert(
      fc.property(steps, (made) => {
        const reader = new PairReader(false, 0)
        const pairs = pairsOf(made)
        reader.read(pairs)
        const answered = pairs.filter(({ outcome }) => OUTCOMES.indexOf(outcome) < 3)
        const { stream, outcomes } = reader.sums(NOON + 1_000 * DAY_MS)
        expect(stream.pairs).toBeLessThanOrEqual(answered.length)
        expect(stream.pairs).toBeGreaterThanOrEqual(
          new Set(answered.map(({ conversation }) => conversation)).size
        )
        expect(Object.values(outcomes).reduce((a, b) => a + b)).toBe(pairs.length)
      })
    )
  })

  it('count as the mean of their turns', () => {
    const reader = new PairReader(false, 0)
    const turn = (place: number, outcome: PairOutcome) =>
      pair(place, NOON + place * MINUTE_MS, { conversation: 'a', outcome })
    reader.read([turn(1, 'agreed'), turn(2, 'disagreed'), turn(3, 'agreed'), turn(4, 'agreed')])
    expect(reader.sums(NOON + 10 * MINUTE_MS).stream).toMatchObject({
      pairs: 0,
      losses: 0,
      credits: 0,
    })
    expect(reader.sums(NOON + DAY_MS).stream).toMatchObject({ pairs: 1, losses: 0.25, credits: 0 })
  })

  it('that are open keep no memory when later ones are read', () => {
    const reader = new PairReader(false, 0)
    for (let place = 1; place <= 1_000; place++)
      reader.read([pair(place, NOON + place * MINUTE_MS, { conversation: `${place}` })])
    const { conversations } = reader as unknown as {
      conversations: { conversations: { open: Map<string, unknown> }; kept: Set<number> }
    }
    expect(conversations.conversations.open.size).toBeLessThan(40)
    expect(conversations.kept.size).toBeLessThan(40)
  })
})
