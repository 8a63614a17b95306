/**
 * The proxy as a Hono app: chat completions are read, matched and logged, all else is passed
 * through. Both work on Node's own request and response (`RESPONSE_ALREADY_SENT`), which keeps the
 * bytes and costs a fraction of web streams.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { createChatHandler } from './chat.ts'
import { Client } from './client.ts'
import type { ProxyDeps } from './deps.ts'
import { BYPASS_HEADER } from './headers.ts'
import { passThrough } from './pass-through.ts'
import { createRetries } from './retries.ts'
import { createUpstream } from './upstream.ts'
import { asksForWebSocket, refuseWebSocket } from './web-socket.ts'

const CHAT_PATH = '/v1/chat/completions'
const CONNECT_TIMEOUT_MS = 10_000
const RETRIES = { maxAttempts: 3, baseMs: 100, requestsPerRetry: 10, burst: 20 }

export type ProxyApp = Hono<{ Bindings: HttpBindings }>

export interface Proxy {
  app: ProxyApp
  /**
   * The short way for what the proxy is there for: a chat completion by its plain path goes around
   * the app. @returns false, and nothing is done, for everything else
   */
  takes(incoming: IncomingMessage, outgoing: ServerResponse): boolean
  /** Cuts the connections to the upstream; drain the server first. */
  close(): Promise<void>
}

/**
 * Hono answers HEAD with a new, empty response made from the handler's, which would be sent beside
 * the upstream's answer. A promise that stays open keeps it from being made.
 */
const alreadySent = ({ incoming }: HttpBindings): Response | Promise<Response> =>
  incoming.method === 'HEAD' ? new Promise<Response>(() => {}) : RESPONSE_ALREADY_SENT

const isChat = ({ method, headers }: IncomingMessage, path: string | undefined): boolean =>
  method === 'POST' && path === CHAT_PATH && headers[BYPASS_HEADER] !== 'true'

export const createProxy = (deps: ProxyDeps): Proxy => {
  const upstream = createUpstream(deps.upstreamBaseUrl, {
    idleTimeoutMs: deps.limits.upstreamTimeoutMs,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    keepAliveMs: deps.limits.keepAliveMs,
    retries: createRetries({ ...RETRIES, random: Math.random }),
  })
  const answerChat = createChatHandler({ ...deps, upstream })
  // one handler for all: with a second one that matches, Hono runs its middleware machinery
  const app = (new Hono() as ProxyApp).all('*', ({ env, req }) => {
    if (isChat(env.incoming, req.path)) void answerChat(env)
    else if (asksForWebSocket(env.incoming)) {
      deps.metrics.request('refused')
      refuseWebSocket(new Client(env.outgoing))
    } else {
      deps.metrics.request('passed')
      passThrough(upstream, env.incoming, new Client(env.outgoing))
    }
    return alreadySent(env)
  })
  const takes: Proxy['takes'] = (incoming, outgoing) => {
    const isTaken = isChat(incoming, incoming.url)
    if (isTaken) void answerChat({ incoming, outgoing })
    return isTaken
  }
  return { app, takes, close: () => upstream.close() }
}
