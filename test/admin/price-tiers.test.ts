/** What an answer costs in its tier: by the record, and in what was spent. */
import { describe, expect, it } from 'vitest'
import type { AdminDeps } from '../../src/admin/deps.ts'
import { batchCaptured, type CapturedExchange } from '../../src/core/log/exchange-batch.ts'
import { costUsd, type Price } from '../../src/core/cost/prices.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { openPage, TOKEN, type Page } from '../page/harness.ts'

const LONG = 200_000
const PRICE: Price = {
  model: 'tiered',
  asOf: '2026-11-20',
  input: 2,
  cachedInput: 1,
  output: 10,
  longContext: { aboveTokens: LONG, input: 4, cachedInput: 2, output: 15 },
  serviceTiers: {
    flex: { input: 1, cachedInput: 0.5, output: 5 },
    priority: { input: 4, cachedInput: 2, output: 20 },
  },
}

const usage = (prompt: number) => ({
  prompt_tokens: prompt,
  completion_tokens: 100,
  total_tokens: prompt + 100,
  prompt_tokens_details: { cached_tokens: 500 },
})

const completion = (tier: string | undefined, prompt = 1000) => ({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'tiered',
  choices: [{ index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: 'stop' }],
  usage: usage(prompt),
  service_tier: tier,
})

const streamed = (tier: string): string =>
  [
    { id: 'c', choices: [{ index: 0, delta: { content: 'a' } }], service_tier: tier },
    { id: 'c', choices: [], usage: usage(1000), service_tier: tier },
  ]
    .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
    .join('')

const response = (tier: string) => ({
  id: 'resp_1',
  object: 'response',
  status: 'completed',
  output: [],
  usage: { input_tokens: 1000, output_tokens: 100, input_tokens_details: { cached_tokens: 500 } },
  service_tier: tier,
})

const anthropic = (tier: string) => ({
  ...completion(undefined),
  usage: {
    input_tokens: 500,
    cache_read_input_tokens: 500,
    output_tokens: 100,
    service_tier: tier,
  },
})

/** Dollars of a million such answers: half of the thousand input tokens are cached. */
const [STANDARD, FLEX, PRIORITY] = [500 * 2 + 500 + 1000, 500 + 250 + 500, 2000 + 1000 + 2000]
const LONGER = 200_500 * 4 + 500 * 2 + 100 * 15

const ANSWERS: [what: string, answer: object | string, usdOfAMillion: number, path?: string][] = [
  ['no tier', completion(undefined), STANDARD],
  ['the default tier', completion('default'), STANDARD],
  ['flex', completion('flex'), FLEX],
  ['flex of a stream', streamed('flex'), FLEX],
  ['priority of a response', response('priority'), PRIORITY, '/v1/responses'],
  ['priority within the usage', anthropic('priority'), PRIORITY],
  ['a tier without a price', completion('scale'), STANDARD],
  ['a name of every object', completion('constructor'), STANDARD],
  ['no name', completion('a b\u0000'), STANDARD],
  ['more tokens than the limit', completion(undefined, LONG + 1000), LONGER],
  ['as many tokens as the limit', completion(undefined, LONG), 199_500 * 2 + 500 + 1000],
  // priority has no price of its own for more tokens
  ['more tokens in priority', completion('priority', LONG + 1000), 200_500 * 4 + 1000 + 2000],
]

const exchange = (index: number): CapturedExchange => {
  const [, answer, , path = '/v1/chat/completions'] = ANSWERS[index]!
  const { request, response: _, usage: __, ...head } = exampleRecord(index)
  const isStream = typeof answer === 'string'
  return {
    head: { ...head, model: 'tiered', path, status: 200, route: null },
    form: {
      kind: 'raw',
      contentType: isStream ? 'text/event-stream' : 'application/json',
      contentEncoding: '',
      complete: true,
    },
    request: Buffer.from(request),
    answer: [Buffer.from(isStream ? answer : JSON.stringify(answer))],
  }
}

const ask = async <T>(page: Page, path: string): Promise<T> => {
  const headers = { authorization: `Bearer ${TOKEN}` }
  return (await (await page.request(`/admin/api/${path}`, { headers })).json()) as T
}

const chargeOf: AdminDeps['costUsd'] = (model, counted) => costUsd([PRICE], model, counted)

describe('an answer in a tier', () => {
  it('costs what its tier and length cost, in its record and in what was spent', async () => {
    const prices = [PRICE]
    const page = await openPage({ prices, costUsd: chargeOf })
    try {
      await page.store.records.append(batchCaptured(ANSWERS.map((_, index) => exchange(index))))
      const { data } = await ask<{ data: { id: string; costUsd: number }[] }>(
        page,
        'records?order=asc&limit=50'
      )
      const shown = new Map(data.map((row) => [row.id, row.costUsd]))
      for (const [index, [what, , usd]] of ANSWERS.entries())
        expect(1e6 * shown.get(exampleRecord(index).id)!, what).toBeCloseTo(usd, 6)
      const { periods } = await ask<{ periods: { all: { spentUsd: number } } }>(page, 'savings')
      const all = ANSWERS.reduce((sum, [, , usd]) => sum + usd, 0)
      expect(1e6 * periods.all.spentUsd).toBeCloseTo(all, 6)
    } finally {
      await page.close()
    }
  })
})
