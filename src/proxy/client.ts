/** The client's end of an exchange: is anybody still listening? */
import type { ServerResponse } from 'node:http'
import { AppError } from '../errors.ts'
import { errorBody } from '../openai/error-body.ts'

export class Client {
  readonly outgoing: ServerResponse
  /** the connection closed before the answer was finished */
  gone = false
  private whenGone: (() => void) | null = null

  constructor(outgoing: ServerResponse) {
    this.outgoing = outgoing
    // a write behind a reset connection reports here; `close` follows and is what counts
    outgoing.on('error', () => {})
    outgoing.on('close', () => {
      if (outgoing.writableFinished) return
      this.gone = true
      this.whenGone?.()
    })
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
    this.sendJson(error.status, JSON.stringify(errorBody(error)), headers)
  }

  /** Ends a begun answer so that nobody takes it for a whole one. */
  break(): void {
    this.outgoing.destroy()
  }
}
