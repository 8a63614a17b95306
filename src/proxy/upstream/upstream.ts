/** The connections to one upstream, and the requests that are sent over them. */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Pool, type Dispatcher } from 'undici'
import type { AnswerHandler } from './answer-handler.ts'
import type { Credentials } from '../access/credentials.ts'
import { headersForUpstream } from '../headers.ts'
import type { Retries } from './retries.ts'
import { undiciHandler } from './undici-handler.ts'
import { UpstreamAnswer, type Passage } from './upstream-answer.ts'

export interface UpstreamOptions {
  /** for the first byte and between two bytes of an answer; reasoning models think for minutes */
  idleTimeoutMs: number
  connectTimeoutMs: number
  retries: Retries
  /** silence of a stream after which a comment is sent into it; 0 sends none */
  keepAliveMs: number
  /** what is left out where a key is sent in place of the client's */
  credentials: Credentials
  /** takes every attempt that found no answer, or broke one off. @param host with its port */
  onFault: (error: Error, host: string) => void
}

export interface Upstream {
  /** @param body null for none; a buffer is sent with its length, a stream as the client frames it */
  send(incoming: IncomingMessage, body: Buffer | Readable | null, passage: Passage): void
  /** Asks once; the handler sees the answer. @param apiKey as in `Passage` */
  ask(
    incoming: IncomingMessage,
    body: Buffer | Readable | null,
    apiKey: string | null,
    handler: AnswerHandler
  ): void
  /** One of its answers did not come, or not to its end. */
  failed(error: Error): void
  close(): Promise<void>
}

/** `GET http://host/path` (RFC 9112 §3.2.2) and `GET /path` mean the same path. */
const pathOf = (target: string): string =>
  target.startsWith('/') || !URL.canParse(target)
    ? target
    : new URL(target).pathname + new URL(target).search

/**
 * A base URL without a path receives paths as they are; one with a path (`https://host/openai/v1`)
 * stands for the client's `/v1`.
 */
const pathRewriter = (base: URL): ((target: string) => string) => {
  const prefix = base.pathname.replace(/\/+$/, '')
  if (prefix === '' || prefix === '/v1') return pathOf
  return (target) => {
    const path = pathOf(target)
    return /^\/v1(?=[/?]|$)/.test(path) ? prefix + path.slice('/v1'.length) : path
  }
}

/** Waits, unless the client leaves: then the exchange is over. */
export const sendLater = (passage: Passage, waitMs: number, send: () => void): void => {
  const timer = setTimeout(send, waitMs)
  passage.client.onGone(() => {
    clearTimeout(timer)
    passage.onEnd('client-gone')
  })
}

export const createUpstream = (baseUrl: string, options: UpstreamOptions): Upstream => {
  const base = new URL(baseUrl)
  const rewritePath = pathRewriter(base)
  const pool = new Pool(base.origin, {
    pipelining: 1,
    connectTimeout: options.connectTimeoutMs,
    headersTimeout: options.idleTimeoutMs,
    bodyTimeout: options.idleTimeoutMs,
  })
  const { retries, keepAliveMs, credentials } = options
  const failed = (error: Error): void => options.onFault(error, base.host)
  const ask: Upstream['ask'] = (incoming, body, apiKey, handler) => {
    const { method = 'GET', url = '/', rawHeaders, headers } = incoming
    const whose = { keepLength: !Buffer.isBuffer(body), apiKey }
    const request = {
      path: rewritePath(apiKey === null ? url : credentials.withoutParameters(url)),
      method: method as Dispatcher.HttpMethod,
      headers: headersForUpstream(rawHeaders, headers.connection, whose, credentials),
      body,
    }
    pool.dispatch(request, undiciHandler(handler))
  }
  const send = (
    incoming: IncomingMessage,
    body: Buffer | Readable | null,
    passage: Passage,
    attempts: number
  ): void => {
    const tryAgain = (): boolean => {
      // a stream is gone with the attempt that was to send it
      const waitMs = body === null || Buffer.isBuffer(body) ? retries.next(attempts) : null
      if (waitMs === null) return false
      sendLater(passage, waitMs, () => send(incoming, body, passage, attempts + 1))
      return true
    }
    const answer = new UpstreamAnswer(passage, { keepAliveMs, tryAgain, failed })
    ask(incoming, body, passage.apiKey, answer)
  }
  return {
    send: (incoming, body, passage) => {
      retries.request()
      send(incoming, body, passage, 1)
    },
    ask,
    failed,
    close: () => pool.destroy(),
  }
}
