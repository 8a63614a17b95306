/** What goes wrong on the way of a request is told to the operator, and little of it to the client. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { AppError } from '../../src/errors.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { FakeLora, LORA_ANSWER, withLora } from '../kit/proxy/lora.ts'
import { ROUTE } from '../kit/proxy/lora-route.ts'
import { completion } from '../kit/records/completion.ts'
import {
  AUTHORIZATION,
  chatBody,
  eventually,
  LIMITS,
  NO_FAILOVER,
  recordId,
  startHarness,
  startUpstream,
  type Harness,
} from '../kit/proxy/harness.ts'

const SECRET = 'secret detail of /var/lib/promptintern'

let harness: Harness
afterEach(() => harness.close())

const start = async (overrides: Partial<ProxyDeps> = {}): Promise<Harness> =>
  (harness = await startHarness(overrides))

const boom = (): never => {
  throw new Error(SECRET)
}

const kinds = (): string[] => harness.faults.map(({ kind }) => kind)

const internalError = {
  error: { message: 'internal error', type: 'server_error', param: null, code: 'internal' },
}

/** The second request is one that the lora may answer. */
const askLora = async () => {
  await harness.send(chatBody('hi'))
  return harness.send(chatBody('hi'))
}

describe('an upstream that answers', () => {
  it.each([500, 502, 529])('%i is a fault with its host, and its answer passes', async (status) => {
    await start()
    harness.upstream.respond = (_request, response) =>
      response.writeHead(status).end('its own page')
    expect(await harness.send(chatBody('hi'))).toMatchObject({ status, text: 'its own page' })
    const { host } = new URL(harness.upstream.url)
    expect(harness.faults).toMatchObject([
      { kind: 'upstream', error: { message: `the upstream answered ${status}` }, data: { host } },
    ])
  })

  it('429 is not a fault', async () => {
    await start()
    harness.upstream.respond = (_request, response) => response.writeHead(429).end()
    await harness.send(chatBody('hi'))
    expect(harness.faults).toEqual([])
  })
})

describe('an exception', () => {
  it.each([
    ['a chat completion', chatBody('hi'), {}],
    ['a request that passes through', null, { method: 'GET', path: '/v1/models' }],
  ])(
    'while %s is received is an internal error to the client, and a fault',
    async (_, body, options) => {
      await start({ access: { callerOf: boom, upstreamApiKey: 'sk-upstream' } })
      const { status, text } = await harness.send(body, options)
      expect([status, JSON.parse(text)]).toEqual([500, internalError])
      expect(harness.faults).toMatchObject([{ kind: 'request', error: { message: SECRET } }])
    }
  )

  it('while a request is matched is a fault, and the upstream answers', async () => {
    await start({ routes: boom })
    const { status, text } = await harness.send(chatBody('hi'))
    expect([status, JSON.parse(text)]).toEqual([200, completion('from the upstream')])
    expect(new Set(kinds())).toEqual(new Set(['matching']))
    expect(await harness.metrics()).toContain('promptintern_forwarded_total{reason="internal"}')
    expect(harness.faults[0]?.error).toMatchObject({ message: SECRET })
  })

  it('while a lora is chosen is a fault with the request`s id, and the upstream answers', async () => {
    await start(withLora(new FakeLora()))
    harness.deps.tenants.accepted = boom
    const { headers } = await harness.send(chatBody('hi'))
    expect(headers['x-promptintern-reason']).toBe('internal')
    expect(harness.faults).toMatchObject([
      { kind: 'route', data: { request: recordId(1), lora: ROUTE.lora } },
    ])
  })

  it.each([
    ['an upstream`s answer', false],
    ['a lora`s answer', true],
  ])('at the end of %s is a fault, and the client has the whole answer', async (_, isLora) => {
    const isArmed = { now: false }
    await start({ ...(isLora ? withLora(new FakeLora()) : {}), log: () => isArmed.now && boom() })
    await harness.send(chatBody('hi'))
    isArmed.now = true
    const answer = await harness.send(chatBody('hi'))
    expect([answer.status, answer.complete]).toEqual([200, true])
    expect(answer.text).toContain(isLora ? LORA_ANSWER : 'from the upstream')
    await eventually(() => harness.faults.length > 0)
    expect(kinds()).toEqual(['exchange-end'])
  })
})

