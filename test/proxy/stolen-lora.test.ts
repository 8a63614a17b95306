/** Invariant 5: whoever the upstream or the operator would refuse gets nothing that a lora knows. */
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import { FakeLora, LORA_ANSWER, LORA_TOKENS, routeFor } from '../fakes/lora.ts'
import {
  AUTHORIZATION,
  CHAT_PATH,
  chatBody,
  completion,
  eventually,
  respondJson,
  send,
  startHarness,
  type Harness,
  type RawAnswer,
  type Responder,
} from './harness.ts'
import { keyFor, secretFor, startKeyed, type Keyed } from './keyed.ts'

const TTL_MS = 60_000
const UNAUTHORIZED = { error: { message: 'Incorrect API key provided', code: 'invalid_api_key' } }

const lora = (tenant: string): { engine: FakeLora; overrides: Partial<ProxyDeps> } => {
  const engine = new FakeLora()
  const table = compileRouteTable([routeFor(tenant)])
  return {
    engine,
    overrides: {
      routes: () => table,
      engines: new Map([[engine.name, engine as Partial<Engine> as Engine]]),
    },
  }
}

describe('a stolen lora: a caller whose key the upstream refuses', () => {
  let harness: Harness
  let engine: FakeLora
  const clock = { now: 0 }

  const start = async (): Promise<void> => {
    clock.now = 1_000_000
    const tenants = createTenants({
      secret: 'secret',
      ttlMs: TTL_MS,
      maxEntries: 100,
      now: () => clock.now,
    })
    const prepared = lora(tenants.identify({ rawHeaders: ['authorization', AUTHORIZATION] }).tenant)
    engine = prepared.engine
    harness = await startHarness({ tenants, ...prepared.overrides })
  }

  const ask = (authorization = AUTHORIZATION): Promise<RawAnswer> =>
    send(harness.port, chatBody('where is my card'), { headers: { authorization } })

  const refuse = (): void => {
    harness.upstream.respond = respondJson(UNAUTHORIZED, 401)
  }

  const expectRefused = async (authorization?: string): Promise<void> => {
    const asked = engine.asked.length
    const answer = await ask(authorization)
    expect(answer.status).toBe(401)
    expect(JSON.parse(answer.body.toString())).toEqual(UNAUTHORIZED)
    expect(engine.asked).toHaveLength(asked)
  }

  /** So that the lora would answer: else nothing is proved. */
  const expectAnswered = async (): Promise<void> => {
    await ask()
    expect((await ask()).body.toString()).toContain(LORA_ANSWER)
    expect(engine.asked).toHaveLength(1)
  }

  afterEach(() => harness.close())

  it('never gets an adapted answer', async () => {
    await start()
    refuse()
    await expectRefused()
    await expectRefused()
  })

  it('gets none although the same tenant was accepted once, when that is too long ago', async () => {
    await start()
    await expectAnswered()
    refuse()
    clock.now += TTL_MS
    await expectRefused()
    await expectRefused()
  })

  it('gets none after a 401 since, however young the acceptance', async () => {
    await start()
    await expectAnswered()
    refuse()
    // a request that no template is in tells first
    await send(harness.port, chatBody('hi', { model: 'gpt-9' }))
    clock.now += 1
    await expectRefused()
  })

  it('gets none with another key than the one that was accepted', async () => {
    await start()
    await expectAnswered()
    refuse()
    for (const stranger of ['Bearer sk-guessed', '', AUTHORIZATION.slice(0, -1)])
      await expectRefused(stranger)
  })
})

interface Carried {
  headers: string[]
  query?: string
}

/** Where an upstream may take its credentials from. */
const WAYS: { name: string; carry: (secret: string) => Carried }[] = [
  { name: 'x-api-key', carry: (secret) => ({ headers: ['x-api-key', secret] }) },
  { name: 'x-goog-api-key', carry: (secret) => ({ headers: ['X-Goog-Api-Key', secret] }) },
  { name: 'api-key', carry: (secret) => ({ headers: ['api-key', secret] }) },
  { name: 'a cookie', carry: (secret) => ({ headers: ['cookie', `session=${secret}; _ga=1`] }) },
  { name: 'a query parameter', carry: (secret) => ({ headers: [], query: `?key=${secret}` }) },
  { name: 'a header of a gateway', carry: (secret) => ({ headers: ['x-acme-token', secret] }) },
  {
    name: 'the second of two authorizations',
    carry: (secret) => ({
      headers: ['authorization', 'Bearer none', 'authorization', `Bearer ${secret}`],
    }),
  },
]

