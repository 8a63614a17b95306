/** `POST /v1/promptintern/feedback`: what is taken, what is refused, and what a flood costs. */
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { ErrorBody } from '../../src/openai/error-body.ts'
import { compileKeyTable, createKeyFinder, tenantsOfKeys } from '../../src/proxy/access/access.ts'
import { createTenants, type Tenants } from '../../src/proxy/access/tenants.ts'
import { createFeedbackApp, type FeedbackDeps } from '../../src/proxy/feedback/feedback-app.ts'
import { createApp } from '../../src/server/app.ts'
import { keyFor, secretFor } from '../kit/proxy/keyed.ts'

const GIVEN = { record: 'record-1', rating: 'good' }

const tenantsBySecret = (): Tenants =>
  createTenants({ secret: 'secret', ttlMs: 1000, maxEntries: 10, now: () => 0 })

interface SendOptions {
  credential?: string
  headers?: Record<string, string>
}

const openApp = (overrides: Partial<FeedbackDeps> = {}) => {
  const clock = { now: 1_000_000.5 }
  const puts: Parameters<FeedbackDeps['put']>[] = []
  const tenants = overrides.tenants ?? tenantsBySecret()
  const app = createApp({
    feedback: createFeedbackApp({
      tenants,
      put: async (...put) => void puts.push(put),
      isKnown: () => false,
      now: () => clock.now,
      ...overrides,
    }),
    proxy: new Hono<{ Bindings: HttpBindings }>().all('*', () => {
      throw new Error('this would have reached the upstream')
    }),
    admin: async () => new Hono(),
    registry: new Registry(),
    mayReadMetrics: () => true,
    onFault: () => {},
  })
  const send = async (
    body: unknown,
    { credential = 'Bearer sk-1', headers = {} }: SendOptions = {}
  ) => {
    const rawHeaders = ['authorization', credential]
    const env = { incoming: { rawHeaders, url: '/v1/promptintern/feedback' } }
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const init = { method: 'POST', body: text, headers }
    const response = await app.request('/v1/promptintern/feedback', init, env)
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      body: (await response.json()) as ErrorBody & Record<string, unknown>,
    }
  }
  const tenantOf = (credential: string): string =>
    tenants.identify({ rawHeaders: ['authorization', credential] }).tenant
  return { clock, puts, send, tenantOf }
}

const repeated = async <T>(count: number, work: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, work))

describe('feedback', () => {
  it.each<[Record<string, unknown>, Record<string, unknown>?]>([
    [GIVEN, { ...GIVEN, comment: null }],
    [{ record: 'r', rating: 'bad', comment: 'wrong team' }],
    [{ record: 'r', rating: null, comment: null }],
    [{ ...GIVEN, comment: 'ä'.repeat(1000) }],
    [
      { ...GIVEN, more: 1 },
      { ...GIVEN, comment: null },
    ],
  ])('is stored for the tenant of its credential: %j', async (given, stored = given) => {
    const { puts, send, tenantOf } = openApp()
    const { record, rating } = given
    expect(await send(given)).toMatchObject({ status: 200, body: { record, rating } })
    expect(puts).toEqual([[stored, tenantOf('Bearer sk-1'), 1_000_000]])
    expect(tenantOf('Bearer sk-1')).not.toBe(tenantOf('Bearer sk-2'))
  })

  it.each<[string, unknown, string | null]>([
    ['no JSON', '{"record":', null],
    ['no object', [GIVEN], null],
    ['null', 'null', null],
    ['no record', { rating: 'good' }, 'record'],
    ['an empty record', { ...GIVEN, record: '' }, 'record'],
    ['a number for a record', { ...GIVEN, record: 7 }, 'record'],
    ['a long id', { ...GIVEN, record: 'r'.repeat(101) }, 'record'],
    ['no rating', { record: 'record-1' }, 'rating'],
    ['an unknown rating', { ...GIVEN, rating: 'fine' }, 'rating'],
    ['a rating that is a member of every object', { ...GIVEN, rating: 'constructor' }, 'rating'],
    ['a long comment', { ...GIVEN, comment: 'x'.repeat(1001) }, 'comment'],
    ['a comment that is no text', { ...GIVEN, comment: {} }, 'comment'],
  ])('is refused, and nothing is stored: %s', async (_case, body, param) => {
    const { puts, send } = openApp()
    expect(await send(body)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request', param } },
    })
    expect(puts).toEqual([])
  })

  it.each<[string, Record<string, string>]>([
    ['by its declared length', { 'content-length': '20000' }],
    ['by its bytes', { 'transfer-encoding': 'chunked' }],
  ])('is refused when it is too large: %s', async (_case, headers) => {
    const { puts, send } = openApp()
    expect(await send({ ...GIVEN, more: 'x'.repeat(17_000) }, { headers })).toMatchObject({
      status: 413,
      body: { error: { code: 'body_too_large' } },
    })
    expect(puts).toEqual([])
  })

  it('on a record that the caller does not have is not found', async () => {
    const { send } = openApp({
      put: () => Promise.reject(new AppError('not-found', 'the log has no record')),
    })
    expect(await send(GIVEN)).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
  })

  it('with issued keys needs a valid one', async () => {
    const findKey = createKeyFinder(() => compileKeyTable([keyFor('a')]))
    const { puts, send } = openApp({ tenants: tenantsOfKeys(findKey) })
    expect(await send(GIVEN, { credential: `Bearer ${secretFor('b')}` })).toMatchObject({
      status: 401,
      body: { error: { code: 'invalid_api_key' } },
    })
    expect(await send(GIVEN, { credential: `Bearer ${secretFor('a')}` })).toMatchObject({
      status: 200,
    })
    expect(puts.map(([, tenant]) => tenant)).toEqual(['issued:a'])
  })
})

