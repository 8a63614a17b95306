/** A route that another model of the upstream answers, with the client's own bytes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NamedUpstream } from '../../src/core/upstream-choice.ts'
import { templateKeyOf } from '../../src/core/match/match.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import type { Route } from '../../src/core/route/route.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { completion } from '../kit/records/completion.ts'
import { kindsWith } from '../kit/records/route-rules.ts'
import type { KeyLimits } from '../../src/core/keys/issued-key.ts'
import { keyFor, secretFor, startKeyed, UPSTREAM_KEY, type Keyed } from '../kit/proxy/keyed.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { TEMPLATE } from '../kit/proxy/lora-route.ts'
import {
  AUTHORIZATION,
  chatBody,
  eventually,
  LIMITS,
  NO_FAILOVER,
  respondEvents,
  respondJson,
  startHarness,
  startUpstream,
  UNMATCHED_BODY,
  type FakeUpstream,
  type Harness,
  type RawAnswer,
  type Responder,
  type UpstreamRequest,
} from '../kit/proxy/harness.ts'

const LORA = 'model:cheap:12345678'
const REASON = 'x-promptintern-reason'

const cheapRoute = (route: Partial<Route> = {}): Partial<Route> => ({
  lora: LORA,
  model: { name: 'cheap', hasLogprobs: false },
  threshold: 0,
  templateTokens: 0,
  ...route,
})

const withLogprobs = { model: { name: 'cheap', hasLogprobs: true }, threshold: -1 }

const modelOf = (body: string): string => (JSON.parse(body) as { model: string }).model

/** By the model that is asked. */
const byModel =
  (cheap: Responder, other: Responder = respondJson(completion('from the upstream'))): Responder =>
  (request, response) =>
    (modelOf(request.body.toString()) === 'cheap' ? cheap : other)(request, response)

interface Choice {
  message?: object
  logprobs?: object | null
  finish_reason?: string
}

const cheapAnswer = (changed: Choice = {}) => {
  const answer = completion('from the cheap one')
  const [choice] = answer.choices
  return { ...answer, id: 'chatcmpl-cheap', choices: [{ ...choice!, ...changed }] }
}

const CHEAP = respondJson(cheapAnswer())

const tokens = (...logprobs: number[]) => ({
  content: logprobs.map((logprob, i) => ({ token: `t${i}`, logprob, bytes: null })),
  refusal: null,
})

const events = (...chunks: object[]): string =>
  [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]']
    .map((data) => `data: ${data}\n\n`)
    .join('')

const chunk = (delta: object, finishReason: string | null) => ({
  id: 'chatcmpl-cheap',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'cheap-2026',
  choices: [{ index: 0, delta, finish_reason: finishReason }],
})

const STREAM = events(
  chunk({ role: 'assistant', content: 'from the ' }, null),
  chunk({ content: 'cheap one' }, null),
  chunk({}, 'stop'),
  {
    ...chunk({}, null),
    choices: [],
    usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  }
)

let harness: Harness

const accept = async (): Promise<void> => {
  await harness.send(UNMATCHED_BODY)
  harness.upstream.requests.length = 0
}

const start = async (
  overrides: Partial<ProxyDeps> = {},
  route: Partial<Route> = {}
): Promise<void> => {
  harness = await startHarness({ ...withLora({}, cheapRoute(route)), ...overrides })
  harness.upstream.respond = byModel(CHEAP)
  await accept()
}

const restart = async (...given: Parameters<typeof start>): Promise<void> => {
  await harness.close()
  await start(...given)
}

const BODY = chatBody('where is my card')
const asked = (body: string): string => body.replace('"gpt-4o-mini"', '"cheap"')

const contentOf = ({ text }: RawAnswer): unknown =>
  (JSON.parse(text) as { choices: { message: { content: unknown } }[] }).choices[0]!.message.content

/** The original request was answered by its own model, and nothing of the other one is seen. */
const expectFallback = (answer: RawAnswer, body: string, reason: string): void => {
  expect(answer.headers[REASON]).toBe(reason)
  expect(answer.status).toBe(200)
  expect(answer.text).not.toContain('cheap one')
  expect(answer.text).not.toContain('chatcmpl-cheap')
  expect(harness.upstream.bodies().at(-1)).toBe(body)
  expect(JSON.stringify(answer.rawHeaders)).not.toContain('x-of-cheap')
}

beforeEach(() => start())
afterEach(() => harness.close())

