/** The upstream's answer on its way to the client, byte by byte. */
import { AppError } from '../../errors.ts'
import { UsageFilter } from '../../openai/hide-usage.ts'
import type { AnswerHandler } from './answer-handler.ts'
import type { Capture } from './capture.ts'
import type { Client } from '../client/client.ts'
import { atEndOfTurn } from './end-of-turn.ts'
import type { ExchangeEnd } from '../reasons.ts'
import { headersForClient, type ClientHeaders } from '../headers.ts'
import { KeepAlive } from './keep-alive.ts'

/** The upstream whose answer, or failure, an exchange ended with. */
export interface AnsweredBy {
  /** null without an upstreams file */
  name: string | null
  /** sent in place of the client's own credential */
  apiKey: string | null
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
  /** @param answeredBy where there is more than one way to an answer */
  onEnd(end: ExchangeEnd, answeredBy?: AnsweredBy): void
}

export interface AnswerOptions {
  /** silence of a stream after which a comment is sent into it; 0 sends none */
  keepAliveMs: number
  /** takes over a request that was never sent; false when it is not tried again */
  tryAgain: () => boolean
  /** takes what the upstream, not the client, is the cause of */
  failed: (error: Error) => void
}

export const CLIENT_LEFT = new Error('the client closed the connection')

/** One answer on its way. */
export class UpstreamAnswer implements AnswerHandler {
  private readonly passage: Passage
  private readonly options: AnswerOptions
  /** null until the request has a connection */
  private abort: ((error: Error) => void) | null = null
  private resume: () => void = () => {}
  /** a stream's head goes out with its first event, or alone where that has not come yet */
  private isHeadWaiting = false
  /** nothing goes out before the turn ends */
  private isHeld = false
  private isComplete = false
  /** null where no comment may be sent */
  private keepAlive: KeepAlive | null = null
  /** null where everything passes */
  private usageFilter: UsageFilter | null = null

  constructor(passage: Passage, options: AnswerOptions) {
    this.passage = passage
    this.options = options
    passage.client.onGone(() => this.abort?.(CLIENT_LEFT))
  }

  onConnect(abort: (error: Error) => void): void {
    this.abort = abort
    // the client may have left while the request waited for a connection
    if (this.passage.client.gone) abort(CLIENT_LEFT)
  }

  onHeaders(status: number, raw: string[], resume: () => void, statusText: string): boolean {
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
    if (headers.hasLength) this.hold()
    else this.isHeadWaiting = true
    const { keepAliveMs } = this.options
    if (keepAliveMs > 0 && isPlainEventStream(headers))
      this.keepAlive = new KeepAlive(client.outgoing, keepAliveMs)
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
    this.isHeadWaiting = false
    const takesMore = outgoing.write(shown)
    if (!takesMore) outgoing.once('drain', this.resume)
    return takesMore
  }

  onIdle(): void {
    const { outgoing } = this.passage.client
    if (this.isHeadWaiting && !outgoing.writableEnded && !outgoing.destroyed)
      outgoing.flushHeaders()
    this.isHeadWaiting = false
  }

  onComplete(trailers: string[]): void {
    const { outgoing } = this.passage.client
    if (this.usageFilter !== null) outgoing.write(this.usageFilter.end())
    if (trailers.length > 0) outgoing.addTrailers(pairsOf(trailers))
    if (this.isHeld) this.isComplete = true
    else outgoing.end()
    this.passage.onEnd('complete')
  }

  onError(error: Error): void {
    const { client, addedHeaders } = this.passage
    this.release()
    if (client.gone) return this.passage.onEnd('client-gone')
    if (!isUnsendable(error)) this.options.failed(error)
    if (this.abort === null && isPassing(error) && this.options.tryAgain()) return
    if (client.canBeAnswered) client.sendError(connectionError(error), addedHeaders)
    else client.break()
    this.passage.onEnd('upstream-failed')
  }

  /** Most answers of known length come whole in one turn, several in the same: they go out together. */
  private hold(): void {
    this.isHeld = true
    this.passage.client.outgoing.cork()
    atEndOfTurn(() => {
      this.release()
      if (this.isComplete) this.passage.client.outgoing.end()
    })
  }

  private release(): void {
    if (!this.isHeld) return
    this.isHeld = false
    this.passage.client.outgoing.uncork()
  }
}

/** Header fields as `addTrailers` takes them. */
const pairsOf = (raw: readonly string[]): [string, string][] =>
  raw.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, raw[i + 1] ?? '']] : []))

/** A stream of events that is read as it is, and may get longer or shorter. */
const isPlainEventStream = ({ contentType, contentEncoding, hasLength }: ClientHeaders): boolean =>
  contentType.startsWith('text/event-stream') && contentEncoding === '' && !hasLength

/** Failures to connect that may be over in a moment; a time-out has been waited for already. */
const PASSING = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'])

export const isPassing = ({ code }: Error & { code?: string }): boolean => PASSING.has(code ?? '')

/** undici's codes for a request that it cannot put on the wire. */
const UNSENDABLE = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])

/** The client's fault, not the upstream's. */
export const isUnsendable = ({ code }: Error & { code?: string }): boolean =>
  UNSENDABLE.has(code ?? '')

const connectionError = (cause: Error): AppError =>
  isUnsendable(cause)
    ? new AppError('invalid-request', `the request cannot be forwarded: ${cause.message}`, {
        cause,
      })
    : new AppError('upstream-unavailable', 'the connection to the upstream failed', { cause })
