import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createBodyBudget } from '../../src/proxy/client/body-budget.ts'
import { retryAfterMs } from '../../src/proxy/upstream/retries.ts'
import { acceptanceOf } from '../../src/proxy/access/tenants.ts'
import type { NamedUpstream } from '../../src/core/upstream-choice.ts'
import { completion } from '../kit/records/completion.ts'
import {
  AUTHORIZATION,
  CHAT_PATH,
  chatBody,
  errorOf,
  eventually,
  NO_FAILOVER,
  onDemand,
  respondEvents,
  respondJson,
  startHarness,
  startUpstream,
  type FakeUpstream,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'

const NAME = 'x-promptintern-upstream'
const UNREACHABLE = 'http://127.0.0.1:1'

let east: FakeUpstream
let west: FakeUpstream
let harness: Harness

const entry = (overrides: Partial<NamedUpstream>): NamedUpstream => ({
  name: 'east',
  baseUrl: east.url,
  apiKey: null,
  models: ['gpt-4o*'],
  fallback: ['west'],
  ...overrides,
})

const eastAndWest = (
  eastern: Partial<NamedUpstream> = {},
  western: Partial<NamedUpstream> = {}
): NamedUpstream[] => [
  entry(eastern),
  entry({
    name: 'west',
    baseUrl: west.url,
    apiKey: 'sk-west',
    models: ['west-1'],
    fallback: [],
    ...western,
  }),
]

const start = async (
  upstreams: NamedUpstream[],
  overrides: Parameters<typeof startHarness>[0] = {}
): Promise<void> => {
  harness = await startHarness({ failover: { ...NO_FAILOVER, upstreams }, ...overrides })
}

beforeEach(async () => {
  east = await startUpstream()
  west = await startUpstream()
  east.respond = respondJson(completion('from the east'))
  west.respond = respondJson(completion('from the west'))
})
afterEach(async () => {
  await harness.close()
  east.close()
  west.close()
})

const withModel = (model: string): string => chatBody('hi', { model })

const ask = async (body = chatBody('hi'), path = CHAT_PATH) => {
  const answer = await harness.send(body, { path })
  return { ...answer, by: answer.headers[NAME] }
}

const breakOff: Responder = (_request, response) => response.destroy()

describe('several upstreams', () => {
  it('are asked by model name, with the client`s own bytes, and say whose answer it is', async () => {
    await start(eastAndWest())
    const bodies = ['gpt-4o-mini', 'west-1', 'gpt-3'].map(withModel)
    const answers = []
    for (const body of bodies) answers.push(await ask(body))
    expect(answers.map(({ by }) => by)).toEqual(['east', 'west', 'default'])
    expect(answers[0]!.text).toBe(JSON.stringify(completion('from the east')))
    const received = [east, west, harness.upstream].map((upstream) => upstream.bodies())
    expect(received).toEqual(bodies.map((body) => [body]))
  })

  it.each([
    ['east', chatBody('hi').replace('gpt-4o', 'gpt-4\\u006f')],
    ['east', '{"model":"gpt-4o","messages":"hi"}'],
    ...['{"model":', '{}', '[]', 'null', '{"model":4}', ''].map((body) => ['default', body]),
  ])('are asked by the name of the model: %s for %j', async (by, body) => {
    await start([entry({ models: ['gpt*'], fallback: [] })])
    expect((await ask(body)).by).toBe(by)
    expect((by === 'east' ? east : harness.upstream).bodies()).toEqual([body])
  })

  it('leave other paths and bypassed requests to the default', async () => {
    await start(eastAndWest())
    await harness.send(withModel('gpt-4o'), { path: '/v1/embeddings' })
    await harness.send(chatBody('hi'), { headers: { 'x-promptintern-bypass': 'true' } })
    expect(harness.upstream.requests).toHaveLength(2)
    expect(east.requests).toEqual([])
  })

  it.each([
    ['with its length', chatBody('hi'), {}],
    ['in chunks', null, { 'transfer-encoding': 'chunked' }],
  ])(
    'refuse a body without room, %s, since its upstream is not known',
    async (_, body, headers) => {
      await start(eastAndWest(), { bodies: createBodyBudget(10, () => 0) })
      const answer = await harness.send(body, {
        headers,
        onRequest: (request) => void (body === null && request.write(chatBody('hi'))),
      })
      expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
      expect(errorOf(answer).code).toBe('overloaded')
      expect([east, west, harness.upstream].flatMap(({ requests }) => requests)).toEqual([])
      await eventually(() => harness.deps.bodies.inUse() === 0)
    }
  )
})

describe('a stand-in', () => {
  it.each([502, 503, 504, 529])('answers instead of %i', async (status) => {
    await start(eastAndWest())
    east.respond = respondJson({ error: {} }, status)
    const answer = await ask()
    expect([answer.status, answer.by]).toEqual([200, 'west'])
    expect(answer.text).toBe(JSON.stringify(completion('from the west')))
    expect(west.bodies()[0]).toBe(chatBody('hi'))
    const [record] = await harness.records()
    expect(record).toMatchObject({ status: 200 })
    expect(JSON.parse(record!.response!)).toEqual(completion('from the west'))
    expect(await harness.metrics()).toContain(
      'promptintern_upstream_failovers_total{upstream="east",reason="unavailable"} 1'
    )
  })

  it.each([200, 400, 401, 404, 408, 429, 500, 501, 520])('does not for %i', async (status) => {
    await start(eastAndWest())
    const error = { error: { message: 'm', code: null } }
    east.respond = respondJson(error, status, { 'retry-after': '7', 'x-ratelimit-a': '0' })
    const answer = await ask()
    expect([answer.status, answer.by, answer.text]).toEqual([status, 'east', JSON.stringify(error)])
    expect(answer.headers).toMatchObject({ 'retry-after': '7', 'x-ratelimit-a': '0' })
    expect(west.requests).toEqual([])
  })

  it('answers when no connection was made', async () => {
    await start(eastAndWest({ baseUrl: UNREACHABLE }))
    expect((await ask()).by).toBe('west')
    expect(await harness.metrics()).toContain(
      'promptintern_upstream_failovers_total{upstream="east",reason="not-connected"} 1'
    )
  })

  it('streams, and the answer that it stands in for is broken off', async () => {
    await start(eastAndWest())
    east.respond = (_request, response) => void response.writeHead(503).write('its rest is to come')
    west.respond = respondEvents('data: 1\n\ndata: [DONE]\n\n')
    const answer = await ask(chatBody('hi', { stream: true }))
    expect([answer.text, answer.complete]).toEqual(['data: 1\n\ndata: [DONE]\n\n', true])
    await eventually(() => east.aborted === 1)
  })

  it.each<[string, Responder, object]>([
    ['the first may have read the request', breakOff, { status: 502, by: 'east' }],
    [
      'the client has seen a byte',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: 1\n\n', () => setTimeout(() => response.destroy(), 10))
      },
      { text: 'data: 1\n\n', complete: false },
    ],
    [
      'the client has seen an interim answer',
      (_request, response) => {
        response.writeEarlyHints({ link: '</a>; rel=preload' })
        response.writeHead(503).end('busy')
      },
      { status: 503, text: 'busy', by: 'east' },
    ],
  ])('is not asked once %s', async (_, respond, expected) => {
    await start(eastAndWest())
    east.respond = respond
    expect(await ask(chatBody('hi', { stream: true }))).toMatchObject(expected)
    expect(west.requests).toEqual([])
  })
})

