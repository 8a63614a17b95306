import { inspect } from 'node:util'
import OpenAI, { RateLimitError } from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { createBodyBudget } from '../../src/proxy/client/body-budget.ts'
import type { IssuedKey } from '../../src/core/keys/issued-key.ts'
import { AUTHORIZATION, chatBody, errorOf, type RawAnswer } from '../kit/proxy/harness.ts'
import { keyFor, secretFor, startKeyed, UPSTREAM_KEY, type Keyed } from '../kit/proxy/keyed.ts'

let keyed: Keyed

const start = async (...parameters: Parameters<typeof startKeyed>): Promise<void> => {
  keyed = await startKeyed(...parameters)
}

afterEach(() => keyed.harness.close())

const bearer = (id: string): { authorization: string } => ({
  authorization: `Bearer ${secretFor(id)}`,
})

const ask = (id: string, extra: Record<string, unknown> = {}): Promise<RawAnswer> =>
  keyed.harness.send(chatBody('hi', extra), { headers: bearer(id) })

/** Every way to the upstream that there is. */
const WAYS = [
  { name: 'a chat completion', method: 'POST', path: '/v1/chat/completions' },
  { name: 'one by a path with a query', method: 'POST', path: '/v1/chat/completions?a=1' },
  { name: 'one that bypasses', method: 'POST', path: '/v1/chat/completions', bypass: true },
  { name: 'embeddings', method: 'POST', path: '/v1/embeddings' },
  { name: 'the list of models', method: 'GET', path: '/v1/models' },
  { name: 'a path outside /v1', method: 'GET', path: '/openai/deployments/x/models' },
]

const go = (way: (typeof WAYS)[number], headers: Record<string, string>): Promise<RawAnswer> =>
  keyed.harness.send(way.method === 'GET' ? null : chatBody('hi'), {
    method: way.method,
    path: way.path,
    headers: { ...headers, ...(way.bypass ? { 'x-promptintern-bypass': 'true' } : {}) },
  })

describe.each(WAYS)('where keys are issued, $name', (way) => {
  it('gets nothing without a good key, and the upstream hears nothing', async () => {
    const revoked: IssuedKey = { ...keyFor('revoked'), revokedAt: 1 }
    await start([keyFor('a'), revoked])
    const secret = secretFor('a')
    for (const authorization of [
      '',
      'Bearer ',
      AUTHORIZATION,
      `Bearer ${UPSTREAM_KEY}`,
      bearer('revoked').authorization,
      bearer('nobody').authorization,
      `Bearer ${secret.slice(0, -1)}`,
      `Bearer ${keyFor('a').hash}`,
      `Basic ${secret}`,
    ]) {
      const answer = await go(way, { authorization })
      expect(answer.status).toBe(401)
      expect(errorOf(answer)).toMatchObject({
        type: 'authentication_error',
        code: 'invalid_api_key',
      })
    }
    expect(keyed.harness.upstream.requests).toEqual([])
    expect(await keyed.harness.records()).toEqual([])
    expect(await keyed.harness.metrics()).toContain(
      'promptintern_requests_total{route="refused"} 9'
    )
  })

  it('goes on with the operator’s key in place of the caller’s', async () => {
    await start([keyFor('a')])
    const account = { 'openai-organization': 'org-1', 'OpenAI-Project': 'proj-1' }
    expect((await go(way, { ...bearer('a'), ...account, 'x-request-id': '1' })).status).toBe(200)
    const [request] = keyed.harness.upstream.requests
    expect(request!.headers.authorization).toBe(`Bearer ${UPSTREAM_KEY}`)
    expect(request!.headers['x-request-id']).toBe('1')
    expect(request!.rawHeaders.join().toLowerCase()).not.toContain('org')
    expect(inspect(request)).not.toContain(secretFor('a'))
  })
})

