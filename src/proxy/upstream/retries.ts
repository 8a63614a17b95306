/**
 * Whether and when a request is sent again. A request that was never sent is safe to send again,
 * with any method (RFC 9110 §9.2.2). Pure except for the random numbers that are passed in.
 */

export type Retries = ReturnType<typeof createRetries>

export interface RetryOptions {
  maxAttempts: number
  /** longest wait before the second attempt; it doubles for each further one */
  baseMs: number
  /** requests that pay for one retry, so that an upstream that is down does not get a multiple of them */
  requestsPerRetry: number
  /** most retries that can be saved up */
  burst: number
  /** uniform in [0, 1) */
  random: () => number
}

/**
 * Reads a `retry-after` header (RFC 9110 §10.2.3): seconds or a date.
 * @param now milliseconds since the epoch
 * @returns milliseconds to wait; null without a valid header
 */
export const retryAfterMs = (value: string | null, now: number): number | null => {
  if (value === null) return null
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}

export const createRetries = ({
  maxAttempts,
  baseMs,
  requestsPerRetry,
  burst,
  random,
}: RetryOptions) => {
  const most = burst * requestsPerRetry
  let requests = most
  return {
    /** Counts a request, which pays a share of a later retry. */
    request: (): void => {
      requests = Math.min(most, requests + 1)
    },
    /**
     * @param attempts made so far, at least 1
     * @returns milliseconds to wait before the next; null when no further attempt is allowed
     */
    next: (attempts: number): number | null => {
      if (attempts >= maxAttempts || requests < requestsPerRetry) return null
      requests -= requestsPerRetry
      // half fixed, half random, so that clients do not retry at the same moment
      return baseMs * 2 ** (attempts - 1) * (0.5 + 0.5 * random())
    },
  }
}