describe('without a better answer the client gets', () => {
  const busy = 'x'.repeat(3_000_000)
  const sayBusy: Responder = (_request, response) => {
    response.writeHead(503, 'Very busy', { 'retry-after': '9', 'x-first': 'yes' })
    response.end(busy)
  }

  it.each<[string, Responder | null]>([
    ['cannot answer either', respondJson({ error: {} }, 502)],
    ['refuses its key', respondJson({ error: {} }, 401)],
    ['breaks off', breakOff],
    ['cannot be reached', null],
  ])('the first one, whole and unchanged, when the stand-in %s', async (_, respond) => {
    await start(eastAndWest({}, respond === null ? { baseUrl: UNREACHABLE } : {}))
    east.respond = sayBusy
    west.respond = respond ?? breakOff
    const answer = await ask()
    expect([answer.status, answer.statusText, answer.by]).toEqual([503, 'Very busy', 'east'])
    expect(answer.headers).toMatchObject({ 'retry-after': '9', 'x-first': 'yes' })
    expect(answer.text).toBe(busy)
    expect(west.requests).toHaveLength(respond === null ? 0 : 1)
    expect((await harness.records()).map(({ status }) => status)).toEqual([503])
  })

  it('the only one that there is', async () => {
    await start(eastAndWest({ baseUrl: UNREACHABLE }))
    west.respond = sayBusy
    expect(await ask()).toMatchObject({ status: 503, text: busy, by: 'west' })
  })

  it('502 when no upstream can be reached', async () => {
    await start(eastAndWest({ baseUrl: UNREACHABLE }, { baseUrl: UNREACHABLE }))
    const answer = await ask()
    expect(answer.status).toBe(502)
    expect(errorOf(answer).code).toBe('upstream_unavailable')
    expect((await harness.records()).map(({ status }) => status)).toEqual([502])
  })
})

