/** The proxy's own secrets and paths are never forwarded, in any spelling. */
import { afterEach, describe, expect, it } from 'vitest'
import { engineSecrets } from '../../src/proxy/access/own-secrets.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  errorOf,
  startHarness,
  type Harness,
  type SendOptions,
} from '../kit/proxy/harness.ts'

const TOKEN = 'token-of-the-admin'
let harness: Harness

const start = async (): Promise<void> => {
  harness = await startHarness({ ownSecrets: ['tenant-secret', TOKEN] })
}

afterEach(() => harness.close())

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

const CHAT = '/v1/chat/completions'

/** Raw bytes, because clients normalize their targets. @returns the status */
const rawGet = async (target: string): Promise<number> => {
  const head = `GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`
  const client = harness.open(head)
  await new Promise((resolve) => client.socket.once('close', resolve))
  return Number(client.text.slice(9, 12))
}

describe('a secret of the proxy', () => {
  it.each<[string, SendOptions]>([
    ['authorization', { headers: { authorization: `Bearer ${TOKEN}` } }],
    ['authorization in lower case', { headers: { authorization: `bearer  ${TOKEN}` } }],
    ['authorization without a scheme', { headers: { authorization: TOKEN } }],
    ['basic authorization', { headers: { authorization: basic(`admin:${TOKEN}`) } }],
    ['a second authorization', { headers: ['authorization', 'a', 'authorization', TOKEN] }],
    ['proxy-authorization', { headers: { 'proxy-authorization': `Bearer ${TOKEN}` } }],
    ['api-key', { headers: { 'api-key': TOKEN } }],
    ['x-api-key', { headers: { 'X-Api-Key': TOKEN } }],
    ['x-admin-token', { headers: { 'x-admin-token': TOKEN } }],
    ['a cookie', { headers: { cookie: `a=1; token=${TOKEN}` } }],
    ['a query', { path: `${CHAT}?a=1&anything=${TOKEN}` }],
    ['an encoded query', { path: `${CHAT}?a=%74${TOKEN.slice(1)}` }],
    ['another path', { path: '/v1/files', headers: { authorization: `Bearer ${TOKEN}` } }],
    ['the list of models', { path: '/v1/models', method: 'GET', headers: { 'api-key': TOKEN } }],
    ['a request that bypasses', { headers: { 'api-key': TOKEN, 'x-promptintern-bypass': 'true' } }],
    ['the tenant secret', { headers: { 'api-key': 'tenant-secret' } }],
  ])('is not forwarded in %s', async (_name, options) => {
    await start()
    const headers = Array.isArray(options.headers)
      ? ['host', 'localhost', ...options.headers]
      : options.headers
    const answer = await harness.send(options.method === 'GET' ? null : chatBody('hi'), {
      ...options,
      ...(headers === undefined ? {} : { headers }),
    })
    expect(answer.status).toBe(401)
    expect(errorOf(answer).code).toBe('unauthorized')
    expect(answer.text).not.toContain(TOKEN)
    expect(harness.upstream.requests).toEqual([])
    expect(await harness.records()).toEqual([])
    expect(await harness.metrics()).toContain('promptintern_requests_total{route="refused"} 1')
  })

  it('is nothing that only resembles it', async () => {
    await start()
    for (const authorization of [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, 'Bearer', '']) {
      const answer = await harness.send(chatBody(TOKEN), { headers: { authorization } })
      expect(JSON.parse(answer.text)).toEqual(completion('from the upstream'))
    }
  })
})

describe('the engine’s token', () => {
  const engine = { baseUrl: 'http://gpu.example:8000/v1', token: 'token-of-the-engine' }
  const openai = { baseUrl: 'https://api.openai.com/v1' }

  it('is a secret, unless the engine is an upstream as well', () => {
    expect(engineSecrets(engine, [openai])).toEqual([engine.token])
    expect(engineSecrets(engine, [openai, { baseUrl: 'http://gpu.example:8000' }])).toEqual([])
    expect(engineSecrets({ ...engine, token: null }, [openai])).toEqual([])
    expect(engineSecrets(null, [openai])).toEqual([])
  })
})

/** Spellings of the proxy's own paths. */
const OWN_PATHS = String.raw`
  /metrics/ /metrics/x /healthz/ /readyz?a /Metrics //metrics //admin/api/templates /admin
  /Admin/api/templates /%61dmin/api /%2561dmin/api /%2Fadmin /./admin/api /v1/../admin/api
  /v1/%2e%2e/admin/api /x/..%2fadmin /\admin /admin;a=1/api /;a/admin /admin%20 /admin#x
  http://localhost/admin/api http://elsewhere.example//Admin
  HTTP://elsewhere.example/metrics
  /v1/promptintern/feedback /v1/promptintern /v1/promptintern/x?a /v1//promptintern/feedback
  /v1/PromptIntern/feedback /V1/promptintern/feedback /v1/%70romptintern/feedback
  /v1/models/../promptintern/feedback /v1/promptintern;a=1/feedback /v1\promptintern\feedback
  http://localhost/v1/promptintern/feedback
`
  .trim()
  .split(/\s+/)

describe('a path of the proxy', () => {
  it.each(OWN_PATHS)('is not forwarded as %s', async (target) => {
    await start()
    expect([target, await rawGet(target)]).toEqual([target, expect.toSatisfy(isRefusal)])
    expect(harness.upstream.requests).toEqual([])
  })

  it('is answered in the format of OpenAI’s errors, for every method', async () => {
    await start()
    for (const method of ['GET', 'POST', 'DELETE']) {
      const answer = await harness.send(null, { method, path: '/metrics/' })
      expect([answer.status, errorOf(answer).code]).toEqual([404, 'not_found'])
    }
  })

  it.each([
    '/v1/models',
    '/v1/admin',
    '/v1/metrics',
    '/v1//a',
    '/v1/promptintern-x',
    '/v1/models/promptintern',
  ])('is not %s', async (path) => {
    await start()
    expect((await harness.send(null, { method: 'GET', path })).status).toBe(200)
    expect(harness.upstream.requests.map(({ url }) => url)).toEqual([path])
  })
})

const isRefusal = (status: unknown): boolean => status === 404 || status === 400
