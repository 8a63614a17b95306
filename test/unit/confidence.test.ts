import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  confidenceOf,
  LogprobReader,
  readLogprobs,
  STATISTICS,
} from '../../src/core/route/confidence.ts'

const logprobs = fc.array(fc.double({ min: -20, max: 0, noNaN: true }), { maxLength: 40 })

const readerOf = (tokens: readonly number[]): LogprobReader => {
  const reader = new LogprobReader()
  for (const logprob of tokens) reader.add(logprob)
  return reader
}

/** By the definition, each window anew. */
const lowestWindow = (tokens: readonly number[]): number => {
  const width = Math.min(8, tokens.length)
  const means = tokens
    .slice(0, tokens.length - width + 1)
    .map((_, at) => tokens.slice(at, at + width).reduce((sum, one) => sum + one, 0) / width)
  return Math.min(...means)
}

describe('the confidence of an answer', () => {
  it('is the sum, the least, the mean, the lowest window or the first of its log-probabilities', () => {
    const tokens = [...Array.from({ length: 20 }, () => -0.5), -4]
    const read = readLogprobs(tokens)
    expect(confidenceOf('sum', read)).toBe(-14)
    expect(confidenceOf('min', read)).toBe(-4)
    expect(confidenceOf('mean', read)).toBeCloseTo(-14 / 21, 12)
    expect(confidenceOf('window', read)).toBeCloseTo((-0.5 * 7 - 4) / 8, 12)
    expect(confidenceOf('first', read)).toBe(-8)
  })

  it('is full without tokens, and none by a statistic of long answers where it is not long', () => {
    for (const statistic of STATISTICS) expect(new LogprobReader().confidence(statistic)).toBe(0)
    const short = { logprobSum: -1, logprobMin: -1, longLogprobs: null }
    expect(confidenceOf('sum', short)).toBe(-1)
    expect(confidenceOf('mean', short)).toBeNaN()
  })

  it('has the lowest window that its definition has', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -20, max: 0, noNaN: true }), { minLength: 1 }),
        (all) => {
          expect(readLogprobs(all).longLogprobs.window).toBeCloseTo(lowestWindow(all), 6)
        }
      )
    )
  })

  it('does not rise where it says so, so an unsure answer can be dropped at once', () => {
    fc.assert(
      fc.property(fc.constantFrom(...STATISTICS), logprobs, logprobs, (statistic, first, more) => {
        const before = readerOf(first)
        if (!before.canOnlyFall(statistic)) return
        const after = readerOf([...first, ...more]).confidence(statistic)
        expect(after).toBeLessThanOrEqual(before.confidence(statistic) + 1e-9)
      })
    )
  })
})
