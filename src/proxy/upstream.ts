/**
 * The way to the upstream: one connection pool, and a handler that hands an answer on byte by
 * byte. `Pool.dispatch` costs a sixth of `fetch` (bench/proxy.ts compares them).
 */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Pool, type Dispatcher } from 'undici'
import { AppError } from '../errors.ts'
import { UsageFilter } from '../openai/hide-usage.ts'
import type { Capture } from './capture.ts'
import type { Client } from './client.ts'
import type { ExchangeEnd } from './exchange.ts'
import { headersForClient, headersForUpstream, type ClientHeaders } from './headers.ts'
import { KeepAlive } from './keep-alive.ts'
import type { Retries } from './retries.ts'

export interface UpstreamOptions {
  /** for the first byte and between two bytes of an answer; reasoning models think for minutes */
  idleTimeoutMs: number
  connectTimeoutMs: number
  retries: Retries
  /** silence of a stream after which a comment is sent into it; 0 sends none */
  keepAliveMs: number
}

export interface Passage {
  client: Client
  /** sent in place of the client's own credential; null forwards that */
  apiKey: string | null
  /** headers that the client gets beside the upstream's own */
  addedHeaders: string[]
  /** null for exchanges that are not logged */
  capture: Capture | null
  /** the client did not ask for the usage that its stream ends with */
  hidesUsage: boolean
  onEnd(end: ExchangeEnd): void
}

const CLIENT_LEFT = new Error('the client closed the connection')

/**
 * One answer on its way. Every method is called by undici, in the order of the declarations. This is
 * the older of its two interfaces, deprecated but what the newer one is translated to; and that takes
 * all headers apart before anybody asks (docs/experiments.md).
 */
class UpstreamAnswer implements Dispatcher.DispatchHandler {
  private readonly passage: Passage
  /** takes over a request that was never sent; false when it is not tried again */
  private readonly tryAgain: () => boolean
  /** null until the request has a connection */
  private abort: ((error: Error) => void) | null = null
  private resume: () => void = () => {}
  private readonly keepAliveMs: number
  /** null where no comment may be sent */
  private keepAlive: KeepAlive | null = null
  /** null where everything passes */
  private usageFilter: UsageFilter | null = null

  constructor(passage: Passage, keepAliveMs: number, tryAgain: () => boolean) {
    this.passage = passage
    this.keepAliveMs = keepAliveMs
    this.tryAgain = tryAgain
    passage.client.onGone(() => this.abort?.(CLIENT_LEFT))
  }

  onConnect(abort: (error: Error) => void): void {
    this.abort = abort
    // the client may have left while the request waited for a connection
    if (this.passage.client.gone) abort(CLIENT_LEFT)
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    const { client, addedHeaders, capture } = this.passage
    if (status < 200) {
      client.sendHint(status, statusText, headersForClient(raw, []).raw)
      return true
    }
    this.resume = resume
    const headers = headersForClient(raw, addedHeaders)
    capture?.begin(status, headers)
    // the upstream's own date passes; where it sends none, none is made up
    client.outgoing.sendDate = false
    client.outgoing.writeHead(status, statusText, headers.raw)
    // headers of a stream must not wait for its first event; with a known length both come at once
    if (!headers.hasLength) client.outgoing.flushHeaders()
    if (this.keepAliveMs > 0 && isPlainEventStream(headers))
      this.keepAlive = new KeepAlive(client.outgoing, this.keepAliveMs)
    if (this.passage.hidesUsage && isPlainEventStream(headers)) this.usageFilter = new UsageFilter()
    return true
  }

  /** @returns false when nothing more is to come until `resume` */
  onData(chunk: Buffer): boolean {
    this.passage.capture?.add(chunk)
    const shown = this.usageFilter === null ? chunk : this.usageFilter.push(chunk)
    if (shown.length === 0) return true
    this.keepAlive?.sent(shown)
    const { outgoing } = this.passage.client
    const takesMore = outgoing.write(shown)
    if (!takesMore) outgoing.once('drain', this.resume)
    return takesMore
  }

  onComplete(trailers: (Buffer | string)[] | null): void {
    const { outgoing } = this.passage.client
    if (this.usageFilter !== null) outgoing.write(this.usageFilter.end())
    if (trailers !== null && trailers.length > 0) outgoing.addTrailers(pairsOf(trailers))
    outgoing.end()
    this.passage.onEnd('complete')
  }

  onError(error: Error): void {
    const { client, addedHeaders } = this.passage
    if (client.gone) return this.passage.onEnd('client-gone')
    if (this.abort === null && isPassing(error) && this.tryAgain()) return
    if (client.canBeAnswered) client.sendError(connectionError(error), addedHeaders)
    else client.break()
    this.passage.onEnd('upstream-failed')
  }
}

/** Header fields as `addTrailers` takes them; undici declares strings and gives buffers. */
const pairsOf = (raw: readonly (Buffer | string)[]): [string, string][] => {
  const texts = raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
  return texts.flatMap((name, i): [string, string][] =>
    i % 2 === 0 ? [[name, texts[i + 1] ?? '']] : []
  )
}

/** A stream of events that is read as it is, and may get longer or shorter. */
const isPlainEventStream = ({ contentType, contentEncoding, hasLength }: ClientHeaders): boolean =>
  contentType.startsWith('text/event-stream') && contentEncoding === '' && !hasLength

/** Failures to connect that may be over in a moment; a time-out has been waited for already. */
const PASSING = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'])

const isPassing = ({ code }: Error & { code?: string }): boolean => PASSING.has(code ?? '')

/** undici refuses what it cannot put on the wire: that is the client's fault, not the upstream's. */
const connectionError = (cause: Error & { code?: string }): AppError =>
  cause.code === 'UND_ERR_INVALID_ARG' || cause.code === 'UND_ERR_NOT_SUPPORTED'
    ? new AppError('invalid-request', `the request cannot be forwarded: ${cause.message}`, {
        cause,
      })
    : new AppError('upstream-unavailable', 'the connection to the upstream failed', { cause })

export interface Upstream {
  /** @param body null for none; a buffer is sent with its length, a stream as the client frames it */
  send(incoming: IncomingMessage, body: Buffer | Readable | null, passage: Passage): void
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

export const createUpstream = (baseUrl: string, options: UpstreamOptions): Upstream => {
  const base = new URL(baseUrl)
  const rewritePath = pathRewriter(base)
  const pool = new Pool(base.origin, {
    pipelining: 1,
    connectTimeout: options.connectTimeoutMs,
    headersTimeout: options.idleTimeoutMs,
    bodyTimeout: options.idleTimeoutMs,
  })
  const { retries } = options
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
      const timer = setTimeout(() => send(incoming, body, passage, attempts + 1), waitMs)
      passage.client.onGone(() => {
        clearTimeout(timer)
        passage.onEnd('client-gone')
      })
      return true
    }
    pool.dispatch(
      {
        path: rewritePath(incoming.url ?? '/'),
        method: (incoming.method ?? 'GET') as Dispatcher.HttpMethod,
        headers: headersForUpstream(incoming.rawHeaders, incoming.headers.connection, {
          keepLength: !Buffer.isBuffer(body),
          apiKey: passage.apiKey,
        }),
        body,
      },
      new UpstreamAnswer(passage, options.keepAliveMs, tryAgain)
    )
  }
  return {
    send: (incoming, body, passage) => {
      retries.request()
      send(incoming, body, passage, 1)
    },
    close: () => pool.destroy(),
  }
}