describe('an engine', () => {
  it.each([
    [
      'refuses',
      new AppError('invalid-request', 'engine fake: no lora of this name'),
      'engine-refused',
    ],
    ['breaks off', new Error('socket closed'), 'engine-error'],
  ])('that %s is a fault with its message', async (_, error, reason) => {
    const engine: Partial<Engine> = {
      name: 'fake',
      stream: () => {
        throw error
      },
    }
    await start(withLora(engine))
    const { headers, body } = await askLora()
    expect(headers['x-promptintern-reason']).toBe(reason)
    expect(body.toString()).not.toContain(error.message)
    expect(harness.faults).toEqual([
      {
        kind: 'engine',
        error,
        data: { request: recordId(2), engine: 'fake', lora: ROUTE.lora, reason },
      },
    ])
  })

  it('that says nothing, or stops without a reason, is a fault', async () => {
    const engine = new FakeLora()
    await start(withLora(engine))
    engine.stream = async function* () {
      yield { text: 'card', logprobs: [] }
    }
    await askLora()
    expect(harness.faults).toMatchObject([
      { kind: 'engine', error: { code: 'engine-unavailable' }, data: { reason: 'engine-error' } },
    ])
  })

  it('that is unsure, or whose client leaves, is not a fault', async () => {
    const engine = new FakeLora()
    await start(withLora(engine))
    engine.stream = async function* () {
      const unsure = { token: 'card', logprob: -9, bytes: null, top_logprobs: [] }
      yield { text: 'card', logprobs: [unsure] }
    }
    expect((await askLora()).headers['x-promptintern-reason']).toBe('low-confidence')
    let isAsked = false
    engine.stream = async function* () {
      isAsked = true
      await new Promise(() => {})
      yield { text: '', logprobs: [] }
    }
    await harness.leave(() => isAsked)
    await eventually(() => harness.deps.load.inFlight === 0)
    expect(harness.faults).toEqual([])
  })
})

describe('an upstream', () => {
  it('that cannot be reached is a fault an attempt, with host and port; the client is told no more than that', async () => {
    await start({ upstreamBaseUrl: 'http://127.0.0.1:1/v1' })
    const { status, body } = await harness.send(chatBody('hi'))
    expect(status).toBe(502)
    expect(JSON.parse(body.toString()).error).toMatchObject({
      message: 'the connection to the upstream failed',
      code: 'upstream_unavailable',
    })
    expect(harness.faults).toHaveLength(3)
    for (const { kind, error, data } of harness.faults)
      expect({ kind, error, data }).toMatchObject({
        kind: 'upstream',
        error: { code: 'ECONNREFUSED' },
        data: { host: '127.0.0.1:1' },
      })
  })

  it('that breaks its answer off is one, passed through or read', async () => {
    await start()
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('half')
      setTimeout(() => response.destroy(), 20)
    }
    expect((await harness.send(chatBody('hi'))).complete).toBe(false)
    await harness.send(null, { method: 'GET', path: '/v1/models' })
    expect(kinds()).toEqual(['upstream', 'upstream'])
  })

  it('that another one stands in for is one, and the client sees nothing of it', async () => {
    const here = await startUpstream()
    const models = ['gpt-4o-mini']
    await start({
      failover: {
        ...NO_FAILOVER,
        upstreams: [
          { name: 'away', baseUrl: 'http://127.0.0.1:1', apiKey: null, models, fallback: ['here'] },
          { name: 'here', baseUrl: here.url, apiKey: 'sk-here', models: ['none'], fallback: [] },
        ],
      },
    })
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
    expect(harness.faults).toMatchObject([
      { kind: 'upstream', error: { code: 'ECONNREFUSED' }, data: { host: '127.0.0.1:1' } },
    ])
    here.close()
  })

  it('that was asked by a client that left is not a fault', async () => {
    await start()
    harness.upstream.respond = () => {}
    await harness.leave(() => harness.upstream.requests.length === 1)
    await eventually(() => harness.upstream.aborted === 1)
    expect(harness.faults).toEqual([])
  })
})

describe('a client', () => {
  it('that speaks no HTTP is told so and reported', async () => {
    await start()
    const client = harness.open(`NOT HTTP ${AUTHORIZATION}\r\n\r\n`)
    await eventually(() => client.text.includes('400 Bad Request'))
    expect(kinds()).toEqual(['unreadable-request'])
    client.socket.destroy()
  })

  it('that names an impossible host is refused in OpenAI`s format', async () => {
    await start()
    const { status, body } = await harness.send(null, {
      method: 'GET',
      path: '/v1/models',
      headers: { host: 'a b/c' },
    })
    expect([status, JSON.parse(body.toString()).error.code]).toEqual([403, 'forbidden'])
    expect(harness.faults).toEqual([])
  })

  it('that is refused is not a fault', async () => {
    await start({ limits: { ...LIMITS, maxBodyBytes: 10 } })
    expect((await harness.send(chatBody('hi'))).status).toBe(413)
    expect(harness.faults).toEqual([])
  })
})