describe('a client that leaves while a stand-in is asked', () => {
  it('frees both upstreams and is logged once', async () => {
    await start(eastAndWest())
    east.respond = (_request, response) => void response.writeHead(503).write('its rest is to come')
    west.respond = () => {}
    await harness.leave(() => west.requests.length === 1)
    await eventually(() => west.aborted === 1 && east.aborted === 1)
    expect((await harness.records()).map(({ status }) => status)).toEqual([499])
  })
})

const asClient = (path = CHAT_PATH) =>
  harness.send(chatBody('hi'), {
    path,
    headers: {
      authorization: 'Bearer sk-client',
      'api-key': 'client-api-key',
      'X-Api-Key': 'client-api-key',
      cookie: 'session=client',
      'OpenAI-Organization': 'org-client',
      'OpenAI-Project': 'proj-client',
    },
  })
const seenBy = ({ requests }: FakeUpstream): string =>
  JSON.stringify(requests.map(({ rawHeaders, url }) => [rawHeaders, url]))

describe('a credential', () => {
  const SECRETS = ['sk-client', 'client-api-key', 'session=client', 'org-client', 'proj-client']

  beforeEach(() => {
    east.respond = respondJson({ error: {} }, 503)
  })

  it.each([
    ['goes to the upstream of its model', { fallback: [] }, {}, CHAT_PATH, 'east'],
    ['never goes to a stand-in, which has its own', {}, {}, CHAT_PATH, 'east'],
    ['never goes to a stand-in that has none', {}, { apiKey: null }, CHAT_PATH, 'east'],
    ['in the query never goes to a stand-in', {}, {}, `${CHAT_PATH}?key=sk-client`, 'east'],
    ['is replaced where the first choice has its own', { apiKey: 'sk-east' }, {}, CHAT_PATH, null],
  ])('%s', async (_, eastern, western, path, seen) => {
    await start(eastAndWest(eastern, western))
    const { headers } = await asClient(path)
    for (const secret of SECRETS) {
      expect(seenBy(east).includes(secret)).toBe(seen === 'east')
      expect(seenBy(west)).not.toContain(secret)
    }
    const mayStandIn = path === CHAT_PATH && !('fallback' in eastern) && !('apiKey' in western)
    expect(headers[NAME]).toBe(mayStandIn ? 'west' : 'east')
    expect(west.requests.map((request) => request.headers.authorization)).toEqual(
      mayStandIn ? ['Bearer sk-west'] : []
    )
    if (seen === null) expect(east.requests[0]?.headers.authorization).toBe('Bearer sk-east')
  })

  it('counts as accepted only by an upstream that has seen it, and only for that one', async () => {
    await start([
      ...eastAndWest({ apiKey: 'sk-east' }),
      entry({ name: 'plain', baseUrl: east.url, models: ['plain'], fallback: [] }),
    ])
    const { tenants } = harness.deps
    const { tenant } = tenants.identify({ rawHeaders: ['authorization', AUTHORIZATION] })
    const models = ['gpt-4o-mini', 'plain', 'gpt-3']
    const accepted = (upstream: string | null) =>
      models.filter((model) => tenants.accepted(acceptanceOf(tenant, upstream), model))
    const all = () => [null, 'default', 'east', 'west', 'plain'].map(accepted)
    expect((await ask()).by).toBe('west')
    east.respond = respondJson(completion('hi'))
    expect((await ask()).by).toBe('east')
    expect(all()).toEqual([[], [], [], [], []])
    await ask(withModel('plain'))
    expect(all()).toEqual([[], [], [], [], ['plain']])
    await ask(withModel('gpt-3'))
    expect(all()).toEqual([[], ['gpt-3'], [], [], ['plain']])
  })
})

const askTimes = async (count: number): Promise<unknown[]> => {
  const by = []
  for (let i = 0; i < count; i++) by.push((await ask()).by)
  return by
}

