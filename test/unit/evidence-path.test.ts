/** The path of a rollout's evidence ends where the figures of its report are. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evidencePath } from '../../src/core/rollout/evidence-path.ts'
import { lossOf, type WatchedPair } from '../../src/core/rollout/pair.ts'
import { NO_STREAMS, oneOf, PairReader, withLosses } from '../../src/core/rollout/pair-reader.ts'
import { evidenceFigures } from '../../src/core/rollout/stages.ts'
import { countedConversations } from '../../src/lifecycle/read-evidence-path.ts'
import { seededRandom } from '../../src/random.ts'
import type { PairStore } from '../../src/store/store.ts'

const BOUNDS = { margin: 0.05, proven: 0.04, least: 0 } as const

const countedOf = (losses: readonly number[]) =>
  losses.map((loss, i) => ({ loss, at: 1_000 * (i + 1) }))

/** As the worker sums them in the last of the stages. */
const figuresOf = (losses: readonly number[], pairsBefore: number) => {
  let streams = NO_STREAMS
  for (const { loss, at } of countedOf(losses))
    streams = withLosses(streams, { pairs: 1, losses: loss, credits: 0 }, at, pairsBefore)
  return evidenceFigures(streams, BOUNDS)
}

const losses = fc.array(fc.constantFrom(0, 0, 0, 0, 0, 0.5, 1), {
  minLength: 1,
  maxLength: 700,
  size: 'max',
})

describe('the path of the evidence', () => {
  it('is empty without a conversation', () => {
    expect(evidencePath([], BOUNDS, [0])).toEqual([])
  })

  it('ends with the figures of all conversations, whatever stages there were', () => {
    const starts = fc.array(fc.nat(750), { maxLength: 40 })
    fc.assert(
      fc.property(losses, starts, (list, stages) => {
        const figures = figuresOf(list, stages.at(-1) ?? 0)
        const last = evidencePath(countedOf(list), BOUNDS, stages).at(-1)!
        expect(last.pairs).toBe(figures.pairs)
        expect(last.at).toBe(1_000 * list.length)
        expect(last.loss).toBeCloseTo(figures.losses / figures.pairs, 9)
        expect(last.rollback).toBeCloseTo(figures.rollback, 9)
        expect(last.step).toBeCloseTo(figures.step, 9)
      })
    )
  })

  it('has at most 200 points, each later than the one before it, and each with the figures of its moment', () => {
    fc.assert(
      fc.property(losses, (list) => {
        const path = evidencePath(countedOf(list), BOUNDS, [0])
        expect(path.length).toBe(Math.min(200, list.length))
        for (const [i, point] of path.entries()) {
          if (i > 0) expect(point.pairs).toBeGreaterThan(path[i - 1]!.pairs)
          if (i % 50 > 0) continue
          const figures = figuresOf(list.slice(0, point.pairs), 0)
          expect(point.rollback).toBeCloseTo(figures.rollback, 9)
          expect(point.step).toBeCloseTo(figures.step, 9)
        }
      }),
      { numRuns: 30 }
    )
  })

  it('shows the capital that opened a stage, and that it begins anew', () => {
    const path = evidencePath(countedOf(Array<number>(1_000).fill(0)), BOUNDS, [0, 163, 800])
    const at = (pairs: number) => path.find((point) => point.pairs === pairs)!
    expect(path.length).toBeLessThanOrEqual(200)
    expect(at(162).step).toBeGreaterThan(5)
    expect(at(163).step).toBe(0)
    expect(at(799).step).toBeGreaterThan(20)
    expect(at(800).step).toBe(0)
  })

  it('is of the stage that a route entered when it went live again', () => {
    const list = Array<number>(300).fill(0)
    const again = evidencePath(countedOf(list), BOUNDS, [0, 163, 0])
    expect(again.at(-1)!.step).toBeCloseTo(figuresOf(list, 0).step, 9)
    expect(again).toEqual(evidencePath(countedOf(list), BOUNDS, [0]))
  })
})

/** Turns of conversations, or requests that have a key of their own each. */
const pairsOf = (count: number, conversations: number): WatchedPair[] => {
  const random = seededRandom(5)
  let at = 1_800_000_000_000
  return Array.from({ length: count }, (_, i) => {
    at += Math.floor(random() * 120_000)
    return {
      place: i + 1,
      at,
      conversation: String(conversations === 0 ? i : Math.floor(random() * conversations)),
      outcome: (['agreed', 'agreed', 'disagreed', 'fallback'] as const)[Math.floor(random() * 4)]!,
      drawn: 1,
      rating: null,
      ratedAt: null,
      confidence: -0.1,
      chars: 20,
      isNewLabel: null,
      upstreamModel: null,
      parts: [],
    }
  })
}

const storeOf = (pairs: readonly WatchedPair[]) => ({
  pairs: {
    since: async (_lora: string, place: number, limit: number) =>
      pairs.filter((pair) => pair.place > place).slice(0, limit),
  } as PairStore,
})

describe('the conversations that count', () => {
  it.each([0, 40])('are those of the report, read in pages, with %d keys', async (keys) => {
    const pairs = pairsOf(12_345, keys)
    const reader = new PairReader(keys === 0, 0)
    reader.read(pairs)
    const { stream } = reader.sums(pairs.at(-1)!.at + 60_000)
    const asked = { count: stream.pairs, isJudged: false }
    let streams = NO_STREAMS
    for await (const { turns, at } of countedConversations(storeOf(pairs), 'lora', asked))
      streams = withLosses(streams, oneOf(turns.map(lossOf)), at, 0)
    expect(streams.stream).toEqual(stream)
    expect(stream.pairs).toBeGreaterThan(500)
  })
})
