import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ANSWERS, KINDS, kindsWith } from '../kit/records/route-rules.ts'
import { DEFER_ANSWER } from '../../src/core/answer/outcome.ts'
import { AppError } from '../../src/errors.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Route } from '../../src/core/route/route.ts'
import type { Engine, GeneratedDelta } from '../../src/engine/engine.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { templateKeyOf } from '../../src/core/match/match.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { PROMPT, TEMPLATE } from '../kit/proxy/lora-route.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  UNMATCHED_BODY,
  eventually,
  NO_FAILOVER,
  startHarness,
  startUpstream,
  type Harness,
} from '../kit/proxy/harness.ts'

const token = (text: string, logprob: number): GeneratedDelta => ({
  text,
  logprobs: [{ token: text, logprob, bytes: null, top_logprobs: [] }],
})

const STOP: GeneratedDelta = {
  text: '',
  logprobs: [],
  finishReason: 'stop',
  usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
}

type Generate = (request: ChatRequest, signal?: AbortSignal) => AsyncIterable<GeneratedDelta>

/** An engine by hand: whatever the test wants it to say. */
class HandEngine implements Partial<Engine> {
  readonly name = 'hand'
  readonly asked: ChatRequest[] = []
  readonly signals: (AbortSignal | undefined)[] = []
  generate: Generate = async function* () {
    yield token('card', -0.1)
    yield token('_lost', -0.2)
    yield STOP
  }

  stream(request: ChatRequest, options?: { signal?: AbortSignal }): AsyncIterable<GeneratedDelta> {
    this.asked.push(request)
    this.signals.push(options?.signal)
    return this.generate(request, options?.signal)
  }
}

const BODY = chatBody('where is my card')

const forEver: Generate = async function* () {
  await new Promise(() => {})
  yield STOP
}

let harness: Harness
let engine: HandEngine

const start = async (overrides: Partial<ProxyDeps> = {}, route: Partial<Route> = {}) => {
  engine = new HandEngine()
  harness = await startHarness({
    ...withLora(engine as Partial<Engine>, route),
    ...overrides,
  })
}

/** The upstream accepts the credential once, as it must before a lora answers. */
const acceptCredential = async (): Promise<void> => {
  await harness.send(UNMATCHED_BODY)
  harness.upstream.requests.length = 0
}

const client = (apiKey = 'sk-test-0123456789abcdef'): OpenAI =>
  new OpenAI({ apiKey, baseURL: harness.baseUrl, maxRetries: 0 })

/** One header of the answer to a question. */
const headerOf = async (question: string, name: string): Promise<unknown> =>
  (await harness.send(chatBody(question))).headers[name]

const reasonOf = (question: string): Promise<unknown> => headerOf(question, 'x-promptintern-reason')

const routeOf = (question: string): Promise<unknown> => headerOf(question, 'x-promptintern-route')

const lastRecord = async (): Promise<ExchangeRecord> => {
  const records = await harness.records()
  return records[records.length - 1]!
}

beforeEach(async () => {
  await start()
  await acceptCredential()
})
afterEach(() => harness.close())

const restart = async (
  overrides: Partial<ProxyDeps>,
  route: Partial<Route> = {}
): Promise<void> => {
  await harness.close()
  await start(overrides, route)
  await acceptCredential()
}

/** The upstream answers, and header and record say with the same word whether the lora was asked. */
const expectForwarded = async (body: string, reason: string): Promise<void> => {
  const answer = await harness.send(body)
  expect(answer.headers['x-promptintern-reason']).toBe(reason)
  expect(answer.headers['x-promptintern-route']).toMatch(/^(fallback|skipped)$/)
  expect(Number(answer.headers['x-promptintern-overhead-ms'])).toBeGreaterThan(0)
  expect(JSON.parse(answer.text)).toEqual(completion('from the upstream'))
  expect(harness.upstream.bodies()).toEqual([body])
  const { route, response } = await lastRecord()
  const outcome = answer.headers['x-promptintern-route']
  expect(route).toMatchObject({ outcome, reason, promptTokensSaved: 0 })
  expect(JSON.parse(response!)).toEqual(completion('from the upstream'))
}

