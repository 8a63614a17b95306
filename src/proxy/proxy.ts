/**
 * The proxy as a Hono app: chat completions are read, matched and logged, all else is passed
 * through. Both work on Node's own request and response (`RESPONSE_ALREADY_SENT`), which keeps the
 * bytes and costs a fraction of web streams.
 */
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { createChatHandler } from './chat.ts'
import type { ProxyDeps } from './deps.ts'
import { BYPASS_HEADER } from './headers.ts'
import { createPassThrough } from './pass-through.ts'
import { createUpstream } from './upstream.ts'

const CHAT_PATH = '/v1/chat/completions'
const CONNECT_TIMEOUT_MS = 10_000

export type ProxyApp = Hono<{ Bindings: HttpBindings }>

export interface Proxy {
  app: ProxyApp
  /** Cuts the connections to the upstream; drain the server first. */
  close(): Promise<void>
}

/**
 * Hono answers HEAD with a new, empty response made from the handler's, which would be sent beside
 * the upstream's answer. A promise that stays open keeps it from being made.
 */
const alreadySent = ({ incoming }: HttpBindings): Response | Promise<Response> =>
  incoming.method === 'HEAD' ? new Promise<Response>(() => {}) : RESPONSE_ALREADY_SENT

export const createProxy = (deps: ProxyDeps): Proxy => {
  const upstream = createUpstream(deps.upstreamBaseUrl, {
    idleTimeoutMs: deps.limits.upstreamTimeoutMs,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  })
  const answerChat = createChatHandler({ ...deps, upstream })
  const passThrough = createPassThrough(upstream, deps.metrics)
  // one handler for all: with a second one that matches, Hono runs its middleware machinery
  const app = (new Hono() as ProxyApp).all('*', ({ env, req }) => {
    const { method, headers } = env.incoming
    const isChat = method === 'POST' && req.path === CHAT_PATH && headers[BYPASS_HEADER] !== 'true'
    if (isChat) void answerChat(env)
    else passThrough(env)
    return alreadySent(env)
  })
  return { app, close: () => upstream.close() }
}
