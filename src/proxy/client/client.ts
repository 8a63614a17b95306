/** The client's end of an exchange, and whether the client is still connected. */
import type { ServerResponse } from 'node:http'
import { AppError, isFault, toAppError } from '../../errors.ts'
import { errorBody } from '../../openai/error-body.ts'
import type { Sender } from './arrivals.ts'
import type { Load } from './load.ts'
import type { Pages } from './pages.ts'
import type { ReportFault, ServerFault } from '../../fault-log.ts'
import type { ProxyMetrics } from '../metrics/metrics.ts'

/**
 * Tells the client why, and the operator where the client is not the cause. An answer that has begun breaks.
 * @param thrown any value
 * @param headers flat list, of the answer
 */
export const refuse = (
  { fault, metrics }: { fault: ReportFault<ServerFault>; metrics: Pick<ProxyMetrics, 'request'> },
  client: Client,
  thrown: unknown,
  headers: string[] = []
): void => {
  const error = toAppError(thrown)
  if (isFault(error)) fault('request', thrown)
  if (client.outgoing.headersSent) return client.break()
  metrics.request('refused')
  client.sendError(error, headers)
}

/** Of one answer. Nothing that a client needs comes in them. */
const MAX_HINTS = 10

export class Client implements Sender {
  readonly holdsPlace = true
  /** the connection closed before the answer was finished */
  gone = false
  private whenGone: (() => void) | null = null
  private whenOver: (() => void)[] = []
  private isCounted = true
  private hints = 0

  /**
   * @param load in which it counts as one request until it is over
   * @param pages whose headers an answer of the proxy's own has
   */
  constructor(
    readonly outgoing: ServerResponse,
    private readonly load: Pick<Load, 'inFlight'>,
    private readonly pages: Pick<Pages, 'ofOwn'>
  ) {
    load.inFlight++
    // a write to a reset connection is reported here; the `close` that follows is enough
    outgoing.on('error', () => {})
    outgoing.on('close', () => {
      this.over()
      if (outgoing.writableFinished || this.gone) return
      this.gone = true
      this.whenGone?.()
    })
  }

  /** Adds a listener for the end of the answer or of the connection; called once, at once after the end. */
  onOver(listener: () => void): void {
    if (this.isOver) listener()
    else this.whenOver.push(listener)
  }

  /** Replaces the one listener for a client that leaves; called at once when it has left already. */
  onGone(listener: () => void): void {
    this.whenGone = listener
    if (this.gone) listener()
  }

  get canBeAnswered(): boolean {
    return !this.gone && !this.outgoing.headersSent && !this.outgoing.destroyed
  }

  sendJson(status: number, body: string, headers: string[] = []): void {
    if (!this.canBeAnswered) return
    this.outgoing.writeHead(status, [
      'content-type',
      'application/json',
      'content-length',
      String(Buffer.byteLength(body)),
      ...headers,
    ])
    this.outgoing.end(body)
  }

  /** An answer that the upstream had no part in; pages read it where they read the upstream's. */
  sendOwn(status: number, body: string, headers: string[] = []): void {
    this.sendJson(status, body, [...this.pages.ofOwn(this.outgoing.req), ...headers])
  }

  /** An error of the proxy itself, in OpenAI's format. */
  sendError(error: AppError, headers: string[] = []): void {
    const { status, retryAfterSeconds } = error
    const retry = retryAfterSeconds === null ? [] : ['retry-after', String(retryAfterSeconds)]
    this.sendOwn(status, JSON.stringify(errorBody(error)), [...retry, ...headers])
  }

  /**
   * Sends an interim answer, 102 or 103 (RFC 9110 §15.2), unless an earlier answer of the connection
   * is still being sent or the client does not read; an upstream may send them without end. HTTP/1.0 has no
   * interim answers.
   * @param headers flat list
   */
  sendHint(status: number, statusText: string, headers: readonly string[]): void {
    const { outgoing } = this
    if (!this.canBeAnswered || outgoing.req.httpVersion !== '1.1') return
    if (outgoing.req.socket.writableNeedDrain || ++this.hints > MAX_HINTS) return
    const lines = [`HTTP/1.1 ${status} ${statusText}`]
    for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
    // null while an earlier answer is still being sent
    outgoing.socket?.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  }

  /** Ends a request whose body is still arriving, and its connection. Its place is free at once. */
  evict(error: AppError): void {
    this.over()
    if (!this.canBeAnswered) return this.break()
    this.outgoing.shouldKeepAlive = false
    this.sendError(error)
    // a peer that sends nothing does not close either
    this.outgoing.once('finish', () => this.outgoing.req.socket.destroySoon())
    this.gone = true
    this.whenGone?.()
  }

  /** Whether the answer or the connection has ended. */
  get isOver(): boolean {
    return !this.isCounted
  }

  private over(): void {
    if (this.isCounted) this.load.inFlight--
    this.isCounted = false
    const listeners = this.whenOver
    this.whenOver = []
    for (const listener of listeners) listener()
  }

  /** Closes the connection in the middle of an answer, so that the answer cannot look complete. */
  break(): void {
    // headers that still wait for the body are sent first
    if (this.outgoing.headersSent) this.outgoing.flushHeaders()
    this.outgoing.destroy()
  }
}
