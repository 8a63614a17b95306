/** The connections to one upstream, and the requests that are sent over them. */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Pool, type Dispatcher } from 'undici'
import { pathOf } from '../target.ts'
import type { Credentials } from '../access/credentials.ts'
import { headersForHandshake, headersForUpstream } from '../headers.ts'

export interface UpstreamOptions {
  /** for the first byte and between two bytes of an answer; reasoning models think for minutes */
  idleTimeoutMs: number
  connectTimeoutMs: number
  /** recognizes the client's credentials, which are removed where another key is sent */
  credentials: Credentials
  /** takes every attempt without an answer, with a broken one or a 5xx. @param host with its port */
  onFault: (error: Error, host: string) => void
}

export type Asking = Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'headers'>

export type Upstream = ReturnType<typeof createUpstream>

/**
 * A base URL without a path receives paths as they are; one with a path (`https://host/openai/v1`)
 * replaces the client's `/v1`.
 */
const pathRewriter = (base: URL): ((target: string) => string) => {
  const prefix = base.pathname.replace(/\/+$/, '')
  if (prefix === '' || prefix === '/v1') return pathOf
  return (target) => {
    const path = pathOf(target)
    return /^\/v1(?=[/?]|$)/.test(path) ? prefix + path.slice('/v1'.length) : path
  }
}

export const createUpstream = (
  baseUrl: string,
  { idleTimeoutMs, connectTimeoutMs, credentials, onFault }: UpstreamOptions
) => {
  const base = new URL(baseUrl)
  const rewritePath = pathRewriter(base)
  const pool = new Pool(base.origin, {
    pipelining: 1,
    connectTimeout: connectTimeoutMs,
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
  })
  const pathFor = (url: string, apiKey: string | null): string =>
    rewritePath(apiKey === null ? url : credentials.withoutParameters(url))
  return {
    /**
     * Sends a request once.
     * @param body null for none; a buffer is sent with its length, a stream as the client frames it
     * @param apiKey sent in place of the client's credentials; null forwards those
     */
    ask: (
      { method = 'GET', url = '/', rawHeaders, headers }: Asking,
      body: Buffer | Readable | null,
      apiKey: string | null,
      handler: Dispatcher.DispatchHandler
    ): void => {
      const options = { keepLength: !Buffer.isBuffer(body), apiKey }
      const request = {
        path: pathFor(url, apiKey),
        method: method as Dispatcher.HttpMethod,
        headers: headersForUpstream(rawHeaders, headers.connection, options),
        body,
      }
      pool.dispatch(request, handler)
    },
    /** Sends the handshake of a WebSocket; `onRequestUpgrade` of the handler gets the connection. */
    open: (
      { url = '/', rawHeaders, headers }: Asking,
      apiKey: string | null,
      handler: Dispatcher.DispatchHandler
    ): void => {
      const request = {
        path: pathFor(url, apiKey),
        method: 'GET' as const,
        headers: headersForHandshake(rawHeaders, headers.connection, apiKey),
        upgrade: 'websocket',
      }
      pool.dispatch(request, handler)
    },
    /** Reports an answer that did not come, not to its end, or with a status of 500 or more. */
    failed: (error: Error): void => onFault(error, base.host),
    close: (): Promise<void> => pool.destroy(),
  }
}
