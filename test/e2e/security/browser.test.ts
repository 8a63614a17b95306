/** Pages of other sites in the operator's browser, against the real server. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, type ProxyProcess } from '../../kit/process/proxy-process.ts'
import { startServer } from '../../kit/process/built.ts'
import {
  CHAT_PATH,
  chatBody,
  errorOf,
  send,
  startUpstream,
  type FakeUpstream,
  type RawAnswer,
} from '../../kit/proxy/harness.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

const OPERATOR_KEY = 'sk-of-the-operator'

const dataDir = sharedFolder()
let upstream: FakeUpstream
let proxy: ProxyProcess
let port: number

const startWith =
  (env: Record<string, string> = {}) =>
  async (): Promise<void> => {
    upstream = await startUpstream()
    const file = join(dataDir, 'upstreams.json')
    const entry = {
      name: 'own',
      baseUrl: `${upstream.url}/v1`,
      apiKeyEnv: 'KEY',
      models: ['gpt-*'],
    }
    writeFileSync(file, JSON.stringify([entry]))
    proxy = await startServer({
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: upstream.url,
      UPSTREAMS_FILE: file,
      KEY: OPERATOR_KEY,
      ...env,
    })
    port = Number(new URL(proxy.baseUrl).port)
  }

const stop = async (): Promise<void> => {
  await proxy.stop()
  upstream.close()
}

/** A completion without a key of the caller's. @param headers flat list */
const ask = (headers: string[], path: string = CHAT_PATH): Promise<RawAnswer> => {
  const body = chatBody('hi')
  return send(port, body, {
    path,
    headers: [...headers, 'content-length', String(Buffer.byteLength(body))],
  })
}

const own = (): string => `127.0.0.1:${port}`
const JSON_TYPE = ['content-type', 'application/json']

describe('a page of another site', () => {
  beforeAll(startWith())
  afterAll(stop)

  it.each<[what: string, headers: string[]]>([
    ['as a form', ['origin', 'https://evil.example', 'content-type', 'text/plain']],
    ['from a sandboxed frame', ['origin', 'null', 'content-type', 'text/plain']],
    ['of another port of this machine', ['origin', 'http://127.0.0.1:1', ...JSON_TYPE]],
    ['without an origin', ['sec-fetch-site', 'cross-site', ...JSON_TYPE]],
    ['of a neighbour', ['sec-fetch-site', 'same-site', ...JSON_TYPE]],
    ['with a made-up key', ['origin', 'https://evil.example', 'authorization', 'Bearer x']],
    ['in a browser that says nothing', ['content-type', 'text/plain;charset=UTF-8']],
    ['in an old browser', ['content-type', 'application/x-www-form-urlencoded']],
    ['with a file', ['content-type', 'multipart/form-data; boundary=x']],
  ])('does not spend the key of the operator: %s', async (_what, headers) => {
    for (const path of [CHAT_PATH, '/v1/responses', `${CHAT_PATH}?key=x`]) {
      const before = upstream.requests.length
      const answer = await ask(['host', own(), ...headers], path)
      expect([400, 403]).toContain(answer.status)
      expect(['permission_error', 'invalid_request_error']).toContain(errorOf(answer).type)
      expect(upstream.requests.length).toBe(before)
    }
  })

  it.each<[what: string, headers: string[]]>([
    ['an SDK', JSON_TYPE],
    ['a client that names no type', []],
    ['a page of the server itself', ['sec-fetch-site', 'same-origin', ...JSON_TYPE]],
  ])('is told from %s, which is answered with the key of the operator', async (_what, headers) => {
    expect((await ask(['host', own(), ...headers])).status).toBe(200)
    expect((await ask(['host', own(), 'origin', `http://${own()}`, ...headers])).status).toBe(200)
    expect(upstream.requests.at(-1)!.headers.authorization).toBe(`Bearer ${OPERATOR_KEY}`)
  })

  it.each(['/v1/models', '/admin/sign-in', '/admin/api/status', '/metrics', '/readyz', CHAT_PATH])(
    'reads nothing under a name that was rebound to this machine: %s',
    async (path) => {
      const before = upstream.requests.length
      for (const host of [
        'evil.example',
        `evil.example:${port}`,
        '127.0.0.1.evil.example',
        'x@y',
      ]) {
        const answer = await send(port, null, {
          method: 'GET',
          path,
          headers: ['host', host, 'authorization', `Bearer ${ADMIN_TOKEN}`],
        })
        expect([host, answer.status]).toEqual([host, 403])
        expect(errorOf(answer).message).toContain('ALLOWED_HOSTS')
      }
      expect(upstream.requests.length).toBe(before)
    }
  )

  it('is told from people who use a name or an address of this machine', async () => {
    const hosts = ['localhost', `localhost:${port}`, 'LOCALHOST.', own(), '[::1]:80', '192.0.2.7']
    for (const host of hosts) {
      const path = '/admin/sign-in'
      const answer = await send(port, null, { method: 'GET', path, headers: ['host', host] })
      expect([host, answer.status]).toEqual([host, 200])
    }
  })
})

describe('ALLOWED_HOSTS', () => {
  beforeAll(startWith({ ALLOWED_HOSTS: 'proxy.example, Chat.Example' }))
  afterAll(stop)

  it('lets in requests under its names, and pages of theirs', async () => {
    const headers = ['origin', 'https://chat.example', 'sec-fetch-site', 'cross-site', ...JSON_TYPE]
    expect((await ask(['host', 'proxy.example', ...headers])).status).toBe(200)
    const other = ['host', 'proxy.example', 'origin', 'https://chat.example.evil', ...JSON_TYPE]
    expect((await ask(other)).status).toBe(403)
    expect((await ask(['host', 'evil.example', ...headers])).status).toBe(403)
  })
})

describe('a server that listens on all addresses', () => {
  beforeAll(startWith({ HOST: '0.0.0.0' }))
  afterAll(stop)

  it('takes the names that the balancer in front of it is known by', async () => {
    const path = '/admin/sign-in'
    const answer = await send(port, null, {
      method: 'GET',
      path,
      headers: ['host', 'app.fly.dev'],
    })
    expect(answer.status).toBe(200)
  })

  it('does not spend the key of the operator for a page of another site either', async () => {
    const foreign = ['origin', 'https://evil.example', ...JSON_TYPE]
    expect((await ask(['host', 'app.fly.dev', ...foreign])).status).toBe(403)
    const same = ['origin', 'https://app.fly.dev', ...JSON_TYPE]
    expect((await ask(['host', 'app.fly.dev', ...same])).status).toBe(200)
  })
})
