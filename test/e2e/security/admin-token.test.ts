/** Those who guess the admin token, and those who have signed out, against the real server. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, type ProxyProcess } from '../../kit/process/proxy-process.ts'
import { startServer } from '../../kit/process/built.ts'
import { send, startUpstream, type FakeUpstream, type RawAnswer } from '../../kit/proxy/harness.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

/** Longer than any wait of the gate. */
const MOMENT_MS = 2_100
const READ_TOKEN = 'read-token-of-the-test'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const dataDir = sharedFolder()
let upstream: FakeUpstream
let proxy: ProxyProcess
let port: number

const start = async (): Promise<void> => {
  upstream = await startUpstream()
  proxy = await startServer({
    DATA_DIR: dataDir,
    UPSTREAM_BASE_URL: upstream.url,
    ADMIN_READ_TOKEN: READ_TOKEN,
  })
  port = Number(new URL(proxy.baseUrl).port)
}

const stop = async (): Promise<void> => {
  await proxy.stop()
  upstream.close()
}

const get = (path: string, token: string): Promise<RawAnswer> =>
  send(port, null, { method: 'GET', path, headers: { authorization: `Bearer ${token}` } })

const signIn = (token: string, headers: Record<string, string> = {}): Promise<RawAnswer> =>
  send(port, new URLSearchParams({ token }).toString(), {
    path: '/admin/sign-in',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      origin: `http://127.0.0.1:${port}`,
      ...headers,
    },
  })

const WAYS: [way: string, guess: (token: string) => Promise<RawAnswer>, right: number][] = [
  ['the API', (token) => get('/admin/api/status', token), 200],
  ['the metrics', (token) => get('/metrics', token), 200],
  ['the page', (token) => signIn(token), 303],
]

describe('an admin token that is guessed', () => {
  beforeEach(start)
  afterEach(stop)

  it.each(WAYS)(
    'is judged a few times at %s when sixty guesses come at once, and lets its holder in a moment later',
    async (_way, guess, right) => {
      const guesses = Array.from({ length: 60 }, (_, at) => guess(`guess-${at}`))
      const statuses = (await Promise.all(guesses)).map(({ status }) => status)
      expect(statuses.filter((status) => status === 401)).toHaveLength(5)
      expect(statuses.filter((status) => status === 429)).toHaveLength(55)
      await sleep(MOMENT_MS)
      expect((await guess(ADMIN_TOKEN)).status).toBe(right)
    }
  )

  it('has one count of wrong guesses for all ways', async () => {
    for (let at = 0; at < 5; at++) expect((await WAYS[at % 3]![1]('wrong')).status).toBe(401)
    const refused = await Promise.all(WAYS.map(([, guess]) => guess('wrong')))
    expect(refused.map(({ status }) => status)).toEqual([429, 429, 429])
    expect(refused.map(({ headers }) => headers['retry-after'])).toEqual(['1', '1', '1'])
  })
})

describe('an admin token', () => {
  beforeAll(start)
  afterAll(stop)

  it('gives answers that no cache keeps and no browser guesses the type of, refusals included', async () => {
    for (const [path, token] of [
      ['/admin/api/status', ADMIN_TOKEN],
      ['/admin/api/records?limit=0', ADMIN_TOKEN],
      ['/admin/api/nothing', ADMIN_TOKEN],
      ['/admin/api/status', 'wrong'],
      ['/metrics', ADMIN_TOKEN],
    ] as const) {
      const { headers } = await get(path, token)
      expect([path, headers['cache-control']]).toEqual([path, 'no-store'])
      expect([path, headers['x-content-type-options']]).toEqual([path, 'nosniff'])
    }
  })

  it('has a second one beside it, which reads the metrics and no record', async () => {
    const reached = await Promise.all(
      ['/metrics', '/admin/api/status', '/admin/api/records'].map((path) => get(path, READ_TOKEN))
    )
    expect(reached.map(({ status }) => status)).toEqual([200, 200, 403])
  })

  it('opens a session whose live stream ends with the sign-out', async () => {
    const cookie = (await signIn(ADMIN_TOKEN)).headers['set-cookie']![0]!.split(';')[0]!
    const view = await send(port, null, { method: 'GET', path: '/admin', headers: { cookie } })
    const formToken = /name="form-token" value="([^"]+)"/.exec(view.text)![1]!
    let isOver = false
    const stream = send(port, null, { method: 'GET', path: '/admin/live', headers: { cookie } })
    void stream.finally(() => (isOver = true))
    await sleep(500)
    expect(isOver).toBe(false)
    const signedOut = await send(port, `form-token=${encodeURIComponent(formToken)}`, {
      path: '/admin/sign-out',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: `http://127.0.0.1:${port}`,
        cookie,
      },
    })
    expect(signedOut.status).toBe(303)
    await sleep(3_000)
    expect(isOver).toBe(true)
  })

  it.each([
    ['the browser says so', { origin: 'https://proxy.example', 'sec-fetch-site': 'same-origin' }],
    ['x-forwarded-proto has the hops of several balancers', { 'x-forwarded-proto': 'https, http' }],
    ['a balancer writes Forwarded', { forwarded: 'for=192.0.2.1;proto=https;by=10.0.0.1' }],
    ['a balancer writes X-Forwarded-Ssl', { 'x-forwarded-ssl': 'on' }],
    ['a balancer writes Front-End-Https', { 'front-end-https': 'on' }],
  ])('is kept in a Secure cookie behind TLS: %s', async (_what, headers) => {
    const [cookie] = (await signIn(ADMIN_TOKEN, headers as Record<string, string>)).headers[
      'set-cookie'
    ]!
    expect(cookie).toContain('Secure')
  })
})
