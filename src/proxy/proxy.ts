/**
 * The proxy as a Hono app: chat completions and responses are read, matched and logged, everything else
 * passes through. Both work on Node's own request and response (`RESPONSE_ALREADY_SENT`), which keeps the
 * bytes and costs a fraction of web streams.
 */
import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { createAnswerFormats } from '../core/answer/schema/answer-schema.ts'
import { AppError } from '../errors.ts'
import { dialectAt, type Dialect } from '../openai/dialect.ts'
import { createChatHandler } from './chat.ts'
import { Arrivals } from './client/arrivals.ts'
import { Client } from './client/client.ts'
import { Pages } from './client/pages.ts'
import type { ChatDeps, ProxyDeps } from './deps.ts'
import { BYPASS_HEADER } from './headers.ts'
import { keptInTime } from './kept/keep.ts'
import { itemListAt, passExpanded } from './kept/pass-expanded.ts'
import { keptAsked, serveKept } from './kept/serve-kept.ts'
import { createGivenAnswers } from './after-ours/given-answers.ts'
import { createPageCheck } from './access/browsers.ts'
import { createOwnSecretCheck, isOwnPath, type CarriesOwnSecret } from './access/own-secrets.ts'
import { pass } from './pass-through.ts'
import { asksForWebSocket } from './upgrade/handshake.ts'
import { createUpstreams } from './upstream/upstreams.ts'

export type ProxyEnv = { Bindings: HttpBindings }
export type ProxyApp = Hono<ProxyEnv>

export interface Proxy {
  app: ProxyApp
  /** of all requests that are read; other apps of the server add theirs */
  arrivals: Arrivals
  /** Cuts the connections to the upstreams; drain the server first. */
  close(): Promise<void>
}

/**
 * Hono answers HEAD with a new, empty response made from the handler's, which would be sent beside
 * the upstream's answer. A promise that never resolves prevents that.
 */
const alreadySent = ({ incoming }: HttpBindings): Response | Promise<Response> =>
  incoming.method === 'HEAD' ? new Promise<Response>(() => {}) : RESPONSE_ALREADY_SENT

/** @returns null for a request that passes unread */
const dialectOf = ({ method, headers }: IncomingMessage, path: string): Dialect | null =>
  method === 'POST' && headers[BYPASS_HEADER] !== 'true' ? dialectAt(path) : null

/** @returns why a request must not reach an upstream; null where it may */
const refusalOf = (
  incoming: IncomingMessage,
  carriesOwnSecret: CarriesOwnSecret
): AppError | null => {
  if (isOwnPath(incoming.url ?? ''))
    return new AppError(
      'not-found',
      'this path belongs to the proxy, which does not serve this spelling or method; nothing was forwarded'
    )
  if (carriesOwnSecret(incoming))
    return new AppError(
      'unauthorized',
      'the request carries a secret of the proxy itself, such as the admin token, which is for /admin and /metrics; nothing was forwarded'
    )
  return null
}

/** Whether a caller without a key of its own may spend one of the operator's. */
const hasOpenKeys = ({ access, failover }: ProxyDeps): boolean =>
  access === null && failover.upstreams.some(({ apiKey }) => apiKey !== null)

const overloaded = (): AppError =>
  new AppError('overloaded', 'the proxy is overloaded; try again soon', { retryAfterSeconds: 1 })

export const createProxy = (deps: ProxyDeps): Proxy => {
  const { load, limits, metrics, setTimer } = deps
  const keptResponses = deps.keptResponses && keptInTime(deps.keptResponses, setTimer)
  const pages = new Pages()
  const upstreams = createUpstreams({ ...deps, ...limits, pages })
  const chatDeps: ChatDeps = {
    ...deps,
    keptResponses,
    upstreams,
    pages,
    upstreamApiKey: deps.access?.upstreamApiKey ?? null,
    formats: createAnswerFormats(),
    given: createGivenAnswers(),
  }
  const chat = createChatHandler(chatDeps)
  const carriesOwnSecret = createOwnSecretCheck(deps.ownSecrets, deps.credentials)
  const pageRefusal = hasOpenKeys(deps) ? createPageCheck(deps.allowedHosts) : () => null
  const refuse = (outcome: 'refused' | 'shed', { outgoing }: HttpBindings, why: AppError): void => {
    metrics.request(outcome)
    new Client(outgoing, load, pages).sendError(why)
  }
  const arrivals = new Arrivals(deps.now, () => metrics.request('shed'))
  /** Makes room for a request, where others hold a place without sending their bodies. */
  const hasRoom = (): boolean => !load.isLate && (!load.isCrowded || arrivals.evict('places') > 0)
  const answer = (env: HttpBindings, path: string): void => {
    const { incoming, outgoing } = env
    const dialect = dialectOf(incoming, path)
    const maySpend = dialect !== null || asksForWebSocket(incoming)
    const refusal = maySpend ? pageRefusal(incoming.headers) : null
    if (refusal !== null) return refuse('refused', env, refusal)
    const client = new Client(outgoing, load, pages)
    arrivals.add(incoming, client)
    if (dialect !== null) return void chat(incoming, client, dialect)
    const list = itemListAt(incoming.method, path)
    if (list !== null) return void passExpanded(chatDeps, list, incoming, client)
    const asked = keptAsked(incoming.method, path)
    if (asked === null || keptResponses === null) return pass(chatDeps, incoming, client)
    void serveKept({ ...chatDeps, keptResponses }, asked, incoming, client)
  }
  // one handler for all: with a second one that matches, Hono runs its middleware machinery
  const app = (new Hono() as ProxyApp).all('*', ({ env, req }) => {
    const refusal = refusalOf(env.incoming, carriesOwnSecret)
    if (refusal !== null) refuse('refused', env, refusal)
    else if (!hasRoom()) refuse('shed', env, overloaded())
    else answer(env, req.path)
    return alreadySent(env)
  })
  return { app, arrivals, close: upstreams.close }
}