describe('a route of another model', () => {
  it('sends the bytes of the client with the name of the model in them, and gives the answer', async () => {
    const spaced = BODY.replace('"model"', ' "model" ').replace('}]', '} ]')
    const answer = await harness.send(spaced, { headers: { 'idempotency-key': 'one' } })
    expect(JSON.parse(answer.text)).toMatchObject({
      model: 'cheap',
      choices: [{ message: { content: 'from the cheap one' }, logprobs: null }],
      usage: { prompt_tokens: 9, completion_tokens: 3 },
    })
    expect(answer.headers).toMatchObject({
      'x-promptintern-route': 'answered',
      'x-promptintern-lora': LORA,
      'x-promptintern-prompt-tokens-saved': '0',
    })
    expect(harness.upstream.bodies()).toEqual([asked(spaced)])
    const [{ headers }] = harness.upstream.requests as [UpstreamRequest]
    expect(headers['authorization']).toBe(AUTHORIZATION)
    expect(headers['idempotency-key']).toBeUndefined()
  })

  it('answers a stream with a stream, and knows its usage', async () => {
    harness.upstream.respond = byModel(respondEvents(STREAM))
    const body = chatBody('where is my card', { stream: true })
    const answer = await harness.send(body)
    expect(answer.headers['content-type']).toContain('text/event-stream')
    const pieces = answer.text.matchAll(/"content":"([^"]*)"/g)
    expect([...pieces].map(([, piece]) => piece).join('')).toBe('from the cheap one')
    expect(answer.text).not.toContain('"usage":{')
    const [sent] = harness.upstream.bodies().map((text) => JSON.parse(text) as object)
    expect(sent).toEqual({
      ...(JSON.parse(asked(body)) as object),
      stream_options: { include_usage: true },
    })
    const [record] = (await harness.records()).slice(-1)
    expect(record!.usage).toMatchObject({ completion_tokens: 3 })
  })

  it('gives calls of functions as calls', async () => {
    const tools = [{ type: 'function', function: { name: 'block', parameters: {} } }]
    const call = { id: 'call_1', type: 'function', function: { name: 'block', arguments: '{}' } }
    const message = { role: 'assistant', content: null, tool_calls: [call] }
    const body = chatBody('where is my card', { tools })
    const request = JSON.parse(body) as ChatRequest
    const template = { ...TEMPLATE, tools: templateKeyOf(request, { tenant: '' }).tools }
    await restart({}, { template })
    harness.upstream.respond = byModel(
      respondJson(cheapAnswer({ message, finish_reason: 'tool_calls' }))
    )
    const answer = await harness.send(body)
    expect(answer.headers['x-promptintern-route']).toBe('answered')
    expect(JSON.parse(answer.text)).toMatchObject({
      choices: [
        {
          message: { tool_calls: [{ function: { name: 'block', arguments: '{}' } }] },
          finish_reason: 'tool_calls',
        },
      ],
    })
  })
})

const cut: Responder = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 999 })
  response.write('{"id":')
  response.destroy()
}