/** The positions of a request that is answered, and of one that the route may not answer. */
const notedPositions = async (maxTurnsAfter: number): Promise<(number | undefined)[]> => {
  await restart({ random: () => 0.25 }, { template: { ...TEMPLATE, maxTurnsAfter } })
  await routeOf('where is my card')
  const answered = await lastRecord()
  await expectForwarded(chatBody('where is my card', { n: 2 }), 'several-choices')
  return [answered, await lastRecord()].map(({ route }) => route?.position)
}

const LABEL_SCHEMA = {
  type: 'object',
  properties: { label: { type: 'string', enum: ['lost', 'found'] } },
  required: ['label'],
  additionalProperties: false,
}

const inSchema = (schema: unknown) => ({
  response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
})

/** A route for the requests that have what the body has besides its messages. */
const restartFor = (body: string): Promise<void> => {
  const key = templateKeyOf(JSON.parse(body) as ChatRequest, TEMPLATE)
  return restart({}, { template: { ...TEMPLATE, ...key } })
}

const saying = (content: string): Generate =>
  async function* () {
    yield token(content, -0.1)
    yield STOP
  }

describe('a live route with a JSON schema', () => {
  it('gives answers that fit, whole and as a stream', async () => {
    const body = chatBody('where is my card', inSchema(LABEL_SCHEMA))
    await restartFor(body)
    engine.generate = saying('{"label": "lost"}')
    const answer = await harness.send(body)
    expect(answer.headers['x-promptintern-route']).toBe('answered')
    expect(JSON.parse(answer.text)).toMatchObject({
      choices: [{ message: { content: '{"label": "lost"}' } }],
    })
    const { choices } = await client().chat.completions.parse({
      ...(JSON.parse(body) as OpenAI.ChatCompletionCreateParamsNonStreaming),
    })
    expect(choices[0]?.message.content).toBe('{"label": "lost"}')
    const stream = await harness.send(JSON.stringify({ ...JSON.parse(body), stream: true }))
    expect(stream.headers['x-promptintern-route']).toBe('answered')
    const texts = [...stream.text.matchAll(/"delta":\{"content":("(?:[^"\\]|\\.)*")/gu)]
    expect(texts.map(([, text]) => JSON.parse(text!) as string).join('')).toBe('{"label": "lost"}')
    expect(harness.upstream.requests).toEqual([])
  })

  it.each<[string, string, Record<string, unknown>]>([
    ['a remote reference', 'response-format', inSchema({ $ref: 'https://example.com/a.json' })],
    ['a pattern that takes for ever', 'response-format', inSchema({ pattern: '^(?=(a+)+$)' })],
    [
      // templates are not searched in a longer request
      '400 KB',
      'response-format',
      inSchema({ enum: Array.from({ length: 25_000 }, (_unused, i) => `value-${i}`) }),
    ],
    ['no schema at all', 'response-format', inSchema(undefined)],
    ['an unknown format', 'response-format', { response_format: { type: 'grammar' } }],
    ['a schema that refers to itself for ever', 'not-valid', inSchema({ $ref: '#' })],
  ])('leaves to the upstream what cannot be checked: %s', async (_name, reason, extra) => {
    const body = chatBody('where is my card', extra)
    await restartFor(body)
    engine.generate = saying('{}')
    await expectForwarded(body, reason)
    expect(engine.asked).toHaveLength(reason === 'not-valid' ? 1 : 0)
  })
})

describe('a live route', () => {
  it('answers with the prompt removed, and says so', async () => {
    const kinds = kindsWith({ max_tokens: 20, stop: 'x' })
    await restart({}, { kinds })
    const answer = await harness.send(chatBody('where is my card', { max_tokens: 20, stop: 'x' }))
    expect(JSON.parse(answer.text)).toMatchObject({
      object: 'chat.completion',
      model: 'lora-abc',
      choices: [
        {
          message: { role: 'assistant', content: 'card_lost' },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
    })
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'x-promptintern-route': 'answered',
      'x-promptintern-template': 'version-1',
      'x-promptintern-lora': 'lora-abc',
      'x-promptintern-prompt-tokens-saved': '40',
    })
    expect(Number(answer.headers['x-promptintern-confidence'])).toBeCloseTo(-0.3)
    expect(Number(answer.headers['x-promptintern-overhead-ms'])).toBeGreaterThan(0)
    expect(engine.asked).toEqual([
      {
        model: 'lora-abc',
        messages: [{ role: 'user', content: 'where is my card' }],
        stream_options: { include_usage: true, continuous_usage_stats: true },
        temperature: 0,
        logprobs: true,
        max_tokens: 20,
        stop: 'x',
      },
    ])
    expect(harness.upstream.requests).toEqual([])
    const record = await lastRecord()
    expect(record).toMatchObject({
      status: 200,
      usage: { prompt_tokens: 7 },
      route: {
        outcome: 'answered',
        reason: null,
        lora: 'lora-abc',
        templateVersion: 'version-1',
        promptTokensSaved: 40,
      },
    })
    expect(JSON.parse(record.response!)).toEqual(JSON.parse(answer.text))
  })

  it('answers a tenant whose traffic is not logged, and logs nothing of it', async () => {
    await restart({ isCaptured: () => false })
    expect(await routeOf('where is my card')).toBe('answered')
    expect(engine.asked).toHaveLength(1)
    expect(await harness.records()).toEqual([])
  })

  it('passes the user`s words on letter by letter, the template`s text among them', async () => {
    const query = `${PROMPT} Ignore it.\n\n  ${PROMPT}`
    await harness.send(chatBody(query))
    expect(engine.asked[0]?.messages).toEqual([{ role: 'user', content: query }])
  })

  it('lets the engine choose among the known labels', async () => {
    await restart({}, { answers: { ...ANSWERS, labels: ['card_lost', 'other'] } })
    expect(await routeOf('where is my card')).toBe('answered')
    expect(engine.asked[0]?.structured_outputs).toEqual({ choice: ['card_lost', 'other'] })
  })

  it('echoes the requested model when configured to', async () => {
    await restart({ echoModel: true })
    const answer = await harness.send(BODY)
    expect(JSON.parse(answer.text).model).toBe('gpt-4o-mini')
    expect(answer.headers['x-promptintern-lora']).toBe('lora-abc')
  })

  it('decides by the lowest token where the route says so', async () => {
    await restart({}, { confidence: 'min', threshold: -0.25 })
    expect(await headerOf('where is my card', 'x-promptintern-confidence')).toBe('-0.2')
  })
})

it('a key that only another upstream has accepted never gets a lora`s answer', async () => {
  const second = await startUpstream()
  const other = { name: 'other', baseUrl: second.url, apiKey: null, fallback: [] }
  const upstreams = [{ ...other, models: ['gpt-9'] }]
  await harness.close()
  await start({ failover: { ...NO_FAILOVER, upstreams } })
  await harness.send(chatBody('no match', { model: 'gpt-9' }))
  expect(second.requests).toHaveLength(1)
  expect(await reasonOf('hi')).toBe('credential-not-accepted')
  expect(await routeOf('hi')).toBe('answered')
  second.close()
})

describe('the upstream gets the original bytes when', () => {
  it.each<[string, Record<string, unknown>]>([
    ['several-choices', { n: 2 }],
    ['logprobs', { top_logprobs: 1 }],
    ['logprobs', { top_logprobs: 0 }],
    ['modality', { modalities: ['text', 'audio'] }],
    ['unsupported-field', { audio: { voice: 'alloy' } }],
    ['unsupported-field', { prediction: { type: 'content', content: 'x' } }],
    ['unsupported-field', { store: true }],
    ['invalid-field', { temperature: 'hot' }],
    ['kind-not-proven', { temperature: 0 }],
    ['kind-not-proven', { x_unknown: 1 }],
    ['kind-not-proven', { x_unknown: false }],
    ['sampling', { temperature: 1.5 }],
    ['sampling', { presence_penalty: 0.5 }],
    ['sampling', { logit_bias: { 5: -100 } }],
  ])('the request is not eligible: %s %j', async (reason, extra) => {
    await expectForwarded(chatBody('where is my card', extra), reason)
    expect(engine.asked).toEqual([])
  })

  it('the upstream has not accepted the credential yet', async () => {
    await harness.close()
    await start()
    await expectForwarded(BODY, 'credential-not-accepted')
    const second = await harness.send(BODY)
    expect(second.headers['x-promptintern-route']).toBe('answered')
  })

  it('the store has not confirmed the routes for too long', async () => {
    let areGood = false
    await restart({ areRoutesGood: () => areGood })
    await expectForwarded(BODY, 'routes-too-old')
    expect(engine.asked).toEqual([])
    areGood = true
    expect(await routeOf('where is my card')).toBe('answered')
  })

  it('the answer is unsure from its first token on, without waiting for the rest', async () => {
    let produced = 0
    let stopped = false
    engine.generate = async function* () {
      try {
        for (;;) {
          produced++
          yield token('x', -2)
        }
      } finally {
        stopped = true
      }
    }
    await expectForwarded(BODY, 'low-confidence')
    expect(produced).toBe(1)
    expect(stopped).toBe(true)
    expect((await lastRecord()).route?.confidence).toBeNull()
  })

  it.each<[string, string, GeneratedDelta[], confidence: number | null]>([
    [
      'is unsure',
      'low-confidence',
      [token('card', -0.5), { ...token('_lost', -0.6), finishReason: 'stop' }],
      -1.1,
    ],
    ['has a log-probability that is not a number', 'low-confidence', [token('a', NaN), STOP], null],
    ['is cut off', 'length', [{ ...token('card', -0.1), finishReason: 'length' }], -0.1],
    ['has no log-probabilities', 'no-logprobs', [{ ...STOP, text: 'card' }], null],
    ['defers', 'deferred', [{ ...token(DEFER_ANSWER, -0.01), finishReason: 'stop' }], -0.01],
    ['has no finish reason', 'engine-error', [token('card', -0.1)], null],
  ])('the answer %s', async (_, reason, deltas, confidence) => {
    engine.generate = async function* () {
      yield* deltas
    }
    await expectForwarded(BODY, reason)
    const logged = (await lastRecord()).route!.confidence
    if (confidence === null) expect(logged).toBeNull()
    else expect(logged).toBeCloseTo(confidence)
  })

  it.each<[string, string, string, Partial<Route>, Partial<ProxyDeps>?]>([
    ['the request is not in the traffic share', 'traffic-share', BODY, { trafficShare: 0 }],
    ['the engine is not configured', 'engine-missing', BODY, {}, { engines: new Map() }],
    [
      'the proof has no request with such a parameter',
      'kind-not-proven',
      chatBody('where is my card', { reasoning_effort: 'high' }),
      {},
    ],
    [
      'the proof has no request of such a length',
      'kind-not-proven',
      chatBody('where is my card? '.repeat(20)),
      { kinds: { ...KINDS, maxChars: 100 } },
    ],
  ])('%s', async (_, reason, body, route, overrides = {}) => {
    await restart(overrides, route)
    await expectForwarded(body, reason)
    expect(engine.asked).toEqual([])
  })

  it('the proof has no second turn of a conversation', async () => {
    await restart({}, { template: { ...TEMPLATE, maxTurnsAfter: 6 } })
    const { messages, ...rest } = JSON.parse(BODY) as ChatRequest
    const second = [
      ...messages,
      { role: 'assistant', content: 'card_lost' },
      { role: 'user', content: 'and my pin?' },
    ]
    await expectForwarded(JSON.stringify({ ...rest, messages: second }), 'kind-not-proven')
    expect(await routeOf('where is my card')).toBe('answered')
  })

  it('notes the position of a conversation, and none where each request draws its own', async () => {
    expect(await notedPositions(6)).toEqual([0.25, undefined])
    expect(await notedPositions(0)).toEqual([undefined, undefined])
  })

  it('the answer is not one of the labels', async () => {
    await restart({}, { answers: { ...ANSWERS, labels: ['other'] } })
    await expectForwarded(BODY, 'not-a-label')
  })

  it('a written field states a fact that neither the request nor its other fields have', async () => {
    const rule = { path: 'reply', rule: { kind: 'written' }, by: 'cli', why: 'x', at: 1 } as const
    const facts = { language: 'en', atoms: [] } as const
    const free = { ...rule, path: 'why', rule: { kind: 'free' } } as const
    await restart(
      {},
      { answers: { ...ANSWERS, responseType: 'json', fields: [rule, free], facts } }
    )
    const question = 'where is order 70007'
    engine.generate = saying('{"id":"A-4711","reply":"Your order 70007 has 3 parcels."}')
    await expectForwarded(chatBody(question), 'invented-fact')
    for (const [reply, route] of [
      // the id is compared by equality
      ['Your order 70007 is with us.', 'answered'],
      ['Your order 70007 is A-4711.', 'answered'],
      ['Your order 70007 is A-4712.', 'fallback'],
      ['Your order 70007 costs 10 EUR and 50 EUR.', 'answered'],
      // no number of the list, and none of the mark in the reply's place
      ['Your order 70007 costs 10.50 EUR.', 'fallback'],
      ['Your order 70007 is in room 801.', 'fallback'],
      // nobody compares what is free, and its sentences may have any fact
      ['Your order 70007 has 6 parcels.', 'fallback'],
    ]) {
      const why = 'The order has 6 parcels.'
      engine.generate = saying(JSON.stringify({ id: 'A-4711', prices: [10, 50], why, reply }))
      expect(await routeOf(question)).toBe(route)
    }
  })

  it('the answer is not the JSON that was asked for', async () => {
    const body = chatBody('where is my card', { response_format: { type: 'json_object' } })
    await restartFor(body)
    await expectForwarded(body, 'not-json')
  })

  it.each(['{"lbl":42}', '42', '{"label":"lost"', '{"label":"lost","label":"found"}'])(
    'the answer does not fit the schema that was asked for: %s',
    async (content) => {
      for (const stream of [false, true]) {
        const body = chatBody('where is my card', { ...inSchema(LABEL_SCHEMA), stream })
        await restartFor(body)
        engine.generate = saying(content)
        await expectForwarded(body, content.includes('"label"') ? 'not-json' : 'not-valid')
      }
    }
  )

  it('the engine fails before or after its first token', async () => {
    engine.generate = async function* () {
      yield token('card', -0.1)
      throw new AppError('engine-unavailable', 'gone')
    }
    await expectForwarded(BODY, 'engine-error')
    harness.upstream.requests.length = 0
    engine.generate = () => {
      throw new Error('broken')
    }
    await expectForwarded(BODY, 'engine-error')
  })

  it('the engine takes too long, even one that does not heed its signal', async () => {
    await restart({ limits: { ...harness.deps.limits, adaptedTimeoutMs: 50 } })
    engine.generate = forEver
    await expectForwarded(BODY, 'engine-timeout')
    expect(engine.signals[0]?.aborted).toBe(true)
  })

  it('the engine has failed too often, until the pause is over', async () => {
    let time = 0
    await restart({ breaker: { maxFailures: 2, pauseMs: 1000 }, now: () => time })
    engine.generate = () => {
      throw new Error('broken')
    }
    expect(await reasonOf('hi')).toBe('engine-error')
    expect(await reasonOf('hi')).toBe('engine-error')
    expect(await reasonOf('hi')).toBe('engine-paused')
    time = 1000
    engine.generate = new HandEngine().generate
    expect(await reasonOf('hi')).toBeUndefined()
    expect(await reasonOf('hi')).toBeUndefined()
    expect(engine.asked.length).toBe(4)
  })
})

const user = (content: string) => ({ role: 'user', content })
const withMessages = (...messages: unknown[]): string => chatBody('', { messages })

describe('a request that does not match', () => {
  it.each<[string, string]>([
    ['one character off', chatBody('hi').replace(PROMPT, `${PROMPT} `)],
    ['user text that contains the template', withMessages(user(`${PROMPT}\nwhere is my card`))],
    ['an image', chatBody([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }])],
    ['tools', chatBody('hi', { tools: [{ type: 'function', function: { name: 'f' } }] })],
    [
      'a tool call',
      withMessages({ role: 'system', content: PROMPT }, user('hi'), {
        role: 'assistant',
        tool_calls: [{ id: 'call_1', type: 'function' }],
      }),
    ],
    ['an unknown model', chatBody('hi').replace('gpt-4o-mini', 'gpt-9')],
  ])('goes to the upstream unchanged: %s', async (_name, body) => {
    const answer = await harness.send(body)
    expect(harness.upstream.bodies()[0]).toBe(body)
    expect(answer.headers['x-promptintern-route']).toBeUndefined()
    expect(engine.asked).toEqual([])
  })
})

const leaveWhen = async (isTime: () => boolean, stream: boolean): Promise<ExchangeRecord> => {
  await harness.leave(isTime, chatBody('where is my card', { stream }))
  await eventually(() => engine.signals[0]?.aborted === true)
  await eventually(async () => (await lastRecord()).status === 499)
  expect(harness.upstream.requests).toEqual([])
  const record = await lastRecord()
  expect(record.route).toMatchObject({ outcome: 'fallback', reason: 'client-closed' })
  expect(record).toMatchObject({ streamed: stream, response: null })
  return record
}

describe('a client that leaves while a lora is asked', () => {
  const soFar = { prompt_tokens: 7, completion_tokens: 1, total_tokens: 8 }

  it.each([
    ['before', false],
    ['before', true],
    ['after', false],
    ['after', true],
  ])(
    '%s its first token stops the generation; its usage is logged (stream: %s)',
    async (when, stream) => {
      let isBegun = when === 'before'
      engine.generate = async function* () {
        if (when === 'after') yield { ...token('card', -0.1), usage: soFar }
        isBegun = true
        yield* forEver({ model: '', messages: [] })
      }
      const { usage } = await leaveWhen(() => isBegun && engine.asked.length === 1, stream)
      expect(usage).toEqual(when === 'after' ? soFar : null)
    }
  )
})

/** What the engine's gauge shows, undefined for nothing. */
const engineGauge = async (name: string): Promise<string | undefined> =>
  new RegExp(`_engine_${name}\\{engine="hand"\\} (\\d)`).exec(await harness.metrics())?.[1]

const isInFlight = (count: number) => async () =>
  (await engineGauge('requests_in_flight')) === String(count)

describe('metrics', () => {
  it('count outcomes, reasons and saved tokens', async () => {
    await harness.send(BODY)
    await harness.send(chatBody('where is my card', { n: 2 }))
    const text = await harness.metrics()
    expect(text).toContain('promptintern_requests_total{route="answered"} 1')
    expect(text).toContain('promptintern_requests_total{route="skipped"} 1')
    expect(text).toContain('promptintern_requests_total{route="unmatched"} 1')
    expect(text).toContain('promptintern_forwarded_total{reason="several-choices"} 1')
    expect(text).toContain('promptintern_prompt_tokens_saved_total 40')
    expect(text).toContain('promptintern_overhead_seconds_count 3')
  })

  it('show what waits for the engine, and who left before its answer', async () => {
    engine.generate = forEver
    await harness.leave(isInFlight(1), BODY)
    await eventually(isInFlight(0))
    expect(await harness.metrics()).toContain(
      'promptintern_cancellations_total{phase="before-answer"} 1'
    )
  })

  it('show the breaker of the engine', async () => {
    let time = 0
    await restart({ breaker: { maxFailures: 1, pauseMs: 1000 }, now: () => time })
    expect(await engineGauge('breaker_state')).toBe('0')
    const { generate } = engine
    engine.generate = () => {
      throw new Error('broken')
    }
    await routeOf('hi')
    expect(await engineGauge('breaker_state')).toBe('2')
    time = 1000
    expect(await engineGauge('breaker_state')).toBe('1')
    engine.generate = generate
    expect(await routeOf('hi')).toBe('answered')
    expect(await engineGauge('breaker_state')).toBe('0')
  })
})
