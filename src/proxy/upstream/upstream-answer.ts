/** The upstream's answer on its way to the client, byte by byte. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { AppError } from '../../errors.ts'
import { UsageFilter } from '../../openai/usage/hide-usage.ts'
import type { Capture } from './capture.ts'
import type { Client } from '../client/client.ts'
import type { Pages } from '../client/pages.ts'
import type { ExchangeEnd } from '../reasons.ts'
import { headersForClient, UPSTREAM_HEADER, type ClientHeaders } from '../headers.ts'
import type { SetTimer } from '../../timers.ts'

/**
 * Comments in a stream that has been silent for a while, because some load balancers cut quiet
 * connections. A comment may stand only between two events: inside an event it would be part of it
 * (WHATWG HTML §9.2.5). By the same standard clients ignore comments.
 */
const COMMENT = ': keep-alive\n\n'
/** The last bytes of the stream, which tell whether an event has just ended. */
const TAIL_BYTES = 4
const EVENT_END = /(?:\n\n|\r\r|\r\n\r\n)$/

interface KeepAliveOptions {
  /** silence after which a comment is sent */
  keepAliveMs: number
  now: () => number
  setTimer: SetTimer
}

type KeepAlive = ReturnType<typeof startKeepAlive>

const startKeepAlive = (
  outgoing: ServerResponse,
  { keepAliveMs, now, setTimer }: KeepAliveOptions
) => {
  let sentAt = now()
  let tail = Buffer.alloc(0)
  const tick = (): void => {
    const leftMs = sentAt + keepAliveMs - now()
    // a client that does not read gets no more to read
    const takesMore = leftMs <= 0 && !outgoing.writableEnded && !outgoing.writableNeedDrain
    if (takesMore && (tail.length === 0 || EVENT_END.test(tail.toString('latin1'))))
      outgoing.write(COMMENT)
    stop = setTimer(leftMs > 0 ? leftMs : keepAliveMs, tick)
  }
  let stop = setTimer(keepAliveMs, tick)
  outgoing.once('close', () => stop())
  return {
    /** Bytes of the stream that are sent by the caller. */
    sent: (chunk: Buffer): void => {
      sentAt = now()
      tail =
        chunk.length >= TAIL_BYTES
          ? Buffer.from(chunk.subarray(-TAIL_BYTES))
          : Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES)
    },
  }
}

let waiting: (() => void)[] = []

const run = (): void => {
  const works = waiting
  waiting = []
  for (const work of works) work()
}

/**
 * Runs the work at the end of this tick of the event loop, after its input was handled, together with
 * all other work put off in the same tick and in the same order. Writes that go out together wake
 * their readers once instead of one by one.
 * @param work must not throw
 */
export const atEndOfTick = (work: () => void): void => {
  if (waiting.length === 0) setImmediate(run)
  waiting.push(work)
}

/** The upstream whose answer, or failure, an exchange ended with. */
export interface AnsweredBy {
  /** null without an upstreams file */
  name: string | null
  /** sent in place of the client's own credential */
  apiKey: string | null
}

/** A request for an upstream, and the way of its answer to the client. */
export interface Passage {
  incoming: IncomingMessage
  /** null for none */
  body: Buffer | Readable | null
  /**
   * Of WebSockets alone, which the upstream has accepted.
   * @param raw headers of the upstream's answer
   * @param added headers that the client gets beside
   * @param onEnd called when both connections are closed
   * @returns why the upstream's answer is not accepted: then nothing was done; null where it is
   */
  upgrade?: (
    raw: string[],
    upstream: Duplex,
    added: readonly string[],
    onEnd: () => void
  ) => Error | null
  client: Client
  /** sent in place of the client's own credential; null forwards that */
  apiKey: string | null
  /** headers that the client gets beside the upstream's own */
  readonly addedHeaders?: string[]
  /** absent for exchanges that are not logged */
  capture?: Capture
  /** whether the usage at the end of a stream is removed, since the client did not ask for it */
  hidesUsage?: boolean
  onEnd?(end: ExchangeEnd, answeredBy: AnsweredBy): void
}

export interface AnswerOptions extends KeepAliveOptions {
  /** learns what pages may read */
  pages: Pick<Pages, 'learn'>
}

/** Sends an answer to the client. */
export class UpstreamAnswer {
  /** null until the answer begins */
  private body: { resume(): void } | null = null
  /** a stream's head goes out with its first event, or alone where that has not come yet */
  private isHeadWaiting = false
  /** nothing goes out before the end of this tick */
  private isHeld = false
  private isComplete = false
  /** null where no comment may be sent */
  private keepAlive: KeepAlive | null = null
  /** null where everything passes */
  private usageFilter: UsageFilter | null = null

  constructor(
    private readonly passage: Passage,
    private readonly answeredBy: AnsweredBy,
    private readonly options: AnswerOptions
  ) {}

