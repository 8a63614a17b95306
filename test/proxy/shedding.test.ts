import { Hono } from 'hono'
import { Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/server/app.ts'
import { listen } from '../../src/server/http-server.ts'
import { watchLoad } from '../../src/server/event-loop.ts'
import { Load } from '../../src/proxy/client/load.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import {
  chatBody,
  errorOf,
  eventually,
  onDemand,
  respondJson,
  send,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'

let harness: Harness
afterEach(() => harness.close())

const expectShed = async (path?: string): Promise<void> => {
  const before = harness.upstream.requests.length
  const answer = await harness.send(chatBody('hi'), path === undefined ? {} : { path })
  expect(answer.status).toBe(503)
  expect(answer.headers['retry-after']).toBe('1')
  expect(errorOf(answer)).toMatchObject({
    type: 'server_error',
    code: 'overloaded',
  })
  expect(harness.upstream.requests.length).toBe(before)
}

describe('a proxy with as many requests as it may have', () => {
  it('refuses a further one, and takes one again when another is over', async () => {
    const load = new Load({ maxInFlight: 2, maxDelayMs: 0 })
    harness = await startHarness({ load })
    const { upstream } = harness
    const { respond, answer, waiting: held } = onDemand({ ok: true })
    upstream.respond = respond
    const waiting = [harness.send(chatBody('hi')), harness.send('{}', { path: '/v1/embeddings' })]
    await eventually(() => held() === 2)
    await expectShed()
    await expectShed('/v1/embeddings')
    expect(await harness.metrics()).toContain('promptintern_requests_total{route="shed"} 2')
    answer()
    await eventually(() => load.inFlight === 1)
    upstream.respond = respondJson({ ok: true })
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
    answer()
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200])
    await eventually(() => load.inFlight === 0)
  })

  it('counts down for clients that leave, for failures and for refusals', async () => {
    const load = new Load({ maxInFlight: 10, maxDelayMs: 0 })
    harness = await startHarness({ load })
    harness.upstream.respond = () => {}
    await harness.leave(() => harness.upstream.requests.length === 1)
    harness.upstream.respond = (_request, response) => response.destroy()
    await harness.send(chatBody('hi'))
    load.delayMs = 1
    await harness.send(null, { method: 'GET', path: '/v1/models' })
    await eventually(() => load.inFlight === 0)
  })
})

describe('a proxy whose event loop is late', () => {
  it('refuses requests until it keeps up again', async () => {
    const load = new Load({ maxInFlight: 10, maxDelayMs: 500 })
    harness = await startHarness({ load })
    load.delayMs = 501
    await expectShed()
    await expectShed('/v1/files')
    load.delayMs = 500
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
  })

  it('refuses nothing where no limit is set', () => {
    const load = new Load({ maxInFlight: 10, maxDelayMs: 0 })
    load.delayMs = 1e9
    expect(load.isLate).toBe(false)
  })

  it('answers what is asked of itself all the same', async () => {
    const load = new Load({ maxInFlight: 0, maxDelayMs: 1 })
    harness = await startHarness({ load })
    load.delayMs = 100
    const registry = new Registry()
    const proxy = createProxy(harness.deps)
    const app = createApp({
      proxy: proxy.app,
      feedback: new Hono(),
      admin: async () => new Hono().get('/api/status', (context) => context.text('fine')),
      registry,
      mayReadMetrics: () => true,
      onFault: () => {},
    })
    const own = await listen(app, { port: 0, host: '127.0.0.1' }, { fault: harness.deps.fault })
    const statuses = ['/healthz', '/readyz', '/metrics', '/admin/api/status', '/v1/models'].map(
      async (path) => (await send(own.port, null, { method: 'GET', path })).status
    )
    expect(await Promise.all(statuses)).toEqual([200, 200, 200, 200, 503])
    await own.drain(0)
    await proxy.close()
  })
})

const block = (ms: number): void => {
  const until = performance.now() + ms
  while (performance.now() < until);
}
const nextTick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the event loop`s delay', () => {
  it.each([
    ['many turns a sample', 120, 500],
    ['none or one', 300, 200],
  ])(
    'is seen while all turns are long, and no more when they are short: %s',
    async (_, ms, every) => {
      harness = await startHarness()
      const load = new Load({ maxInFlight: 1, maxDelayMs: 1 })
      const stop = watchLoad(load, every)
      await eventually(async () => {
        block(ms)
        await nextTick()
        return load.delayMs > ms / 2
      })
      await eventually(() => load.delayMs < ms / 2)
      stop()
    }
  )
})

describe('connections', () => {
  it('beyond the limit are closed at once, the others served', async () => {
    harness = await startHarness({}, { maxConnections: 1 })
    const { respond, answer } = onDemand({ ok: true })
    harness.upstream.respond = respond
    const first = harness.send(chatBody('hi'))
    await eventually(() => harness.upstream.requests.length === 1)
    await expect(harness.send(chatBody('hi'))).rejects.toThrow()
    answer()
    expect((await first).status).toBe(200)
  })
})