const raw = ({ headers, query = '' }: Carried) => ({
  path: `${CHAT_PATH}${query}`,
  headers: ['host', 'localhost', 'content-type', 'application/json', ...headers],
})

/** An upstream that knows who may come in, by whatever it is shown. */
const gatekeeper =
  (good: Set<string>): Responder =>
  (request, response) => {
    const shown = request.rawHeaders.join() + request.url
    const isGood = [...good].some((secret) => shown.includes(secret))
    respondJson(isGood ? completion('from the upstream') : UNAUTHORIZED, isGood ? 200 : 401)(
      request,
      response
    )
  }

describe('a stolen lora where the upstream takes other credentials than an authorization', () => {
  let harness: Harness
  let engine: FakeLora
  const good = new Set<string>()

  const start = async (owner: Carried): Promise<void> => {
    good.clear()
    good.add('secret-of-ann')
    const { path, headers } = raw(owner)
    const prepared = lora(
      createTenants({ secret: 'secret', ttlMs: 1, maxEntries: 1, now: () => 0 }).identify({
        rawHeaders: headers,
        url: path,
      }).tenant
    )
    engine = prepared.engine
    harness = await startHarness(prepared.overrides)
    harness.upstream.respond = gatekeeper(good)
  }

  const ask = (carried: Carried, body = chatBody('where is my card')): Promise<RawAnswer> =>
    send(harness.port, body, raw(carried))

  const expectAnswered = async (carried: Carried): Promise<void> => {
    const asked = engine.asked.length
    expect((await ask(carried)).body.toString()).toContain(LORA_ANSWER)
    expect(engine.asked).toHaveLength(asked + 1)
  }

  const expectRefused = async (carried: Carried): Promise<void> => {
    const asked = engine.asked.length
    expect((await ask(carried)).status).toBe(401)
    expect(engine.asked).toHaveLength(asked)
  }

  afterEach(() => harness.close())

  it.each(WAYS)('goes to those who are accepted by $name, and to no others', async ({ carry }) => {
    const ann = carry('secret-of-ann')
    await start(ann)
    await ask(ann)
    await expectAnswered(ann)
    await expectRefused(carry('guessed'))
    await expectRefused({ headers: [] })
    // refused strangers evict nobody
    await expectAnswered(ann)
  })

  it('goes to nobody without a credential, even if the upstream answers everybody', async () => {
    await start({ headers: [] })
    harness.upstream.respond = respondJson(completion('from the upstream'))
    for (const headers of [[], ['authorization', 'Bearer '], []]) {
      const answer = await ask({ headers })
      expect(answer.body.toString()).not.toContain(LORA_ANSWER)
    }
    expect((await ask({ headers: [] })).headers['x-promptintern-reason']).toBe('no-credential')
    expect(engine.asked).toEqual([])
  })

  it('is not won back for a revoked key by another account’s good one beside it', async () => {
    const revoked: Carried = { headers: ['authorization', 'Bearer secret-of-ann'] }
    await start(revoked)
    await ask(revoked)
    await expectAnswered(revoked)
    good.delete('secret-of-ann')
    good.add('secret-of-bob')
    await ask(revoked, chatBody('hi', { model: 'gpt-9' }))
    const beside: Carried = { headers: [...revoked.headers, 'api-key', 'secret-of-bob'] }
    expect((await ask(beside)).status).toBe(200)
    expect((await ask(beside)).status).toBe(200)
    await expectRefused(revoked)
  })

  it('is not won back by a stream that was under way when its key was revoked', async () => {
    const ann: Carried = { headers: ['x-api-key', 'secret-of-ann'] }
    await start(ann)
    await ask(ann)
    await expectAnswered(ann)
    let open: ServerResponse | null = null
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {}\n\n')
      open = response
    }
    const hi = chatBody('hi', { model: 'gpt-9', stream: true })
    const stream = ask(ann, hi)
    await eventually(() => harness.upstream.requests.length === 2)
    harness.upstream.respond = respondJson(UNAUTHORIZED, 401)
    expect((await ask(ann, hi)).status).toBe(401)
    ;(open as ServerResponse | null)!.end('data: [DONE]\n\n')
    expect((await stream).status).toBe(200)
    await expectRefused(ann)
  })

  it('goes to five credentials at once only as those five', async () => {
    const five = ['authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'cookie']
    const carried = (values: string[]): Carried => ({
      headers: five.flatMap((name, i) => [name, values[i]!]),
    })
    const all = ['Bearer a', 'b', 'secret-of-ann', 'd', 'e=f']
    await start(carried(all))
    await ask(carried(all))
    await expectAnswered(carried(all))
    // good at the upstream, and another tenant, which has no route
    const other = await ask(carried(['Bearer a', 'c', 'secret-of-ann', 'd', 'e=f']))
    expect(JSON.parse(other.body.toString())).toEqual(completion('from the upstream'))
    const single = await ask({ headers: ['x-api-key', 'secret-of-ann'] })
    expect(JSON.parse(single.body.toString())).toEqual(completion('from the upstream'))
    await expectRefused(carried(['Bearer a', 'b', 'guessed', 'd', 'e=f']))
    expect(engine.asked).toHaveLength(1)
  })

  it.each([
    ['a header of 32 KB', { headers: ['x-api-key', 'k'.repeat(32 * 1024)] }],
    ['a query of 64 KB', { headers: [], query: `?key=${'k'.repeat(64 * 1024)}` }],
  ])('is refused with %s before anything is hashed', async (_name, carried) => {
    await start({ headers: ['x-api-key', 'secret-of-ann'] })
    const answer = await ask(carried)
    expect(answer.status).toBe(431)
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      error: { code: 'headers_too_large' },
    })
    expect(harness.upstream.requests).toEqual([])
  })

  it.each([400, 401, 402, 403])(
    'is over for a caller whom the upstream answers %i',
    async (status) => {
      const ann: Carried = { headers: ['x-api-key', 'secret-of-ann'] }
      await start(ann)
      await ask(ann)
      await expectAnswered(ann)
      harness.upstream.respond = respondJson(UNAUTHORIZED, status)
      await ask(ann, chatBody('hi', { model: 'gpt-9' }))
      expect((await ask(ann)).status).toBe(status)
      expect(engine.asked).toHaveLength(1)
    }
  )

  it('is not given for a body in which the upstream may read another model or other messages', async () => {
    const ann: Carried = { headers: ['x-api-key', 'secret-of-ann'] }
    await start(ann)
    await ask(ann)
    await expectAnswered(ann)
    const plain = chatBody('where is my card')
    for (const body of [
      plain.replace('{', '{"model":"other",'),
      plain.replace('{', '{"mod\\u0065l":"other",'),
      plain.replace('{', '{"messages":[],'),
      plain.replace('"content":"where', '"content":"what","content":"where'),
    ]) {
      const answer = await ask(ann, body)
      expect(answer.headers['x-promptintern-reason']).toBe('ambiguous-members')
      expect(JSON.parse(answer.body.toString())).toEqual(completion('from the upstream'))
      expect(harness.upstream.requests.at(-1)!.body.toString()).toBe(body)
    }
    expect(engine.asked).toHaveLength(1)
  })
})

