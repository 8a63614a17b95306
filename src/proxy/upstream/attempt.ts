/**
 * One upstream asked once. Its answer goes to the client if the failover decides so; until then the
 * answer is held, with its body unread on the connection.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Breaker } from '../breaker.ts'
import type { Retries } from './retries.ts'
import type { Upstream } from './upstream.ts'
import type { AnsweredBy, UpstreamAnswer } from './upstream-answer.ts'

/** An upstream that can be asked. */
export interface Target extends AnsweredBy {
  upstream: Upstream
  breaker: Breaker
  retries: Retries
}

/** The phase of a failed attempt; an `unsent` request may be sent again with any method. */
export type FailedWhile = 'unsent' | 'sent' | 'passing'

/** Decides which attempt answers the client. */
export interface Judge {
  /** An answer has begun, or an interim one; decides by `pass`, `hold` or `drop`. */
  begun(attempt: Attempt, status: number, headers: string[]): void
  /** No answer came, or a broken one. @returns whether the exchange goes on without this attempt */
  failed(attempt: Attempt, error: Error, phase: FailedWhile): boolean
}

const CLIENT_LEFT = new Error('the client closed the connection')
const NOT_WANTED = new Error('another answer is given')

/** HTTP has none below (RFC 9110 §15); above 999 no parser takes one. */
const MIN_STATUS = 100

/** Other characters cannot be sent in a status line; undici reads its bytes as UTF-8. */
const STATUS_TEXT = /^[\t\x20-\x7e\xa0-\xff]*$/

const shownText = (status: number, text: string): string =>
  STATUS_TEXT.test(text) ? text : (STATUS_CODES[status] ?? '')

/** Header bytes as latin1 texts; undici types them wider than they are. */
export const textsOf = (raw: Dispatcher.DispatchController['rawHeaders']): string[] =>
  Array.isArray(raw)
    ? raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
    : []

type Head = Parameters<UpstreamAnswer['begin']>

export class Attempt implements Dispatcher.DispatchHandler {
  private state: 'asking' | 'held' | 'passing' | 'over' = 'asking'
  /** null until the request has a connection and is about to be written */
  private controller: Dispatcher.DispatchController | null = null
  private head: Head | null = null

  constructor(
    private readonly judge: Judge,
    readonly target: Target,
    private readonly answer: UpstreamAnswer
  ) {}

  /** False again once the connection of a held answer has broken. */
  get isHeld(): boolean {
    return this.state === 'held'
  }

  pass(): void {
    this.state = 'passing'
  }

  hold(): void {
    this.state = 'held'
  }

  drop(): void {
    this.state = 'over'
    this.controller?.abort(NOT_WANTED)
  }

  /** Gives the client the answer that was held. */
  release(): void {
    const { head, controller } = this
    if (head === null) return
    this.pass()
    // another attempt may be in the middle of its end, which has to come first
    queueMicrotask(() => {
      if (!this.isPassing()) return
      this.begin(head)
      controller?.resume()
    })
  }

  /** Breaks the request off, since the client has left. */
  cancel(): void {
    this.controller?.abort(CLIENT_LEFT)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    // the client may have left while the request waited for a connection
    if (this.answer.isUnwanted) this.cancel()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText = ''
  ): void {
    if (status < MIN_STATUS) {
      controller.abort(new Error(`the upstream answered with the status ${status}`))
      return
    }
    const text = shownText(status, statusText)
    const head: Head = [status, text, textsOf(controller.rawHeaders), controller]
    if (this.state === 'asking') {
      this.judge.begun(this, status, head[2])
      if (this.isHeld) this.head = head
    }
    if (this.isPassing()) this.begin(head)
    else controller.pause()
  }

  /** The upstream has accepted a WebSocket. */
  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _status: number,
    _headers: unknown,
    socket: Duplex
  ): void {
    // also of a connection that breaks later, which ends the client's
    socket.on('error', (broken) => this.target.upstream.failed(broken))
    const error = this.answer.isUnwanted
      ? CLIENT_LEFT
      : this.answer.upgrade(textsOf(controller.rawHeaders), socket)
    if (error === null) {
      this.target.breaker.succeeded()
      return this.pass()
    }
    socket.destroy()
    this.onResponseError(controller, error)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isPassing() || !this.answer.write(chunk)) controller.pause()
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.isPassing()) this.answer.end(textsOf(controller.rawTrailers))
  }

  onResponseError(_controller: unknown, error: Error): void {
    const { state } = this
    this.state = 'over'
    if (state === 'held' || state === 'over') return
    const sent = this.controller === null ? 'unsent' : 'sent'
    if (!this.judge.failed(this, error, state === 'passing' ? 'passing' : sent))
      this.answer.fail(error)
  }

  /** A head that Node refuses to send, such as one with control characters, is that of a broken answer. */
  private begin(head: Head): void {
    try {
      this.answer.begin(...head)
    } catch (error) {
      this.controller?.abort(error as Error)
    }
  }

  private isPassing(): boolean {
    return this.state === 'passing'
  }
}
