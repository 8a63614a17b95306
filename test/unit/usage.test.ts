import { describe, expect, it } from 'vitest'
import { costUsd, requestCost, type Price } from '../../src/core/cost/prices.ts'
import { upstreamTokens } from '../../src/core/cost/template-traffic.ts'
import type { Usage } from '../../src/openai/chat.ts'
import { tokenCounts } from '../../src/openai/usage/usage.ts'

type Fields = Record<string, unknown>

const usageOf = (fields: Fields): Usage => fields as unknown as Usage

const countsOf = (fields: Fields) => tokenCounts(usageOf(fields))

const NOTHING = { input: null, cachedInput: null, cacheWrite: null, output: null, reasoning: null }

const openai = (prompt: number, extra: Fields): Fields => ({
  prompt_tokens: prompt,
  completion_tokens: 20,
  total_tokens: prompt + 20,
  ...extra,
})
const messages = (input: number, extra: Fields): Fields => ({
  input_tokens: input,
  output_tokens: 20,
  ...extra,
})
const ADDED = { prompt_tokens_details: { cached_tokens: 0 }, cache_read_input_tokens: 900 }
const GEMINI = { prompt_token_count: 1000, candidates_token_count: 20 }

describe('counts that are none', () => {
  it.each([1e308, Infinity, -1, 1.5, 2e9, '7', null, {}, []])('are not read: %j', (value) => {
    expect(
      countsOf({ prompt_tokens: value, completion_tokens: value, cached_tokens: value })
    ).toEqual(NOTHING)
  })
})

/** The same exchange as each provider counts it: 1000 input, 900 of them cached, 20 output. */
const CACHED: [provider: string, usage: Fields][] = [
  ['OpenAI', openai(1000, { prompt_tokens_details: { cached_tokens: 900, audio_tokens: 0 } })],
  ['responses', messages(1000, { input_tokens_details: { cached_tokens: 900 } })],
  ['Anthropic', messages(100, { cache_read_input_tokens: 900, cache_creation_input_tokens: 0 })],
  ['a gateway to Anthropic that adds up', openai(1000, ADDED)],
  ['a gateway to Anthropic that does not', openai(100, { cache_read_input_tokens: 900 })],
  ['DeepSeek', openai(1000, { prompt_cache_hit_tokens: 900, prompt_cache_miss_tokens: 100 })],
  ['Gemini', { ...GEMINI, cached_content_token_count: 900 }],
  ['Moonshot', openai(1000, { cached_tokens: 900 })],
]

const PRICE: Price = {
  model: 'large',
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 0.5,
  cacheWrite: 2.5,
  output: 8,
}

/** At the prices above. */
const dollars = (tokens: Record<'plain' | 'cached' | 'written' | 'out', number>): number =>
  (tokens.plain * 2 + tokens.cached * 0.5 + tokens.written * 2.5 + tokens.out * 8) / 1e6

describe('a usage', () => {
  it.each(CACHED)('counts and prices cached tokens once, from %s', (_provider, fields) => {
    expect(countsOf(fields)).toMatchObject({ input: 1000, cachedInput: 900, output: 20 })
    const expected = dollars({ plain: 100, cached: 900, written: 0, out: 20 })
    expect(requestCost(PRICE, usageOf(fields))).toBeCloseTo(expected, 12)
    const call = { at: 0, status: 200, route: null, usage: usageOf(fields) }
    expect(upstreamTokens([call])!.cacheHitShare).toBeCloseTo(0.9, 12)
  })

  it.each([
    ['Anthropic', 2050, messages(50, { cache_creation_input_tokens: 2000 })],
    [
      'a gateway whose total adds them',
      5000,
      openai(3000, { total_tokens: 5020, cache_creation_input_tokens: 2000 }),
    ],
    [
      'OpenRouter',
      3000,
      openai(3000, { prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 2000 } }),
    ],
  ])('counts writes to the cache as input, from %s', (_provider, input, fields) => {
    expect(countsOf(fields)).toMatchObject({ input, cacheWrite: 2000 })
  })

  it.each([
    ['OpenAI', { completion_tokens: 70, completion_tokens_details: { reasoning_tokens: 50 } }],
    ['responses', { output_tokens: 70, output_tokens_details: { reasoning_tokens: 50 } }],
    ['Gemini, which excludes it', { candidates_token_count: 20, thoughts_token_count: 50 }],
  ])('counts reasoning as output, from %s', (_provider, fields) => {
    expect(countsOf(fields)).toMatchObject({ output: 70, reasoning: 50 })
  })

  it('has null for a missing or invalid count, and 0 for 0', () => {
    expect(countsOf({})).toEqual(NOTHING)
    const broken = { prompt_tokens: 'many', completion_tokens: -1, prompt_tokens_details: null }
    expect(countsOf(broken)).toEqual(NOTHING)
    const zero = { prompt_tokens: 0, prompt_tokens_details: { cached_tokens: 0 } }
    expect(countsOf(zero)).toEqual({ ...NOTHING, input: 0, cachedInput: 0 })
  })

  it('prices writes to the cache like input when they have no price', () => {
    const cache = { cache_read_input_tokens: 100, cache_creation_input_tokens: 2000 }
    const usage = usageOf(messages(50, cache))
    const tokens = { plain: 50, cached: 100, written: 2000, out: 20 }
    expect(requestCost(PRICE, usage)).toBeCloseTo(dollars(tokens), 12)
    const { cacheWrite: _, ...without } = PRICE
    const asInput = dollars({ ...tokens, plain: 2050, written: 0 })
    expect(requestCost(without, usage)).toBeCloseTo(asInput, 12)
  })

  it('has no price without usage, without one of its counts, or for another model', () => {
    const usage = usageOf({ prompt_tokens: 10, completion_tokens: 1 })
    expect(costUsd([PRICE], 'large', usage)).toBeCloseTo(28e-6, 12)
    expect(costUsd([PRICE], 'large', null)).toBeNull()
    expect(costUsd([PRICE], 'other', usage)).toBeNull()
    expect(requestCost(PRICE, usageOf({ prompt_tokens: 10 }))).toBeNull()
  })
})
