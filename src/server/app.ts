/** The whole HTTP surface: health, metrics, admin API, feedback and proxy, and the one error handler. No I/O. */
import { Hono, type MiddlewareHandler, type Context } from 'hono'
import { errorBody } from '../openai/error-body.ts'
import { isFault, requestError } from '../errors.ts'
import {
  createMetricsApp,
  type MayReadMetrics,
  type MetricsRegistry,
} from '../proxy/metrics/metrics.ts'
import type { Arrivals } from '../proxy/client/arrivals.ts'
import type { FeedbackApp } from '../proxy/feedback/feedback-app.ts'
import type { ProxyApp, ProxyEnv } from '../proxy/proxy.ts'

const PEOPLE = '/admin'

const LINES = [
  'This is promptintern-proxy. It answers clients of the OpenAI API.',
  'Clients use this address with /v1 as their base URL.',
]

const HTML = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>promptintern</title>
<h1>promptintern</h1>
${LINES.map((line) => `<p>${line}</p>`).join('\n')}
<p>People use <a href="${PEOPLE}">the page</a>.</p>
</html>
`

const TEXT = `${[...LINES, `People use the page at ${PEOPLE}.`].join('\n')}\n`

/** It needs no key, so it says nothing that a stranger may not know. */
const landing = (context: Context): Response => {
  context.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
  const isBrowser = context.req.header('accept')?.includes('text/html') === true
  return isBrowser ? context.html(HTML) : context.text(TEXT)
}

export interface AppDeps {
  proxy: ProxyApp
  /** mounted under /v1/promptintern; knows callers by their credentials */
  feedback: FeedbackApp
  /** mounted under /admin; checks the token itself. It is loaded when it is first asked for */
  admin: () => Promise<Hono>
  /** shown under /metrics */
  registry: MetricsRegistry
  /** who may read /metrics */
  mayReadMetrics: MayReadMetrics
  /** what works beside the proxy, by name: shown, and not needed to forward requests; none by default */
  readiness?: () => Record<string, boolean>
  /** whether the server is shutting down; never by default */
  isDraining?: () => boolean
  /** takes requests whose bodies the server itself reads, to end slow ones; ends none by default */
  arrivals?: Pick<Arrivals, 'add'> | null
  /** takes errors that the client did not cause */
  onFault: (error: unknown) => void
}

/** The server's own answers: no cache may keep them, and no browser may take them for a page or a script. */
const OWN_PATHS = ['/', '/healthz', '/readyz', '/admin/api/*', '/metrics', '/v1/promptintern/*']
/** Some of them read bodies. */
const READ_PATHS = ['/admin/*', '/v1/promptintern/*']
const asOwn: MiddlewareHandler = async (context, next) => {
  await next()
  context.header('cache-control', 'no-store')
  context.header('x-content-type-options', 'nosniff')
}

/** A body that does not arrive holds a connection. */
const followBodies =
  (arrivals: Pick<Arrivals, 'add'> | null): MiddlewareHandler<ProxyEnv> =>
  ({ env }, next) => {
    arrivals?.add(env.incoming, {
      evict: () => env.incoming.socket.destroy(),
      onOver: (listener) => env.outgoing.once('close', listener),
      holdsPlace: false,
    })
    return next()
  }

/** Answers by an app that is loaded later. Its errors are thrown, as those of an app that is mounted. */
const later = (path: string, load: () => Promise<Hono>): MiddlewareHandler<ProxyEnv> => {
  let mounted: Promise<Hono> | null = null
  const mount = async (): Promise<Hono> => {
    const outer = new Hono().route(path, await load())
    outer.onError((error) => {
      throw error
    })
    return outer
  }
  return async ({ req, env }) => {
    mounted ??= mount()
    return (await mounted).fetch(req.raw, env)
  }
}

/**
 * The server's own paths come first, then the proxy for every other path. `/healthz` answers as long as
 * the process runs. `/readyz` answers 503 while the server drains. A failed check is shown and is no reason
 * for 503: requests are forwarded without a store, and all proxies lose a shared one at the same moment.
 */
export const createApp = ({
  proxy,
  feedback,
  admin,
  registry,
  mayReadMetrics,
  readiness = () => ({}),
  isDraining = () => false,
  arrivals = null,
  onFault,
}: AppDeps): ProxyApp =>
  (new Hono() as ProxyApp)
    .on('ALL', OWN_PATHS, asOwn)
    .on('ALL', READ_PATHS, followBodies(arrivals))
    .get('/', landing)
    .get('/healthz', (context) => context.json({ status: 'ok' }))
    .get('/readyz', (context) => {
      const checks = readiness()
      if (isDraining()) return context.json({ status: 'draining', checks }, 503)
      const isWhole = Object.values(checks).every(Boolean)
      return context.json({ status: isWhole ? 'ready' : 'degraded', checks })
    })
    .all('/admin/*', later('/admin', admin))
    .route('/metrics', createMetricsApp(registry, mayReadMetrics))
    .route('/v1/promptintern', feedback)
    .route('/', proxy)
    .onError((error, { env }) => {
      const appError = requestError(error, env?.incoming)
      if (isFault(appError)) onFault(error)
      const { status, retryAfterSeconds } = appError
      const response = Response.json(errorBody(appError), { status })
      if (retryAfterSeconds !== null) response.headers.set('retry-after', String(retryAfterSeconds))
      return response
    })
