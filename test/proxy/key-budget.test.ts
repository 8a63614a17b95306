/**
 * Whether a budget holds whatever a request claims: two hundred requests at once, and an upstream that
 * bills each as the dearest provider would that takes it.
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { Usage } from '../../src/openai/chat.ts'
import { requestCost } from '../../src/core/cost/prices.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  errorOf,
  eventually,
  respondEvents,
  respondJson,
  type RawAnswer,
  type UpstreamRequest,
} from '../kit/proxy/harness.ts'
import { keyFor, PRICES, secretFor, startKeyed, type Keyed } from '../kit/proxy/keyed.ts'

const BUDGET_USD = 5
const REQUESTS = 200
/** The model's own limit, `maxOutputTokens` of the price list. */
const LONGEST_ANSWER = 50
const MEDIUM_TOKENS = 800

let keyed: Keyed

afterEach(() => keyed.harness.close())

const start = async (): Promise<void> => {
  const budget = { usd: BUDGET_USD, period: 'total' } as const
  keyed = await startKeyed([keyFor('a', { budget })])
}

const bodyWith = (extra: Record<string, unknown>, content: unknown = 'hi'): string =>
  chatBody(content, { model: 'known-sizes', ...extra })

const headers = { authorization: `Bearer ${secretFor('a')}` }

const ask = (body: string | Buffer): Promise<RawAnswer> => keyed.harness.send(body, { headers })

interface Asked {
  n?: unknown
  max_tokens?: unknown
  max_completion_tokens?: unknown
  prediction?: unknown
  service_tier?: unknown
  web_search_options?: unknown
  modalities?: unknown
  messages: { content: unknown }[]
}

/** Of equal names the first or the last, whichever costs more. */
const readings = (text: string): Asked[] => {
  const first = text.replace(/(,"max_completion_tokens":\d+)(?=,)/, '')
  return [JSON.parse(text) as Asked, JSON.parse(first) as Asked]
}

const asCount = (value: unknown): number => Math.max(0, Math.trunc(Number(value ?? 0))) || 0

const media = ({ messages }: Asked): number =>
  messages
    .flatMap(({ content }) => (Array.isArray(content) ? (content as { type: string }[]) : []))
    .filter(({ type }) => type !== 'text').length

/** The count of the dearest provider: a token a byte, strings as numbers, invalid limits ignored. */
const usageFor = (body: Buffer): Usage => {
  const bytes = Buffer.byteLength(body.toString('utf8'))
  const usages = readings(body.toString('utf8')).map((asked) => {
    const limit = asCount(asked.max_completion_tokens) || asCount(asked.max_tokens)
    const answer = Math.min(limit || LONGEST_ANSWER, LONGEST_ANSWER)
    const written = answer * (asCount(asked.n) || 1)
    return usageOf(
      bytes + media(asked) * MEDIUM_TOKENS,
      asked.prediction ? written + bytes : written
    )
  })
  return usages.toSorted((a, b) => b.total_tokens - a.total_tokens)[0]!
}

const EXTRA_FACTOR = 3

const billFor = ({ body }: UpstreamRequest): number => {
  const [asked] = readings(body.toString('utf8'))
  const { service_tier: tier, web_search_options: search, modalities } = asked!
  const isDearer = tier === 'priority' || search !== undefined || modalities !== undefined
  return requestCost(PRICES[1]!, usageFor(body))! * (isDearer ? EXTRA_FACTOR : 1)
}

/** All that the upstream was asked, in dollars, and the dearest of it. */
const billed = (): { total: number; most: number } => {
  const bills = keyed.harness.upstream.requests.map(billFor)
  return { total: bills.reduce((sum, bill) => sum + bill, 0), most: Math.max(0, ...bills) }
}

const IMAGE = { type: 'image_url', text: '', image_url: { url: 'https://host/a.png' } }
const SOUND = { type: 'input_audio', text: '', input_audio: { data: 'AAAA', format: 'wav' } }

