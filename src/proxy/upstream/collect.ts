/** An upstream asked once, for an answer that the proxy reads itself. */
import type { Dispatcher } from 'undici'
import { AppError } from '../../errors.ts'
import { headersForClient } from '../headers.ts'
import { textsOf } from './attempt.ts'
import type { Capture } from './capture.ts'
import type { Asking, Upstream } from './upstream.ts'

/** A request for an answer that does not go to the client as it is. */
export type Collect = (
  asked: Asking,
  /** null for none */
  body: Buffer | null,
  /** gets the answer */
  capture: Capture,
  signal: AbortSignal
) => Promise<void>

/** Collects an answer into a capture. */
class Collector implements Dispatcher.DispatchHandler {
  private readonly capture: Capture
  private readonly done: (error: Error | null) => void
  private readonly signal: AbortSignal

  constructor(capture: Capture, signal: AbortSignal, done: (error: Error | null) => void) {
    this.capture = capture
    this.signal = signal
    this.done = done
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const stop = (): void => controller.abort(this.signal.reason as Error)
    if (this.signal.aborted) stop()
    else this.signal.addEventListener('abort', stop, { once: true })
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return
    this.capture.begin(status, headersForClient(textsOf(controller.rawHeaders), []))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.capture.add(chunk)
    if (this.capture.truncated)
      controller.abort(new AppError('upstream-unavailable', 'the answer is too long'))
  }

  onResponseEnd(): void {
    this.done(null)
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.done(error)
  }
}

/**
 * @param apiKey sent in place of the client's credentials; null forwards those
 * @returns rejects where the answer does not come to its end
 */
export const collectFrom =
  (upstream: Pick<Upstream, 'ask'>, apiKey: string | null): Collect =>
  (asked, body, capture, signal) =>
    new Promise((resolve, reject) => {
      const collector = new Collector(capture, signal, (error) =>
        error === null ? resolve() : reject(error)
      )
      upstream.ask(asked, body, apiKey, collector)
    })
