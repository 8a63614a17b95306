/**
 * The proxy as a Hono app: chat completions are read, matched and logged, all else is passed
 * through. Both work on Node's own request and response (`RESPONSE_ALREADY_SENT`), which keeps the
 * bytes and costs a fraction of web streams.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { createAnswerFormats } from '../core/answer/schema/answer-schema.ts'
import { AppError, isFault, toAppError } from '../errors.ts'
import { createChatHandler } from './chat.ts'
import { Client } from './client/client.ts'
import type { ChatDeps, ProxyDeps } from './deps.ts'
import { BYPASS_HEADER } from './headers.ts'
import { createOwnSecretCheck, isOwnPath, type CarriesOwnSecret } from './access/own-secrets.ts'
import { passThrough } from './pass-through.ts'
import { createRetries } from './upstream/retries.ts'
import { createUpstream } from './upstream/upstream.ts'
import { createUpstreams, type Upstreams } from './upstream/upstreams.ts'
import { asksForWebSocket, refuseWebSocket } from './web-socket.ts'

const CHAT_PATH = '/v1/chat/completions'
const CONNECT_TIMEOUT_MS = 10_000
const RETRIES = { maxAttempts: 3, baseMs: 100, requestsPerRetry: 10, burst: 20 }

export type ProxyApp = Hono<{ Bindings: HttpBindings }>

export interface Proxy {
  app: ProxyApp
  /** Cuts the connections to the upstreams; drain the server first. */
  close(): Promise<void>
}

/**
 * Hono answers HEAD with a new, empty response made from the handler's, which would be sent beside
 * the upstream's answer. A promise that stays open keeps it from being made.
 */
const alreadySent = ({ incoming }: HttpBindings): Response | Promise<Response> =>
  incoming.method === 'HEAD' ? new Promise<Response>(() => {}) : RESPONSE_ALREADY_SENT

const isChat = ({ method, headers }: IncomingMessage, path: string): boolean =>
  method === 'POST' && path === CHAT_PATH && headers[BYPASS_HEADER] !== 'true'

/** Everything but what is read. */
const pass = (deps: ChatDeps, incoming: IncomingMessage, client: Client): void => {
  if (asksForWebSocket(incoming)) {
    deps.metrics.request('refused')
    return refuseWebSocket(client)
  }
  try {
    if (deps.access !== null) deps.access.callerOf(incoming).admitPassage(incoming)
  } catch (thrown) {
    const error = toAppError(thrown)
    if (isFault(error)) deps.fault('request', thrown)
    deps.metrics.request('refused')
    return client.sendError(error)
  }
  deps.metrics.request('passed')
  passThrough(deps, incoming, client)
}

const shed = ({ metrics, load }: ProxyDeps, outgoing: ServerResponse): void => {
  metrics.request('shed')
  const message = 'the proxy has more to do than it can; try again soon'
  const refusal = new AppError('overloaded', message, { retryAfterSeconds: 1 })
  new Client(outgoing, load).sendError(refusal)
}

/** @returns why a request must not reach an upstream; null where it may */
const refusalOf = (
  incoming: IncomingMessage,
  carriesOwnSecret: CarriesOwnSecret
): AppError | null => {
  if (isOwnPath(incoming.url ?? ''))
    return new AppError(
      'not-found',
      'this path is the proxy’s own in a spelling or with a method that it does not serve; nothing was forwarded'
    )
  if (carriesOwnSecret(incoming))
    return new AppError(
      'unauthorized',
      'the request carries a secret of the proxy itself, such as the admin token, which is for /admin and /metrics; nothing was forwarded'
    )
  return null
}

const refuse = ({ metrics, load }: ProxyDeps, outgoing: ServerResponse, why: AppError): void => {
  metrics.request('refused')
  new Client(outgoing, load).sendError(why)
}

/** Opens a way to an upstream, with a budget of its own for retries. */
const openerFor =
  ({ limits, credentials, fault }: ProxyDeps) =>
  (baseUrl: string) => {
    const retries = createRetries({ ...RETRIES, random: Math.random })
    const upstream = createUpstream(baseUrl, {
      idleTimeoutMs: limits.upstreamTimeoutMs,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      keepAliveMs: limits.keepAliveMs,
      credentials,
      retries,
      onFault: (error, host) => fault('upstream', error, { host }),
    })
    return { upstream, retries }
  }

const openUpstreams = (deps: ProxyDeps) => {
  const open = openerFor(deps)
  const standard = open(deps.upstreamBaseUrl)
  const { upstreams, retryAfterMaxMs } = deps.failover
  const several: Upstreams | null =
    upstreams.length === 0 && retryAfterMaxMs === 0
      ? null
      : createUpstreams({
          ...deps,
          keepAliveMs: deps.limits.keepAliveMs,
          retryAfterMaxMs,
          standard,
          open,
        })
  return { upstream: standard.upstream, upstreams: several }
}

export const createProxy = (deps: ProxyDeps): Proxy => {
  const { upstream, upstreams } = openUpstreams(deps)
  const { load } = deps
  const upstreamApiKey = deps.access?.upstreamApiKey ?? null
  const formats = createAnswerFormats()
  const chatDeps: ChatDeps = { ...deps, upstream, upstreams, upstreamApiKey, formats }
  const chat = createChatHandler(chatDeps)
  const carriesOwnSecret = createOwnSecretCheck(deps.ownSecrets, deps.credentials)
  // one handler for all: with a second one that matches, Hono runs its middleware machinery
  const app = (new Hono() as ProxyApp).all('*', ({ env, req }) => {
    const refusal = refusalOf(env.incoming, carriesOwnSecret)
    if (refusal !== null) refuse(deps, env.outgoing, refusal)
    else if (load.isFull) shed(deps, env.outgoing)
    else if (isChat(env.incoming, req.path)) void chat(env)
    else pass(chatDeps, env.incoming, new Client(env.outgoing, load))
    return alreadySent(env)
  })
  return {
    app,
    close: async () => {
      await Promise.all([upstream.close(), upstreams?.close()])
    },
  }
}
