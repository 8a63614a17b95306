/**
 * The whole HTTP surface: health, metrics, admin and the proxy, and the one error handler. Has no
 * I/O of its own; everything it serves is handed in.
 */
import { Hono } from 'hono'
import { errorBody } from '../openai/error-body.ts'
import { isFault, toAppError } from '../errors.ts'
import { createMetricsApp, type MetricsRegistry } from '../proxy/metrics/metrics-app.ts'
import type { ProxyApp } from '../proxy/proxy.ts'

export interface AppDeps {
  proxy: ProxyApp
  /** mounted under /admin, checks the token itself */
  admin: Hono
  /** shown under /metrics */
  registry: MetricsRegistry
  /** what /metrics asks for; null on a loopback address only */
  adminToken: string | null
  /** what must be true before traffic may come, by name; nothing by default */
  readiness?: () => Record<string, boolean>
  /** whether the server is on its way to its end; never by default */
  isDraining?: () => boolean
  /** takes errors that are no answer to what a client did */
  onFault: (error: unknown) => void
}

/**
 * Own paths first, then the proxy for everything else. `/healthz` says that the process lives,
 * `/readyz` answers 503 until every part is ready, and again while the server drains.
 */
export const createApp = ({
  proxy,
  admin,
  registry,
  adminToken,
  readiness = () => ({}),
  isDraining = () => false,
  onFault,
}: AppDeps): ProxyApp =>
  (new Hono() as ProxyApp)
    .get('/healthz', (context) => context.json({ status: 'ok' }))
    .get('/readyz', (context) => {
      const checks = readiness()
      if (isDraining()) return context.json({ status: 'draining', checks }, 503)
      const isReady = Object.values(checks).every(Boolean)
      return context.json({ status: isReady ? 'ready' : 'not-ready', checks }, isReady ? 200 : 503)
    })
    .route('/admin', admin)
    .route('/metrics', createMetricsApp(registry, adminToken))
    .route('/', proxy)
    .onError((error) => {
      const appError = toAppError(error)
      if (isFault(appError)) onFault(error)
      return Response.json(errorBody(appError), { status: appError.status })
    })
