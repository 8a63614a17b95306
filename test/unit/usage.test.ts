import { describe, expect, it } from 'vitest'
import { costUsd, requestCost, type Price } from '../../src/core/cost/prices.ts'
import { upstreamTokens } from '../../src/core/cost/template-traffic.ts'
import type { Usage } from '../../src/openai/chat.ts'
import { tokenCounts } from '../../src/openai/usage.ts'

const usageOf = (fields: Record<string, unknown>): Usage => fields as unknown as Usage

const NOTHING = { input: null, cachedInput: null, cacheWrite: null, output: null, reasoning: null }

/** The same exchange as each provider counts it: 1000 tokens read, 900 of them from the cache, 20 written. */
const CACHED = Object.entries({
  OpenAI: {
    prompt_tokens: 1000,
    completion_tokens: 20,
    prompt_tokens_details: { cached_tokens: 900, audio_tokens: 0 },
  },
  responses: {
    input_tokens: 1000,
    output_tokens: 20,
    input_tokens_details: { cached_tokens: 900 },
  },
  Anthropic: {
    input_tokens: 100,
    output_tokens: 20,
    cache_read_input_tokens: 900,
    cache_creation_input_tokens: 0,
  },
  'a gateway to Anthropic that adds up': {
    prompt_tokens: 1000,
    completion_tokens: 20,
    total_tokens: 1020,
    prompt_tokens_details: { cached_tokens: 0 },
    cache_read_input_tokens: 900,
  },
  'a gateway to Anthropic that does not': {
    prompt_tokens: 100,
    completion_tokens: 20,
    total_tokens: 120,
    cache_read_input_tokens: 900,
  },
  DeepSeek: {
    prompt_tokens: 1000,
    completion_tokens: 20,
    prompt_cache_hit_tokens: 900,
    prompt_cache_miss_tokens: 100,
  },
  Gemini: {
    prompt_token_count: 1000,
    candidates_token_count: 20,
    cached_content_token_count: 900,
  },
  Moonshot: { prompt_tokens: 1000, completion_tokens: 20, cached_tokens: 900 },
})

describe('the counts of a usage', () => {
  it.each(CACHED)(
    'peers 3.8: include cached tokens once, as %s counts them',
    (_provider, usage) => {
      expect(tokenCounts(usageOf(usage))).toMatchObject({
        input: 1000,
        cachedInput: 900,
        output: 20,
      })
    }
  )

  it('peers 3.8: include writes to the cache', () => {
    const written = { input_tokens: 50, output_tokens: 5, cache_creation_input_tokens: 2000 }
    expect(tokenCounts(usageOf(written))).toMatchObject({ input: 2050, cacheWrite: 2000 })
    const asTotal = {
      prompt_tokens: 3000,
      completion_tokens: 5,
      total_tokens: 5005,
      cache_creation_input_tokens: 2000,
    }
    expect(tokenCounts(usageOf(asTotal))).toMatchObject({ input: 5000, cacheWrite: 2000 })
    const contained = {
      prompt_tokens: 3000,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 2000 },
    }
    expect(tokenCounts(usageOf(contained))).toMatchObject({ input: 3000, cacheWrite: 2000 })
  })

  it('include reasoning in the output, which Gemini counts separately', () => {
    const openai = { completion_tokens: 70, completion_tokens_details: { reasoning_tokens: 50 } }
    const gemini = { candidates_token_count: 20, thoughts_token_count: 50 }
    for (const usage of [openai, gemini])
      expect(tokenCounts(usageOf(usage))).toMatchObject({ output: 70, reasoning: 50 })
  })

  it('peers 3.7: are null where the usage lacks them, and 0 where it has 0', () => {
    expect(tokenCounts(usageOf({}))).toEqual(NOTHING)
    const broken = { prompt_tokens: 'many', completion_tokens: -1, prompt_tokens_details: null }
    expect(tokenCounts(usageOf(broken))).toEqual(NOTHING)
    const zero = { prompt_tokens: 0, prompt_tokens_details: { cached_tokens: 0 } }
    expect(tokenCounts(usageOf(zero))).toEqual({ ...NOTHING, input: 0, cachedInput: 0 })
  })
})

/** At the prices below. */
const dollars = (tokens: Record<'plain' | 'cached' | 'written' | 'out', number>): number =>
  (tokens.plain * 2 + tokens.cached * 0.5 + tokens.written * 2.5 + tokens.out * 8) / 1e6

describe('the cost of an answer', () => {
  const price: Price = {
    model: 'large',
    asOf: '2026-11-01',
    input: 2,
    cachedInput: 0.5,
    cacheWrite: 2.5,
    output: 8,
  }
  it.each(CACHED)('peers 3.8: prices each token once, as %s counts them', (_provider, usage) => {
    const expected = dollars({ plain: 100, cached: 900, written: 0, out: 20 })
    expect(requestCost(price, usageOf(usage))).toBeCloseTo(expected, 12)
    const call = { at: 0, status: 200, route: null, usage: usageOf(usage) }
    expect(upstreamTokens([call])!.cacheHitShare).toBeCloseTo(0.9, 12)
  })

  it('peers 3.8: prices writes to the cache at their own price, else at that of the input', () => {
    const usage = usageOf({
      input_tokens: 50,
      output_tokens: 5,
      cache_read_input_tokens: 100,
      cache_creation_input_tokens: 2000,
    })
    const expected = dollars({ plain: 50, cached: 100, written: 2000, out: 5 })
    expect(requestCost(price, usage)).toBeCloseTo(expected, 12)
    const { cacheWrite: _, ...without } = price
    expect(requestCost(without, usage)).toBeCloseTo(
      dollars({ plain: 2050, cached: 100, written: 0, out: 5 }),
      12
    )
  })

  it('is unknown without usage, without one of its parts, or without a price', () => {
    const usage = usageOf({ prompt_tokens: 10, completion_tokens: 1 })
    expect(costUsd([price], 'large', usage)).toBeCloseTo(28e-6, 12)
    expect(costUsd([price], 'large', null)).toBeNull()
    expect(costUsd([price], 'other', usage)).toBeNull()
    expect(requestCost(price, usageOf({ prompt_tokens: 10 }))).toBeNull()
  })
})
