import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { Counter, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { createApp, type AppDeps } from '../../../src/server/app.ts'
import { AppError } from '../../../src/errors.ts'
import type { ProxyApp } from '../../../src/proxy/proxy.ts'

const registry = new Registry()
new Counter({ name: 'things_total', help: 'Things', registers: [registry] }).inc(3)

const appOf = (overrides: Partial<AppDeps> = {}) =>
  createApp({
    proxy: (new Hono() as ProxyApp).all('*', (context) => context.text('proxied')),
    feedback: new Hono<{ Bindings: HttpBindings }>().post('/feedback', (context) =>
      context.text('feedback')
    ),
    admin: async () => new Hono().get('/api/templates', (context) => context.text('admin')),
    registry,
    mayReadMetrics: (authorization) => authorization === 'Bearer secret',
    readiness: () => ({ store: true }),
    onFault: () => {},
    ...overrides,
  })

const get = async (app: ProxyApp, path: string, headers: Record<string, string> = {}) => {
  const response = await app.request(path, { headers })
  return { status: response.status, body: await response.text() }
}

describe('the app', () => {
  it('serves its own paths and leaves all others to the proxy', async () => {
    const app = appOf()
    expect(await get(app, '/healthz')).toEqual({ status: 200, body: '{"status":"ok"}' })
    expect((await get(app, '/admin/api/templates')).body).toBe('admin')
    expect((await get(app, '/v1/models')).body).toBe('proxied')
    const sent = await app.request('/v1/promptintern/feedback', { method: 'POST' })
    expect(await sent.text()).toBe('feedback')
    expect((await get(app, '/docs')).body).toBe('proxied')
  })

  it('says at its address where clients and people go on', async () => {
    const plain = await get(appOf(), '/')
    expect(plain.status).toBe(200)
    expect(plain.body).toContain('/v1 as their base URL.\nPeople use the page at /admin.')
    const answer = await appOf().request('/', { headers: { accept: 'text/html' } })
    expect(await answer.text()).toContain('<a href="/admin">')
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await (await appOf().request('/', { method: 'POST' })).text()).toBe('proxied')
  })

  it('is ready while it forwards, and shows what does not work', async () => {
    expect(await get(appOf(), '/readyz')).toEqual({
      status: 200,
      body: '{"status":"ready","checks":{"store":true}}',
    })
    const degraded = appOf({ readiness: () => ({ store: false, log: true }) })
    expect(await get(degraded, '/readyz')).toEqual({
      status: 200,
      body: '{"status":"degraded","checks":{"store":false,"log":true}}',
    })
  })

  it('is not ready while it drains, whatever its parts say', async () => {
    expect(await get(appOf({ isDraining: () => true }), '/readyz')).toEqual({
      status: 503,
      body: '{"status":"draining","checks":{"store":true}}',
    })
    expect((await get(appOf({ isDraining: () => true }), '/healthz')).status).toBe(200)
  })

  it('shows metrics to those who know the token', async () => {
    const app = appOf()
    expect((await get(app, '/metrics')).status).toBe(401)
    expect((await get(app, '/metrics', { authorization: 'Bearer wrong' })).status).toBe(401)
    const shown = await get(app, '/metrics', { authorization: 'Bearer secret' })
    expect(shown.body).toContain('things_total 3')
  })

  it('renders errors in OpenAI`s format and tells the operator the unexpected ones', async () => {
    const faults: unknown[] = []
    const admin = new Hono()
      .get('/known', () => {
        throw new AppError('not-found', 'no such template')
      })
      .get('/unknown', () => {
        throw new Error('boom')
      })
    const app = appOf({ admin: async () => admin, onFault: (error) => faults.push(error) })
    expect(await get(app, '/admin/known')).toEqual({
      status: 404,
      body: '{"error":{"message":"no such template","type":"invalid_request_error","param":null,"code":"not_found"}}',
    })
    expect(await get(app, '/admin/unknown')).toEqual({
      status: 500,
      body: '{"error":{"message":"internal error","type":"server_error","param":null,"code":"internal"}}',
    })
    expect(faults).toEqual([new Error('boom')])
  })
})