describe('the original model answers', () => {
  it.each<[string, string, Responder]>([
    ['is not there', 'engine-error', respondJson({ error: { message: 'cheap one' } }, 404)],
    ['is refused to the key', 'engine-error', respondJson({ error: {} }, 401)],
    ['has no room', 'engine-error', respondJson({ error: {} }, 429, { 'x-of-cheap': '1' })],
    ['fails', 'engine-error', respondJson({ error: {} }, 500)],
    ['refuses the request', 'engine-refused', respondJson({ error: {} }, 400)],
    ['breaks off', 'engine-error', cut],
    ['gives no completion', 'engine-error', respondJson({ cheap: 'one' })],
    ['gives no JSON', 'engine-error', respondEvents('<html>cheap one')],
    ['was cut off', 'length', respondJson(cheapAnswer({ finish_reason: 'length' }))],
    ['is filtered', 'deferred', respondJson(cheapAnswer({ finish_reason: 'content_filter' }))],
    [
      'refuses in words',
      'deferred',
      respondJson(cheapAnswer({ message: { content: null, refusal: 'cheap one' } })),
    ],
  ])('where the other one %s', async (_why, reason, cheap) => {
    harness.upstream.respond = byModel(cheap)
    expectFallback(await harness.send(BODY), BODY, reason)
    expect(harness.upstream.bodies()).toEqual([asked(BODY), BODY])
    const [record] = (await harness.records()).slice(-1)
    expect(record!.route).toMatchObject({ outcome: 'fallback', reason, lora: LORA })
    expect(record!.response).not.toContain('cheap one')
  })

  it.each<[string, string]>([
    ['ends without its end', STREAM.replace('data: [DONE]\n\n', '')],
    ['has an error in it', 'data: {"error":{"message":"cheap one"}}\n\ndata: [DONE]\n\n'],
  ])('with its own stream where the stream of the other one %s', async (_why, text) => {
    const own = events(chunk({ role: 'assistant', content: 'from the upstream' }, 'stop')).replace(
      'chatcmpl-cheap',
      'chatcmpl-own'
    )
    harness.upstream.respond = byModel(respondEvents(text), respondEvents(own))
    const body = chatBody('where is my card', { stream: true })
    const answer = await harness.send(body)
    expectFallback(answer, body, 'engine-error')
    expect(answer.text).toBe(own)
  })

  it('where the other one takes too long', async () => {
    await restart({ limits: { ...LIMITS, adaptedTimeoutMs: 50 } })
    harness.upstream.respond = byModel(() => {})
    expectFallback(await harness.send(BODY), BODY, 'engine-timeout')
    await eventually(() => harness.upstream.aborted === 1)
  })

  it('where the other one is too long for the memory', async () => {
    await restart({ limits: { ...LIMITS, captureMaxBytes: 1000 } })
    const long = cheapAnswer({ message: { role: 'assistant', content: 'cheap one'.repeat(999) } })
    harness.upstream.respond = byModel(respondJson(long))
    expectFallback(await harness.send(BODY), BODY, 'engine-error')
  })

  it('without asking the other one for a while after three failures', async () => {
    harness.upstream.respond = byModel(respondJson({ error: {} }, 404))
    for (let i = 0; i < 3; i++) await harness.send(BODY)
    harness.upstream.requests.length = 0
    expectFallback(await harness.send(BODY), BODY, 'engine-paused')
    expect(harness.upstream.bodies()).toEqual([BODY])
  })

  it('without asking it for a while where it refuses each request', async () => {
    harness.upstream.respond = byModel(respondJson({ error: {} }, 400))
    for (let i = 0; i < 3; i++) await harness.send(BODY)
    expectFallback(await harness.send(BODY), BODY, 'engine-paused')
  })

  it.each<[string, string, Record<string, unknown>]>([
    ['several answers', 'several-choices', { n: 2 }],
    ['an answer that is stored', 'unsupported-field', { store: true }],
    ['log-probabilities that it has not', 'logprobs', { logprobs: true }],
    ['another host', 'unsupported-field', { api_base: 'https://elsewhere' }],
  ])('a request for %s', async (_what, reason, extra) => {
    await restart({}, { kinds: kindsWith({ logprobs: true }, { api_base: 'https://elsewhere' }) })
    const body = chatBody('where is my card', extra)
    expectFallback(await harness.send(body), body, reason)
    expect(harness.upstream.bodies()).toEqual([body])
  })

  it('a request with a header that changes answers', async () => {
    const answer = await harness.send(BODY, {
      headers: {
        'content-type': 'application/json',
        authorization: AUTHORIZATION,
        'x-config': 'a',
      },
    })
    expectFallback(answer, BODY, 'unsupported-field')
    expect(harness.upstream.bodies()).toEqual([BODY])
  })

  it('a request of the Responses API', async () => {
    const body = JSON.stringify({
      model: 'gpt-4o-mini',
      instructions: 'Sort the question.',
      input: 'where is my card',
      store: false,
    })
    const answer = await harness.send(body, { path: '/v1/responses' })
    expect(answer.headers[REASON]).toBe('unsupported-field')
    expect(harness.upstream.bodies()).toEqual([body])
  })
})

describe('log-probabilities', () => {
  const sure = respondJson(cheapAnswer({ logprobs: tokens(-0.1, -0.2) }))

  it('are asked for and not shown to a client that did not ask', async () => {
    await restart({}, withLogprobs)
    harness.upstream.respond = byModel(sure)
    const answer = await harness.send(BODY)
    expect(Number(answer.headers['x-promptintern-confidence'])).toBeCloseTo(-0.3)
    expect(JSON.parse(answer.text)).toMatchObject({ choices: [{ logprobs: null }] })
    const [sent] = harness.upstream.bodies()
    expect(JSON.parse(sent!)).toEqual({ ...(JSON.parse(asked(BODY)) as object), logprobs: true })
  })

  it('keep an answer below the threshold from the client', async () => {
    await restart({}, withLogprobs)
    harness.upstream.respond = byModel(
      respondJson(cheapAnswer({ logprobs: tokens(-0.9, -0.2) }), 200, { 'x-of-cheap': '1' })
    )
    expectFallback(await harness.send(BODY), BODY, 'low-confidence')
  })

  it.each([
    ['are missing', null],
    ['are of a part of the tokens', { content: [...tokens(-0.1).content, { token: 'x' }] }],
  ])('that %s make no answer sure', async (_what, logprobs) => {
    await restart({}, withLogprobs)
    harness.upstream.respond = byModel(respondJson(cheapAnswer({ logprobs })))
    expectFallback(await harness.send(BODY), BODY, 'no-logprobs')
  })

  it('are given to a client that asks', async () => {
    await restart({}, { ...withLogprobs, kinds: kindsWith({ logprobs: true }) })
    const text = 'from the cheap one'
    const content = [{ token: text, logprob: -0.25, bytes: null, top_logprobs: [] }]
    harness.upstream.respond = byModel(respondJson(cheapAnswer({ logprobs: { content } })))
    const answer = await harness.send(chatBody('where is my card', { logprobs: true }))
    expect(JSON.parse(answer.text)).toMatchObject({
      choices: [{ logprobs: { content: [{ token: text, logprob: -0.25 }] } }],
    })
  })
})

