/**
 * Whether and when a request that was never sent is tried again. That it was not sent makes it safe,
 * whatever its method (RFC 9110 §9.2.2). Pure but for the random numbers it is given.
 */

export interface Retries {
  /** Counts a request, which pays for a share of a later retry. */
  request(): void
  /**
   * @param attempts made so far, at least 1
   * @returns milliseconds to wait before the next; null when there is to be none
   */
  next(attempts: number): number | null
}

export interface RetryOptions {
  maxAttempts: number
  /** of the wait before the second attempt; each further one waits up to twice as long */
  baseMs: number
  /** so many pay for one retry: an upstream that is down is not asked several times as often */
  requestsPerRetry: number
  /** retries that may be made at once */
  burst: number
  /** uniform in [0, 1) */
  random: () => number
}

/**
 * How long `retry-after` asks to wait (RFC 9110 §10.2.3): seconds or a date.
 * @param now milliseconds since the epoch
 * @returns milliseconds; null without the header and when it is neither
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
}: RetryOptions): Retries => {
  const most = burst * requestsPerRetry
  let requests = most
  return {
    request: () => {
      requests = Math.min(most, requests + 1)
    },
    next: (attempts) => {
      if (attempts >= maxAttempts || requests < requestsPerRetry) return null
      requests -= requestsPerRetry
      // half fixed, half random: neither at once nor all together
      return baseMs * 2 ** (attempts - 1) * (0.5 + 0.5 * random())
    },
  }
}