it('no answer to TRACE shows the key of the upstream', async () => {
  await start([keyFor('a')])
  keyed.harness.upstream.respond = ({ headers }, response) => response.end(JSON.stringify(headers))
  const path = '/v1/models'
  const { status, body } = await keyed.harness.send(null, {
    method: 'TRACE',
    path,
    headers: bearer('a'),
  })
  expect(body.toString()).not.toContain(UPSTREAM_KEY)
  expect(status).toBe(400)
  expect(keyed.harness.upstream.requests).toEqual([])
})

describe('a caller with an issued key', () => {
  it('may send it in each place or in both, and no other value beside it', async () => {
    await start([keyFor('a'), keyFor('b')])
    const [a, b] = [secretFor('a'), secretFor('b')]
    const status = async (...headers: string[]): Promise<number> =>
      (
        await keyed.harness.send(chatBody('hi'), {
          headers: ['host', 'localhost', 'content-type', 'application/json', ...headers],
        })
      ).status
    expect(await status('api-key', a)).toBe(200)
    expect(await status('authorization', `Bearer ${a}`, 'api-key', a)).toBe(200)
    expect(await status('authorization', `Bearer ${a}`, 'Authorization', `Bearer ${a}`)).toBe(200)
    for (const other of [b, 'sk-own', ''])
      for (const headers of [
        ['authorization', `Bearer ${a}`, 'api-key', other],
        ['api-key', other, 'authorization', `Bearer ${a}`],
        ['authorization', `Bearer ${a}`, 'authorization', `Bearer ${other}`],
        ['api-key', a, 'api-key', other],
      ])
        expect([headers, await status(...headers)]).toEqual([headers, 401])
    expect(keyed.harness.upstream.requests).toHaveLength(3)
  })

  it('is known by these places alone, and the upstream sees no other credential', async () => {
    await start([keyFor('a')])
    const others = ['x-api-key', 'x-goog-api-key', 'cookie', 'x-acme-token', 'x-auth-token']
    const sent = await keyed.harness.send(chatBody('hi'), {
      path: '/v1/chat/completions?key=sk-other&api-version=1&%74oken=sk-other',
      headers: { ...bearer('a'), ...Object.fromEntries(others.map((name) => [name, 'sk-other'])) },
    })
    expect(sent.status).toBe(200)
    const [request] = keyed.harness.upstream.requests
    expect(inspect(request)).not.toContain('sk-other')
    expect(request!.url).toBe('/v1/chat/completions?api-version=1')
    for (const name of others) {
      const answer = await keyed.harness.send(chatBody('hi'), {
        headers: ['host', 'localhost', name, secretFor('a')],
      })
      expect([name, answer.status]).toEqual([name, 401])
    }
  })

  it('is the tenant of its records', async () => {
    await start([keyFor('a'), { ...keyFor('b'), tenant: 'issued:a' }])
    await ask('a')
    await ask('b')
    const tenants = (await keyed.harness.records()).map(({ tenant }) => tenant)
    expect(tenants).toEqual(['issued:a', 'issued:a'])
  })

  it('leaves no trace of its secret and its hash in records, errors, headers and metrics', async () => {
    await start([keyFor('a', { models: ['gpt-4o-mini'], requestsPerMinute: 3 })])
    const answers = [await ask('a'), await ask('a', { model: 'other' }), await ask('a')]
    answers.push(await ask('a'), await ask('a'))
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 200, 200, 429])
    const { harness } = keyed
    const traces = [
      ...answers.map(({ body, rawHeaders }) => body.toString() + rawHeaders.join()),
      JSON.stringify(await harness.records()),
      await harness.metrics(),
      JSON.stringify(harness.upstream.requests.map(({ rawHeaders }) => rawHeaders)),
    ].join()
    expect(traces).not.toContain(secretFor('a'))
    expect(traces).not.toContain(keyFor('a').hash)
  })

  it.each(WAYS.slice(2))(
    'cannot get around limits that need reading by $name',
    async ({ path, method, bypass = false }) => {
      await start([keyFor('a', { models: ['gpt-4o*'] })])
      const way = { name: '', path, method, bypass }
      const { status } = await go(way, bearer('a'))
      expect(status).toBe(path === '/v1/models' ? 200 : 403)
    }
  )

  it('cannot get around them by a body that is not a chat request or does not fit into memory', async () => {
    await start([keyFor('a', { models: ['gpt-4o*'] }), keyFor('b')], {
      bodies: createBodyBudget(100, () => 0),
    })
    const large = { metadata: 'x'.repeat(200) }
    const refused = await ask('a', large)
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])
    expect((await ask('b', large)).status).toBe(200)
    const broken = await keyed.harness.send('{"model":"gpt-4o"', { headers: bearer('a') })
    expect(broken.status).toBe(400)
    expect(keyed.harness.upstream.requests).toHaveLength(1)
  })

  it.each([
    ['Model', '{"model":"gpt-4o-mini","messages":[],"Model":"o4"}'],
    ['model', '{"model":"o4","messages":[],"model":"gpt-4o-mini"}'],
    ['model', '{"mod\\u0065l":"o4","messages":[],"model":"gpt-4o-mini"}'],
    ['model\u0000', '{"model":"gpt-4o-mini","messages":[],"model\\u0000":"o4"}'],
    ['ｍodel', '{"messages":[{"role":"user","content":[]}],"ｍodel":"o4","model":"gpt-4o-mini"}'],
    ['maxTokens', '{"model":"gpt-4o-mini","messages":[],"maxTokens":9}'],
    ['max_to\u212aens', '{"model":"gpt-4o-mini","messages":[],"max_to\u212aens":9}'],
    ['N', '{"model":"gpt-4o-mini","messages":[],"N":9}'],
    ['messages', '{"model":"gpt-4o-mini","messages":[{}],"messages":[]}'],
    ['Service_Tier', '{"model":"gpt-4o-mini","messages":[],"Service_Tier":"flex"}'],
    ['content', '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"","content":""}]}'],
    ['Content', '{"model":"gpt-4o-mini","messages":[{"role":"user","Content":"x"}]}'],
    [
      'text',
      '{"model":"gpt-4o-mini","messages":[{"role":"user","content":[{"text":"x","text":""}]}]}',
    ],
    ['a', '{"model":"gpt-4o-mini","messages":[],"tools":[{"a":1,"a":2}]}'],
  ])('cannot get around them by a body with two readings of %j: %s', async (param, body) => {
    await start([keyFor('a', { models: ['gpt-4o-mini'] }), keyFor('b')])
    const refused = await keyed.harness.send(body, { headers: bearer('a') })
    expect(refused.status).toBe(400)
    expect(errorOf(refused)).toMatchObject({ code: 'invalid_request', param })
    expect(errorOf(refused).message).toContain('this key has limits')
    expect(keyed.harness.upstream.requests).toEqual([])
    // a key without limits has the upstream's own reading
    expect((await keyed.harness.send(body, { headers: bearer('b') })).status).toBe(200)
    expect(keyed.harness.upstream.bodies()[0]).toBe(body)
  })

  it('is told when it may ask again, in the way that OpenAI’s client understands', async () => {
    await start([keyFor('a', { requestsPerMinute: 2 })])
    const client = new OpenAI({
      apiKey: secretFor('a'),
      baseURL: keyed.harness.baseUrl,
      maxRetries: 0,
    })
    const create = (): Promise<unknown> =>
      client.chat.completions.create({
        model: 'gpt-4o-mini',
        messages: [{ role: 'user', content: 'hi' }],
      })
    await create()
    await client.models.list()
    const error = await create().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RateLimitError)
    const { code, headers } = error as InstanceType<typeof RateLimitError>
    expect(code).toBe('rate_limit_exceeded')
    expect(headers.get('retry-after')).toBe('30')
    keyed.clock.now += 30_000
    await create()
    expect(keyed.harness.upstream.requests).toHaveLength(3)
  })

  it('is refused from the next request on when the key is revoked', async () => {
    await start([keyFor('a')])
    expect((await ask('a')).status).toBe(200)
    keyed.replaceKeys([{ ...keyFor('a'), revokedAt: 1 }])
    expect((await ask('a')).status).toBe(401)
    expect(keyed.harness.upstream.requests).toHaveLength(1)
  })
})