describe('a stolen lora where keys are issued', () => {
  let keyed: Keyed
  let engine: FakeLora

  const start = async (): Promise<void> => {
    const prepared = lora('issued:a')
    engine = prepared.engine
    keyed = await startKeyed(
      [keyFor('a', { budget: { usd: 2, period: 'day' }, tokensPerMinute: 1000 }), keyFor('b')],
      prepared.overrides
    )
  }

  const ask = (id: string): Promise<RawAnswer> =>
    send(keyed.harness.port, chatBody('where is my card', { max_tokens: 6 }), {
      headers: { authorization: `Bearer ${secretFor(id)}` },
    })

  afterEach(() => keyed.harness.close())

  it('answers a good key at once: that it was issued is acceptance enough', async () => {
    await start()
    expect((await ask('a')).body.toString()).toContain(LORA_ANSWER)
    expect(keyed.harness.upstream.requests).toEqual([])
  })

  it('takes the lora’s tokens and no money', async () => {
    await start()
    await ask('a')
    await eventually(() => keyed.spends.length === 1)
    expect(keyed.spends).toEqual([{ keyId: 'a', tokens: LORA_TOKENS, usd: 0 }])
  })

  it('gives nothing to a key of another tenant', async () => {
    await start()
    const answer = await ask('b')
    expect(JSON.parse(answer.body.toString())).toEqual(completion('from the upstream'))
    expect(engine.asked).toEqual([])
  })

  it('gives nothing to a key that was revoked, or that the upstream would take', async () => {
    await start()
    await ask('a')
    keyed.replaceKeys([{ ...keyFor('a'), revokedAt: 1 }])
    expect((await ask('a')).status).toBe(401)
    const own = await send(keyed.harness.port, chatBody('where is my card'))
    expect(own.status).toBe(401)
    expect(engine.asked).toHaveLength(1)
    expect(keyed.harness.upstream.requests).toEqual([])
  })
})