describe('a flood of feedback', () => {
  it('from one key is refused, costs no write, and stops no other key', async () => {
    const { clock, puts, send } = openApp()
    const answers = await repeated(1_000, () => send(GIVEN))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(600)
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(400)
    expect(refused[0]).toMatchObject({
      retryAfter: '1',
      body: { error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } },
    })
    expect(puts).toHaveLength(600)
    expect((await send(GIVEN, { credential: 'Bearer sk-2' })).status).toBe(200)
    clock.now += 1_000
    expect((await repeated(12, () => send(GIVEN))).map(({ status }) => status)).toEqual([
      ...Array<number>(10).fill(200),
      429,
      429,
    ])
  })

  it('that is not valid is refused, too', async () => {
    const { send } = openApp()
    const answers = await repeated(601, () => send('{'))
    expect(
      answers
        .map(({ status }) => status)
        .sort()
        .at(-1)
    ).toBe(429)
  })

  it('from many keys does not pile up before the store, which gets one at a time', async () => {
    let [atOnce, most] = [0, 0]
    const gate = { isOpen: false, open: () => {} }
    const { send } = openApp({
      put: async () => {
        most = Math.max(most, ++atOnce)
        if (!gate.isOpen) await new Promise<void>((resolve) => (gate.open = resolve))
        atOnce--
      },
    })
    const statuses: number[] = []
    const sent = Array.from({ length: 1_003 }, async (_, i) => {
      const answer = await send(GIVEN, { credential: `key ${i}` })
      statuses.push(answer.status)
      return answer
    })
    await expect.poll(() => statuses).toEqual([503, 503])
    gate.isOpen = true
    gate.open()
    const answers = await Promise.all(sent)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1_001)
    expect(answers.find(({ status }) => status === 503)).toMatchObject({
      retryAfter: '1',
      body: { error: { code: 'overloaded' } },
    })
    expect(most).toBe(1)
    expect((await send(GIVEN)).status).toBe(200)
  })

  it('from made-up keys stops no key whose requests the upstream has answered', async () => {
    const gate = { open: () => {} }
    const isOpen = new Promise<void>((resolve) => (gate.open = resolve))
    const order: string[] = []
    const tenants = tenantsBySecret()
    const own = tenants.identify({ rawHeaders: ['authorization', 'Bearer sk-own'] }).tenant
    const { send } = openApp({
      tenants,
      isKnown: (tenant) => tenant === own,
      put: async (_feedback, tenant) => {
        await isOpen
        order.push(tenant)
      },
    })
    const strangers = Array.from({ length: 1_300 }, (_, i) =>
      send(GIVEN, { credential: `Bearer made-up-${i}` })
    )
    const refused = Promise.race(strangers)
    expect((await refused).status).toBe(503)
    const answers = repeated(3, () => send(GIVEN, { credential: 'Bearer sk-own' }))
    // all are in the queue when the store goes on
    await new Promise((resolve) => setTimeout(resolve, 100))
    gate.open()
    expect((await answers).map(({ status }) => status)).toEqual([200, 200, 200])
    const statuses = (await Promise.all(strangers)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 503)).toHaveLength(299)
    // one stranger was with the store already
    expect(order.slice(1, 4)).toEqual([own, own, own])
  })

  it('goes on after the store has failed', async () => {
    let fails = true
    const { send } = openApp({
      put: async () => {
        if (fails) throw new AppError('store-unavailable', 'the disk is full')
      },
    })
    expect((await send(GIVEN)).status).toBe(503)
    fails = false
    expect((await send(GIVEN)).status).toBe(200)
  })
})
