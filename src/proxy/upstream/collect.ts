/** An upstream asked once, for an answer that the proxy reads itself. */
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

/**
 * @param apiKey sent in place of the client's credentials; null forwards those
 * @returns rejects where the answer does not come to its end
 */
export const collectFrom =
  (upstream: Pick<Upstream, 'ask'>, apiKey: string | null): Collect =>
  (asked, body, capture, signal) =>
    new Promise((resolve, reject) => {
      upstream.ask(asked, body, apiKey, {
        onRequestStart: (controller) => {
          const stop = (): void => controller.abort(signal.reason as Error)
          if (signal.aborted) stop()
          else signal.addEventListener('abort', stop, { once: true })
        },
        onResponseStart: ({ rawHeaders }, status) => {
          if (status >= 200) capture.begin(status, headersForClient(textsOf(rawHeaders), []))
        },
        onResponseData: (controller, chunk) => {
          capture.add(chunk)
          if (capture.truncated)
            controller.abort(new AppError('upstream-unavailable', 'the answer is too long'))
        },
        onResponseEnd: () => resolve(),
        onResponseError: (_controller, error) => reject(error),
      })
    })
