/** The client's end of an exchange: is anybody still listening? */
import type { ServerResponse } from 'node:http'
import { AppError } from '../../errors.ts'
import { errorBody } from '../../openai/error-body.ts'
import type { Load } from './load.ts'

export class Client {
  readonly outgoing: ServerResponse
  /** the connection closed before the answer was finished */
  gone = false
  private whenGone: (() => void) | null = null
  private whenOver: (() => void) | null = null

  /** @param load in which it counts as one request until it is over */
  constructor(outgoing: ServerResponse, load: Pick<Load, 'inFlight'>) {
    this.outgoing = outgoing
    load.inFlight++
    // a write behind a reset connection reports here; `close` follows and is what counts
    outgoing.on('error', () => {})
    outgoing.on('close', () => {
      load.inFlight--
      this.whenOver?.()
      if (outgoing.writableFinished) return
      this.gone = true
      this.whenGone?.()
    })
  }

  /** One listener; called once, when the answer is finished or the connection closed. */
  onOver(listener: () => void): void {
    this.whenOver = listener
  }

  /** One listener at a time: whoever works on the answer now. Called at once when already gone. */
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

  /** An error of the proxy itself, in OpenAI's format. */
  sendError(error: AppError, headers: string[] = []): void {
    const { status, retryAfterSeconds } = error
    const retry = retryAfterSeconds === null ? [] : ['retry-after', String(retryAfterSeconds)]
    this.sendJson(status, JSON.stringify(errorBody(error)), [...retry, ...headers])
  }

  /**
   * An interim answer, 102 or 103 (RFC 9110 §15.2). Only where it cannot get between two answers of
   * the connection, and not to HTTP/1.0, which does not know any.
   * @param headers flat list
   */
  sendHint(status: number, statusText: string, headers: readonly string[]): void {
    const { outgoing } = this
    if (!this.canBeAnswered || outgoing.req.httpVersion !== '1.1') return
    const lines = [`HTTP/1.1 ${status} ${statusText}`]
    for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
    // null while an earlier answer is still on its way
    outgoing.socket?.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  }

  /** Ends a begun answer so that nobody takes it for a whole one. */
  break(): void {
    // what was begun is said, even if its headers were still waiting for the body
    if (this.outgoing.headersSent) this.outgoing.flushHeaders()
    this.outgoing.destroy()
  }
}