const one = { max_tokens: 1 }

/** The parameter that the refusal names; null where requests pass until the budget is used up. */
const WAYS: [name: string, body: string | Buffer, param: string | null][] = [
  ['an image that says it is text', bodyWith({}, [IMAGE]), 'messages.content.text'],
  ['a sound that says it is text', bodyWith({}, [SOUND]), 'messages'],
  ['a limit of 0', bodyWith({ max_completion_tokens: 0 }), 'max_completion_tokens'],
  ['a negative limit', bodyWith({ max_tokens: -5 }), 'max_tokens'],
  ['a limit in a string', bodyWith({ max_completion_tokens: '1' }), 'max_completion_tokens'],
  ['choices in a string', bodyWith({ ...one, n: '128' }), 'n'],
  ['many choices', bodyWith({ ...one, n: 100 }), null],
  ['no limit, and much reasoning', bodyWith({ reasoning_effort: 'high' }), null],
  [
    'a prediction that is billed as output',
    bodyWith({ ...one, prediction: { type: 'content', content: 'x'.repeat(200) } }),
    'prediction',
  ],
  ['a search in the web', bodyWith({ ...one, web_search_options: {} }), 'web_search_options'],
  ['a dearer tier', bodyWith({ ...one, service_tier: 'priority' }), 'service_tier'],
  ['an answer in sound', bodyWith({ ...one, modalities: ['text', 'audio'] }), 'modalities'],
  [
    'two limits of one name',
    bodyWith({ max_completion_tokens: 40, end: 1 }).replace('"end":1', '"max_completion_tokens":1'),
    null,
  ],
  ['a token a byte', bodyWith(one, '\u0001\u0002'.repeat(40)), null],
  [
    'bytes that become three',
    Buffer.from(bodyWith(one, 'x'.repeat(99)).replace(/x+/, '\xff'.repeat(99)), 'latin1'),
    null,
  ],
]

const event = (fields: Record<string, unknown>): string =>
  `data: ${JSON.stringify({ id: 'c', ...fields })}\n\n`

/** A stream with its usage. */
const EVENTS = [
  event({ choices: [{ index: 0, delta: { content: 'a' }, finish_reason: 'stop' }] }),
  event({ choices: [], usage: usageOf(9, 3) }),
  'data: [DONE]\n\n',
].join('')

describe.each(WAYS)('%s', (_, body, param) => {
  it('takes no more of a budget than one request, 200 at once', async () => {
    await start()
    keyed.harness.upstream.respond = (request, response) =>
      void setTimeout(
        () => respondJson({ ...completion('x'), usage: usageFor(request.body) })(request, response),
        20
      )
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => ask(body)))
    const { total, most } = billed()
    expect(total).toBeLessThanOrEqual(BUDGET_USD + most)
    expect(answers.every(({ status }) => [200, 400, 429].includes(status))).toBe(true)
    if (param === null) return
    expect(keyed.harness.upstream.requests).toEqual([])
    expect(answers[0]!.status).toBe(400)
    expect(errorOf(answers[0]!).param).toBe(param)
  })
})

const hangUp = (): Promise<unknown> =>
  keyed.harness
    .send(bodyWith({ stream: true }), {
      headers,
      onData: (request) => request.destroy(),
    })
    .catch(() => null)

describe('a stream that is hung up', () => {
  it('after its first chunk is charged in full: 200 take the budget and one request at most', async () => {
    await start()
    const chunk = event({ choices: [{ index: 0, delta: { content: 'a' } }] })
    keyed.harness.upstream.respond = respondEvents(chunk, { end: false })
    await Promise.all(Array.from({ length: REQUESTS }, hangUp))
    const { requests, aborted } = keyed.harness.upstream
    expect(aborted).toBe(requests.length)
    await eventually(() => keyed.spends.length === requests.length)
    const { total, most } = billed()
    expect(total).toBeLessThanOrEqual(BUDGET_USD + most)
    const bytes = bodyWith({ stream: true }).length
    expect(keyed.spends[0]!.usd).toBeCloseTo(bytes * 0.01 + LONGEST_ANSWER * 0.02)
  })

  it('after its last chunk is charged by the usage that the upstream reported', async () => {
    await start()
    keyed.harness.upstream.respond = respondEvents(EVENTS, { end: false })
    await hangUp()
    await eventually(() => keyed.spends.length === 1)
    expect(keyed.spends[0]).toMatchObject({ tokens: 12, usd: 0.15 })
  })
})

