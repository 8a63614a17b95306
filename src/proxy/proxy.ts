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
import { createPathCheck } from './target.ts'
import { createPageCheck } from './access/browsers.ts'
import { createOwnSecretCheck, isOwnPath, type CarriesOwnSecret } from './access/own-secrets.ts'
import { createAdmit } from './admit.ts'
import { createGivenAnswers } from './after-ours/given-answers.ts'
import { createArrivals } from './client/arrivals.ts'
import { Client } from './client/client.ts'
import { Pages } from './client/pages.ts'
import { createReceive } from './client/receive.ts'
import { createCompletionHandler } from './completion.ts'
import type { ProxyDeps } from './deps.ts'
import { BYPASS_HEADER } from './headers.ts'
import { createExpander } from './kept/expand.ts'
import { keptInTime } from './kept/keep.ts'
import { createPassExpanded, itemListAt } from './kept/pass-expanded.ts'
import { createServeKept, keptAsked } from './kept/serve-kept.ts'
import { createTemplateMatcher } from './lora/match.ts'
import { createRespondFromLora } from './lora/respond-from-lora.ts'
import { createRouter } from './lora/router.ts'
import { createForward, createPass, createPassUnread } from './pass-through.ts'
import { createRead } from './read.ts'
import { createRespondFromUpstream } from './respond-from-upstream.ts'
import { asksForWebSocket } from './upgrade/handshake.ts'
import { createOpenWebSocket } from './upgrade/open-websocket.ts'
import { createUpstreams, type Upstreams } from './upstream/upstreams.ts'

export type ProxyEnv = { Bindings: HttpBindings }
export type ProxyApp = Hono<ProxyEnv>

/**
 * Hono answers HEAD with a new, empty response made from the handler's, which would be sent beside
 * the upstream's answer. A promise that never resolves prevents that.
 */
const alreadySent = ({ incoming }: HttpBindings): Response | Promise<Response> =>
  incoming.method === 'HEAD' ? new Promise<Response>(() => {}) : RESPONSE_ALREADY_SENT

/** @returns null for a request that passes unread */
const dialectOf = ({ method, headers }: IncomingMessage, path: string): Dialect | null =>
  method === 'POST' && headers[BYPASS_HEADER] !== 'true' ? dialectAt(path) : null

interface Checks {
  carriesOwnSecret: CarriesOwnSecret
  pathRefusal: ReturnType<typeof createPathCheck>
}

/** @returns why a request must not reach an upstream; null where it may */
const refusalOf = (
  incoming: IncomingMessage,
  { carriesOwnSecret, pathRefusal }: Checks
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
  // its answer is the request that the upstream got, with the operator's key in it (RFC 9110 §9.3.8)
  if (incoming.method === 'TRACE')
    return new AppError('invalid-request', 'the API has no method TRACE; nothing was forwarded')
  return pathRefusal(incoming.url ?? '')
}

/** Whether a caller without a key of its own may spend one of the operator's. */
const hasOpenKeys = ({ access, failover }: ProxyDeps): boolean =>
  access === null && failover.upstreams.some(({ apiKey }) => apiKey !== null)

const overloaded = (): AppError =>
  new AppError('overloaded', 'the proxy is overloaded; try again soon', { retryAfterSeconds: 1 })

/** Makes the steps of all requests. Each takes its own part of the dependencies. */
const createHandlers = (given: ProxyDeps, upstreams: Upstreams, pages: Pages) => {
  const keptResponses = given.keptResponses && keptInTime(given.keptResponses, given.setTimer)
  const deps = {
    ...given,
    keptResponses,
    upstreams,
    pages,
    upstreamApiKey: given.access?.upstreamApiKey ?? null,
    formats: createAnswerFormats(),
    given: createGivenAnswers(),
  }
  const forward = createForward(deps)
  const pass = createPass({ ...deps, forward, openWebSocket: createOpenWebSocket(deps) })
  const receive = createReceive(deps)
  const expander = createExpander(deps)
  return {
    complete: createCompletionHandler({
      ...deps,
      receive,
      passUnread: createPassUnread({ ...deps, forward }),
      expander,
      read: createRead(deps),
      admit: createAdmit(deps),
      match: createTemplateMatcher(deps),
      route: createRouter(deps),
      respondFromLora: createRespondFromLora(deps),
      respondFromUpstream: createRespondFromUpstream(deps),
    }),
    passExpanded: createPassExpanded({ ...deps, receive, expander, forward }),
    /** null where no answers are kept */
    serveKept: keptResponses && createServeKept({ ...deps, keptResponses, pass }),
    pass,
  }
}

export const createProxy = (deps: ProxyDeps) => {
  const { load, limits, metrics } = deps
  const pages = new Pages()
  const upstreams = createUpstreams({ ...deps, ...limits, pages })
  const handlers = createHandlers(deps, upstreams, pages)
  const checks: Checks = {
    carriesOwnSecret: createOwnSecretCheck(deps.ownSecrets, deps.credentials),
    pathRefusal: createPathCheck([
      deps.upstreamBaseUrl,
      ...deps.failover.upstreams.map(({ baseUrl }) => baseUrl),
    ]),
  }
  const pageRefusal = hasOpenKeys(deps) ? createPageCheck(deps.allowedHosts) : () => null
  const refuse = (outcome: 'refused' | 'shed', { outgoing }: HttpBindings, why: AppError): void => {
    metrics.request(outcome)
    new Client(outgoing, load, pages).sendError(why)
  }
  const arrivals = createArrivals(deps.now, () => metrics.request('shed'))
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
    if (dialect !== null) return void handlers.complete(incoming, client, dialect)
    const list = itemListAt(incoming.method, path)
    if (list !== null) return void handlers.passExpanded(list, incoming, client)
    const asked = keptAsked(incoming.method, path)
    if (asked === null || handlers.serveKept === null) return handlers.pass(incoming, client)
    void handlers.serveKept(asked, incoming, client)
  }
  // one handler for all: with a second one that matches, Hono runs its middleware machinery
  const app = (new Hono() as ProxyApp).all('*', ({ env, req }) => {
    const refusal = refusalOf(env.incoming, checks)
    if (refusal !== null) refuse('refused', env, refusal)
    else if (!hasRoom()) refuse('shed', env, overloaded())
    else answer(env, req.path)
    return alreadySent(env)
  })
  return {
    app,
    /** of all requests that are read; other apps of the server add theirs */
    arrivals,
    /** Cuts the connections to the upstreams; drain the server first. */
    close: upstreams.close,
  }
}