describe('an upstream that keeps failing', () => {
  const fail = respondJson({ error: {} }, 500)
  let time: number

  const startWithClock = (upstreams: NamedUpstream[]): Promise<void> => {
    time = 0
    const breaker = { maxFailures: 3, pauseMs: 1000 }
    return start(upstreams, {
      now: () => time,
      failover: { ...NO_FAILOVER, upstreams, breaker },
    })
  }

  it('is passed over until the pause is over, and then probed once', async () => {
    await startWithClock(eastAndWest())
    east.respond = fail
    expect(await askTimes(5)).toEqual(['east', 'east', 'east', 'west', 'west'])
    time = 1000
    expect(await askTimes(2)).toEqual(['east', 'west'])
    time = 2000
    east.respond = respondJson(completion('well again'))
    expect(await askTimes(2)).toEqual(['east', 'east'])
    expect(await harness.metrics()).toContain(
      'promptintern_upstream_failovers_total{upstream="east",reason="paused"} 3'
    )
  })

  it('gets one request at a time while it is probed', async () => {
    await startWithClock(eastAndWest())
    east.respond = fail
    await askTimes(3)
    time = 1000
    const { respond, answer } = onDemand(completion('well again'))
    east.respond = respond
    const probe = ask()
    await eventually(() => east.requests.length === 4)
    expect(await askTimes(3)).toEqual(['west', 'west', 'west'])
    answer()
    expect((await probe).by).toBe('east')
    east.respond = respondJson(completion('well again'))
    expect(await askTimes(1)).toEqual(['east'])
  })

  it('is passed over after broken connections, too', async () => {
    await startWithClock(eastAndWest())
    east.respond = breakOff
    expect(await askTimes(4)).toEqual(['east', 'east', 'east', 'west'])
  })

  it.each([
    ['it is alone', { fallback: [] }],
    ['its stand-in keeps failing as well', {}],
  ])('is asked nevertheless when %s', async (_, eastern) => {
    await startWithClock(eastAndWest(eastern))
    east.respond = fail
    west.respond = fail
    await askTimes(6)
    const before = east.requests.length
    expect(await ask()).toMatchObject({ status: 500, by: 'east' })
    expect(east.requests).toHaveLength(before + 1)
  })

  it('is not blamed for what the client sent or for a client that left', async () => {
    await startWithClock(eastAndWest())
    east.respond = respondJson({ error: {} }, 400)
    await askTimes(4)
    east.respond = () => {}
    for (let i = 1; i <= 4; i++) {
      await harness.leave(() => east.requests.length === 4 + i)
      await eventually(() => east.aborted === i)
    }
    east.respond = respondJson(completion('well'))
    expect(await askTimes(1)).toEqual(['east'])
  })
})

const busyTimes =
  (times: number, status: number, retryAfter: string): Responder =>
  (...exchange) =>
    harness.upstream.requests.length <= times
      ? respondJson({ error: {} }, status, { 'retry-after': retryAfter })(...exchange)
      : respondJson(completion('at last'))(...exchange)
const startWaiting = (retryAfterMaxMs: number) =>
  start([], {
    failover: { ...NO_FAILOVER, retryAfterMaxMs },
  })

describe('an upstream that says when to ask again', () => {
  it.each([
    ['again after 429', 1000, busyTimes(1, 429, '0'), CHAT_PATH, 2, 200],
    ['again after 503', 1000, busyTimes(1, 503, '0'), CHAT_PATH, 2, 200],
    ['as often as its budget allows', 1000, busyTimes(99, 429, '0'), CHAT_PATH, 3, 429],
    ['once where the wait is over the limit', 1000, busyTimes(1, 429, '2'), CHAT_PATH, 1, 429],
    ['once where the wait is unreadable', 1000, busyTimes(1, 429, 'soon'), CHAT_PATH, 1, 429],
    ['once where waiting is off', 0, busyTimes(99, 429, '0'), CHAT_PATH, 1, 429],
    ['once for embeddings', 1000, busyTimes(99, 429, '0'), '/v1/embeddings', 1, 429],
  ])('is asked %s', async (_, maxMs, respond, path, times, status) => {
    await startWaiting(maxMs)
    harness.upstream.respond = respond
    const answer = await ask(chatBody('hi'), path)
    expect([answer.status, answer.by]).toEqual([status, undefined])
    expect(harness.upstream.bodies()).toEqual(Array.from({ length: times }, () => chatBody('hi')))
    expect(await harness.records()).toHaveLength(path === CHAT_PATH ? 1 : 0)
  })

  it('is not asked again for a client that has left', async () => {
    await startWaiting(1000)
    harness.upstream.respond = busyTimes(1, 429, '1')
    await harness.leave(async () => {
      // the fake upstream has sent its answer by then
      await new Promise((resolve) => setTimeout(resolve, 20))
      return harness.upstream.requests.length > 0
    })
    await eventually(async () => (await harness.records()).length === 1)
    expect(await harness.records()).toMatchObject([{ status: 499 }])
    expect(harness.upstream.requests).toHaveLength(1)
  })

  it('says so in seconds or with a date', () => {
    const now = Date.parse('Wed, 25 Nov 2026 07:28:00 GMT')
    const inMs = (value: string | null) => retryAfterMs(value, now)
    expect(['2', '0', 'Wed, 25 Nov 2026 07:28:03 GMT'].map(inMs)).toEqual([2000, 0, 3000])
    expect(inMs('Wed, 25 Nov 2026 07:27:00 GMT')).toBe(0)
    expect([null, '', 'soon', '-'].map(inMs)).toEqual([null, null, null, null])
  })
})