  /** Whether the client has left. */
  get isUnwanted(): boolean {
    return this.passage.client.gone
  }

  private get addedHeaders(): string[] {
    const { addedHeaders = [] } = this.passage
    const { name } = this.answeredBy
    return name === null ? addedHeaders : [...addedHeaders, UPSTREAM_HEADER, name]
  }

  /**
   * Takes the head of the answer, or of an interim one (status below 200).
   * @param raw flat list in latin1, with order, case and duplicates as they were sent
   */
  begin(status: number, statusText: string, raw: string[], body: { resume(): void }): void {
    const { client, capture, hidesUsage } = this.passage
    // without the headers of an upgrade, which undici takes for a broken answer
    if (status === 101) return
    if (status < 200) return client.sendHint(status, statusText, headersForClient(raw, []).raw)
    // not `this.resume = () => …`: V8 allocates a function literal that is assigned to a property in the
    // old generation, where it would keep the whole exchange until the next full collection
    this.body = body
    const headers = headersForClient(raw, this.addedHeaders)
    capture?.begin(status, headers)
    this.options.pages.learn(this.passage.incoming, this.answeredBy.name, status, raw)
    // the upstream's own date passes; where it sends none, none is added
    client.outgoing.sendDate = false
    client.outgoing.writeHead(status, statusText, headers.raw)
    if (headers.hasLength) this.hold()
    else this.holdHead()
    if (!isPlainEventStream(headers)) return
    if (this.options.keepAliveMs > 0) this.keepAlive = startKeepAlive(client.outgoing, this.options)
    if (hidesUsage) this.usageFilter = new UsageFilter()
  }

  /** Takes the connection of a WebSocket. @returns why it is refused; null where the client has it */
  upgrade(raw: string[], upstream: Duplex): Error | null {
    const { passage, answeredBy } = this
    const onEnd = (): void => passage.onEnd?.('complete', answeredBy)
    return passage.upgrade!(raw, upstream, this.addedHeaders, onEnd)
  }

  /** @returns false when no more may come until `resume` of the body is called */
  write(chunk: Buffer): boolean {
    this.passage.capture?.add(chunk)
    const shown = this.usageFilter === null ? chunk : this.usageFilter.push(chunk)
    if (shown.length === 0) return true
    this.keepAlive?.sent(shown)
    const { outgoing } = this.passage.client
    this.isHeadWaiting = false
    const takesMore = outgoing.write(shown)
    if (!takesMore) outgoing.once('drain', () => this.body?.resume())
    return takesMore
  }

  end(trailers: string[]): void {
    const { outgoing } = this.passage.client
    if (this.usageFilter !== null) outgoing.write(this.usageFilter.end())
    if (trailers.length > 0) outgoing.addTrailers(pairsOf(headersForClient(trailers, []).raw))
    if (this.isHeld) this.isComplete = true
    else outgoing.end()
    this.passage.onEnd?.('complete', this.answeredBy)
  }

  /** Ends the exchange with an error where the client has seen nothing, and else breaks the answer. */
  fail(error: Error): void {
    const { client } = this.passage
    this.release()
    if (client.gone) return this.passage.onEnd?.('client-gone', this.answeredBy)
    if (client.canBeAnswered) client.sendError(connectionError(error), this.addedHeaders)
    else client.break()
    this.passage.onEnd?.('upstream-failed', this.answeredBy)
  }

  /** undici has no event for the moment when all bytes that arrived were handed on: it is this tick's end. */
  private holdHead(): void {
    this.isHeadWaiting = true
    process.nextTick(() => {
      const { outgoing } = this.passage.client
      if (this.isHeadWaiting && !outgoing.writableEnded && !outgoing.destroyed)
        outgoing.flushHeaders()
      this.isHeadWaiting = false
    })
  }

  /**
   * Most answers of known length arrive whole in one tick, often several answers in the same tick:
   * they go out together.
   */
  private hold(): void {
    this.isHeld = true
    this.passage.client.outgoing.cork()
    atEndOfTick(() => {
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

/** A stream of events that is readable as it is, and may get longer or shorter. */
const isPlainEventStream = ({ contentType, contentEncoding, hasLength }: ClientHeaders): boolean =>
  contentType.startsWith('text/event-stream') && contentEncoding === '' && !hasLength

/** undici's codes for a request that it cannot send, which is the client's fault. */
const UNSENDABLE = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])

export const isUnsendable = ({ code }: Error & { code?: string }): boolean =>
  UNSENDABLE.has(code ?? '')

const connectionError = (cause: Error): AppError =>
  isUnsendable(cause)
    ? new AppError('invalid-request', `the request cannot be forwarded: ${cause.message}`, {
        cause,
      })
    : new AppError('upstream-unavailable', 'the connection to the upstream failed', { cause })
