/** Invariant 5: a caller that the upstream or the operator would refuse gets no answer of a lora. */
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyLimits } from '../../src/core/keys/issued-key.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import { FakeLora, LORA_ANSWER, LORA_TOKENS, withLora } from '../kit/proxy/lora.ts'
import { TEMPLATE } from '../kit/proxy/lora-route.ts'
import { kindsWith } from '../kit/records/route-rules.ts'
import { completion } from '../kit/records/completion.ts'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  respondJson,
  startHarness,
  type Harness,
  type RawAnswer,
  type Responder,
} from '../kit/proxy/harness.ts'
import { keyFor, secretFor, startKeyed, type Keyed } from '../kit/proxy/keyed.ts'

const UNAUTHORIZED = { error: { message: 'Incorrect API key provided', code: 'invalid_api_key' } }

/** A proxy with a live lora of the tenant. */
const loraOf = (engine: FakeLora, tenant: string): Partial<ProxyDeps> =>
  withLora(engine, { template: { ...TEMPLATE, tenant }, kinds: kindsWith({ max_tokens: 6 }) })

interface Carried {
  headers: string[]
  query?: string
}

/** The places of credentials at upstreams. */
const WAYS: { name: string; carry: (secret: string) => Carried }[] = [
  {
    name: 'authorization',
    carry: (secret) => ({ headers: ['authorization', `Bearer ${secret}`] }),
  },
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

/** An upstream that accepts requests that carry a good secret. */
const gatekeeper =
  (good: Set<string>): Responder =>
  (...exchange) => {
    const [{ rawHeaders, url }] = exchange
    const isGood = [...good].some((secret) => (rawHeaders.join() + url).includes(secret))
    if (isGood) respondJson(completion('from the upstream'))(...exchange)
    else respondJson(UNAUTHORIZED, 401)(...exchange)
  }

describe('a stolen lora', () => {
  let harness: Harness
  let engine: FakeLora
  const good = new Set<string>()

  const start = async (owner: Carried): Promise<void> => {
    good.clear()
    good.add('secret-of-ann')
    const { path, headers } = raw(owner)
    const tenants = createTenants({ secret: 'secret', ttlMs: 1, maxEntries: 1, now: () => 0 })
    const { tenant } = tenants.identify({ rawHeaders: headers, url: path })
    engine = new FakeLora()
    harness = await startHarness(loraOf(engine, tenant))
    harness.upstream.respond = gatekeeper(good)
  }

  const ask = (carried: Carried, body = chatBody('where is my card')): Promise<RawAnswer> =>
    harness.send(body, raw(carried))

  const expectAnswered = async (carried: Carried): Promise<void> => {
    const asked = engine.asked.length
    expect((await ask(carried)).text).toContain(LORA_ANSWER)
    expect(engine.asked).toHaveLength(asked + 1)
  }

  /** Starts with a caller whom the upstream accepts and the lora answers. */
  const startAccepted = async (owner: Carried): Promise<void> => {
    await start(owner)
    await ask(owner)
    await expectAnswered(owner)
  }

  const ann: Carried = { headers: ['x-api-key', 'secret-of-ann'] }
  const unmatched = chatBody('hi', { model: 'gpt-9' })

  const expectRefused = async (carried: Carried): Promise<void> => {
    const asked = engine.asked.length
    expect((await ask(carried)).status).toBe(401)
    expect(engine.asked).toHaveLength(asked)
  }

  afterEach(() => harness.close())

  it.each(WAYS)('goes to those who are accepted by $name, and to no others', async ({ carry }) => {
    const owner = carry('secret-of-ann')
    await startAccepted(owner)
    for (const stranger of ['guessed', '', 'secret-of-an']) await expectRefused(carry(stranger))
    await expectRefused({ headers: [] })
    // refused strangers evict no accepted caller
    await expectAnswered(owner)
  })

  it('goes to no request without a credential, even if the upstream answers all requests', async () => {
    await start({ headers: [] })
    harness.upstream.respond = respondJson(completion('from the upstream'))
    for (const headers of [[], ['authorization', 'Bearer '], []]) {
      const answer = await ask({ headers })
      expect(answer.text).not.toContain(LORA_ANSWER)
    }
    expect((await ask({ headers: [] })).headers['x-promptintern-reason']).toBe('no-credential')
    expect(engine.asked).toEqual([])
  })

  it('is not won back for a revoked key by another account’s good one beside it', async () => {
    const revoked: Carried = { headers: ['authorization', 'Bearer secret-of-ann'] }
    await startAccepted(revoked)
    good.delete('secret-of-ann')
    good.add('secret-of-bob')
    await ask(revoked, unmatched)
    const beside: Carried = { headers: [...revoked.headers, 'api-key', 'secret-of-bob'] }
    expect((await ask(beside)).status).toBe(200)
    expect((await ask(beside)).status).toBe(200)
    await expectRefused(revoked)
  })

  it('is not won back by a stream that was under way when its key was revoked', async () => {
    await startAccepted(ann)
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
    await startAccepted(carried(all))
    // good at the upstream, and another tenant, which has no route
    const other = await ask(carried(['Bearer a', 'c', 'secret-of-ann', 'd', 'e=f']))
    expect(JSON.parse(other.text)).toEqual(completion('from the upstream'))
    const single = await ask({ headers: ['x-api-key', 'secret-of-ann'] })
    expect(JSON.parse(single.text)).toEqual(completion('from the upstream'))
    await expectRefused(carried(['Bearer a', 'b', 'guessed', 'd', 'e=f']))
    expect(engine.asked).toHaveLength(1)
  })

  it.each([400, 401, 402, 403])(
    'is over for a caller whom the upstream answers %i',
    async (status) => {
      await startAccepted(ann)
      harness.upstream.respond = respondJson(UNAUTHORIZED, status)
      await ask(ann, unmatched)
      expect((await ask(ann)).status).toBe(status)
      expect(engine.asked).toHaveLength(1)
    }
  )

  it.each([403, 404])(
    'is not won back for a model that answers %i by a success of another model of the key',
    async (status) => {
      await startAccepted(ann)
      const asked = engine.asked.length
      harness.upstream.respond = (...exchange) => {
        const isForbidden = exchange[0].body.includes(TEMPLATE.model)
        if (isForbidden) respondJson({ error: {} }, status)(...exchange)
        else respondJson(completion('of another model'))(...exchange)
      }
      // the acceptance of before is as old as the restriction of the key
      await ask(ann, chatBody('no match', { messages: [{ role: 'user', content: 'hi' }] }))
      for (let i = 0; i < 10; i++) {
        expect((await ask(ann, unmatched)).status).toBe(200)
        expect((await ask(ann)).status).toBe(status)
      }
      expect(engine.asked).toHaveLength(asked)
    }
  )

  it('is not given for a body in which the upstream may read another model or other messages', async () => {
    await startAccepted(ann)
    const plain = chatBody('where is my card')
    for (const body of [
      plain.replace('{', '{"model":"other",'),
      plain.replace('{', '{"mod\\u0065l":"other",'),
      plain.replace('{', '{"messages":[],'),
      plain.replace('"content":"where', '"content":"what","content":"where'),
    ]) {
      const answer = await ask(ann, body)
      expect(answer.headers['x-promptintern-reason']).toBe('ambiguous-members')
      expect(JSON.parse(answer.text)).toEqual(completion('from the upstream'))
      expect(harness.upstream.bodies().at(-1)).toBe(body)
    }
    expect(engine.asked).toHaveLength(1)
  })
})

describe('a stolen lora where keys are issued', () => {
  let keyed: Keyed
  let engine: FakeLora

  const METERED: Partial<KeyLimits> = {
    budget: { usd: 2, period: 'day' },
    tokensPerMinute: 1000,
  }

  const start = async (limits = METERED): Promise<void> => {
    engine = new FakeLora()
    keyed = await startKeyed([keyFor('a', limits), keyFor('b')], loraOf(engine, 'issued:a'))
  }

  const ask = (id: string): Promise<RawAnswer> =>
    keyed.harness.send(chatBody('where is my card', { max_tokens: 6 }), {
      headers: { authorization: `Bearer ${secretFor(id)}` },
    })

  afterEach(() => keyed.harness.close())

  it('answers a good key at once: that it was issued is acceptance enough', async () => {
    await start()
    expect((await ask('a')).text).toContain(LORA_ANSWER)
    expect(keyed.harness.upstream.requests).toEqual([])
  })

  it.each([
    ['limits', METERED],
    ['no limits', {}],
  ])('takes the lora’s tokens and no money of a key with %s', async (_name, limits) => {
    await start(limits)
    await ask('a')
    await eventually(() => keyed.spends.length === 1)
    expect(keyed.spends).toEqual([{ keyId: 'a', tokens: LORA_TOKENS, usd: 0 }])
  })

  it('gives nothing to a key of another tenant', async () => {
    await start()
    const answer = await ask('b')
    expect(JSON.parse(answer.text)).toEqual(completion('from the upstream'))
    expect(engine.asked).toEqual([])
  })

  it('gives nothing to a key that was revoked, or that the upstream would take', async () => {
    await start()
    await ask('a')
    keyed.replaceKeys([{ ...keyFor('a'), revokedAt: 1 }])
    expect((await ask('a')).status).toBe(401)
    const own = await keyed.harness.send(chatBody('where is my card'))
    expect(own.status).toBe(401)
    expect(engine.asked).toHaveLength(1)
    expect(keyed.harness.upstream.requests).toEqual([])
  })
})