describe('with an upstreams file', () => {
  let west: FakeUpstream

  beforeEach(async () => {
    west = await startUpstream()
    west.respond = CHEAP
  })
  afterEach(() => west.close())

  const toWest = async (apiKey: string | null): Promise<void> => {
    const upstreams: NamedUpstream[] = [
      { name: 'west', baseUrl: west.url, apiKey, models: ['cheap'], fallback: [] },
    ]
    await restart({ failover: { ...NO_FAILOVER, upstreams } })
  }

  it('the upstream of the other model gets its own key and no header of the caller', async () => {
    await toWest('sk-west')
    expect(contentOf(await harness.send(BODY))).toBe('from the cheap one')
    const [{ rawHeaders, headers }] = west.requests as [UpstreamRequest]
    expect(headers.authorization).toBe('Bearer sk-west')
    expect(JSON.stringify(rawHeaders)).not.toContain(AUTHORIZATION)
    expect(harness.upstream.bodies().map(modelOf)).not.toContain('cheap')
  })

  it('a credential for another upstream is not sent there', async () => {
    await toWest(null)
    expectFallback(await harness.send(BODY), BODY, 'credential-elsewhere')
    expect(west.requests).toEqual([])
  })
})

describe('with issued keys', () => {
  const budget = { usd: 100, period: 'total' } as const
  const body = chatBody('where is my card', { max_completion_tokens: 50 })
  let keyed: Keyed

  const send = (): Promise<RawAnswer> =>
    harness.send(body, { headers: { authorization: `Bearer ${secretFor('a')}` } })

  const open = async (limits: Partial<KeyLimits>): Promise<void> => {
    await harness.close()
    const key = keyFor('a', limits)
    const template = { ...TEMPLATE, tenant: key.tenant }
    const kinds = kindsWith({ max_completion_tokens: 50 })
    keyed = await startKeyed([key], withLora({}, cheapRoute({ template, kinds })))
    harness = keyed.harness
    harness.upstream.respond = byModel(CHEAP)
  }

  // 9 tokens at 1 cent and 3 at 2, and a tenth of it
  const [OWN_USD, CHEAP_USD] = [0.15, 0.015]
  const spentUsd = (): number => keyed.spends.reduce((sum, { usd }) => sum + usd, 0)

  it('asks with the key of the operator, and counts what the other model costs', async () => {
    await open({ budget, models: ['gpt-4o-mini', 'cheap'] })
    expect(contentOf(await send())).toBe('from the cheap one')
    expect(harness.upstream.bodies()).toEqual([asked(body)])
    const [sent] = harness.upstream.requests
    expect(sent!.headers.authorization).toBe(`Bearer ${UPSTREAM_KEY}`)
    await eventually(() => keyed.spends.length === 2)
    expect(spentUsd()).toBeCloseTo(CHEAP_USD)
  })

  it('counts both answers where the first one is discarded', async () => {
    await open({ budget })
    harness.upstream.respond = byModel(respondJson(cheapAnswer({ finish_reason: 'length' })))
    expectFallback(await send(), body, 'length')
    await eventually(() => keyed.spends.length === 2)
    expect(spentUsd()).toBeCloseTo(CHEAP_USD + OWN_USD)
  })

  it('counts nothing of a model that refuses', async () => {
    await open({ budget })
    harness.upstream.respond = byModel(respondJson({ error: {} }, 404))
    expectFallback(await send(), body, 'engine-error')
    await eventually(() => keyed.spends.length === 1)
    expect(spentUsd()).toBeCloseTo(OWN_USD)
  })

  it('does not ask a model that the key may not use', async () => {
    await open({ models: ['gpt-4o-mini'] })
    expectFallback(await send(), body, 'model-not-allowed')
    expect(harness.upstream.bodies()).toEqual([body])
  })

  it('does not ask where the budget is not enough for both', async () => {
    // at most a token a byte, and the longest answer
    const most = 0.01 * Buffer.byteLength(body) + 50 * 0.02
    await open({ budget: { usd: 1.05 * most, period: 'total' } })
    expectFallback(await send(), body, 'over-budget')
    expect(harness.upstream.bodies()).toEqual([body])
    await open({ budget: { usd: 1.2 * most, period: 'total' } })
    expect(contentOf(await send())).toBe('from the cheap one')
  })
})