describe('a key with a budget', () => {
  it('must say how long an answer may be where the model`s longest is not known', async () => {
    await start()
    const refused = await ask(chatBody('hi'))
    expect(refused.status).toBe(400)
    expect(errorOf(refused)).toMatchObject({ param: 'max_completion_tokens' })
    expect(errorOf(refused).message).toContain('set max_completion_tokens')
    expect((await ask(bodyWith({}))).status).toBe(200)
  })

  it('may send images where the most that one takes is known, whatever their bytes', async () => {
    await start()
    const url = `data:image/png;base64,${'A'.repeat(700_000)}`
    const image = { type: 'image_url', image_url: { url, detail: 'low' } }
    expect((await ask(bodyWith({ max_tokens: 1 }, [image]))).status).toBe(200)
    const text = { type: 'text', text: url }
    expect((await ask(bodyWith({ max_tokens: 1 }, [text]))).status).toBe(429)
    const refused = await ask(chatBody([image], { max_tokens: 1 }))
    expect([refused.status, errorOf(refused).param]).toEqual([400, 'messages'])
  })

  const text = {
    type: 'output_text',
    text: '{"a":1}',
    annotations: [],
    logprobs: [],
    parsed: { a: 1 },
  }
  const question = { role: 'user', content: 'x' }
  it.each([
    ['a response as clients ask by default', { input: 'x', max_output_tokens: 5 }],
    [
      'a response to the items of an answer',
      {
        input: [
          {
            id: 'msg_1',
            type: 'message',
            role: 'assistant',
            status: 'completed',
            phase: 'final_answer',
            content: [text],
          },
          question,
        ],
        max_output_tokens: 5,
      },
    ],
    [
      'a chat with a message as `parse` gives it',
      {
        messages: [
          question,
          {
            role: 'assistant',
            content: '{"a":1}',
            refusal: null,
            annotations: [],
            audio: null,
            function_call: null,
            parsed: { a: 1 },
            tool_calls: [],
          },
          question,
        ],
        max_tokens: 5,
      },
    ],
  ])('may ask for %s', async (_, body) => {
    await start()
    const path = 'input' in body ? '/v1/responses' : '/v1/chat/completions'
    const sent = JSON.stringify({ model: 'known-sizes', ...body })
    const answer = await keyed.harness.send(sent, { headers, path })
    expect([answer.status, answer.status === 200 ? '' : answer.text]).toEqual([200, ''])
  })

  it('has its streams asked for usage, which a client that did not ask does not see', async () => {
    await start()
    keyed.harness.upstream.respond = respondEvents(EVENTS)
    expect((await ask(bodyWith({ stream: true }))).text).not.toContain('usage')
    expect(JSON.parse(keyed.harness.upstream.bodies()[0]!)).toMatchObject({
      stream_options: { include_usage: true },
    })
    await eventually(() => keyed.spends.length === 1)
    expect(keyed.spends[0]).toMatchObject({ tokens: 12, usd: 0.15 })
  })

  it('pays all that was reserved for an answer that says no usage', async () => {
    await start()
    const { usage: _, ...silent } = completion('short')
    keyed.harness.upstream.respond = respondJson(silent)
    const body = bodyWith({ max_tokens: 5 })
    await ask(body)
    await eventually(() => keyed.spends.length === 1)
    expect(keyed.spends[0]!.usd).toBeCloseTo(body.length * 0.01 + 0.1)
  })
})
