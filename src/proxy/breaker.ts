/** Keeps requests away from an engine or upstream that fails, so that they do not wait for its timeout. */

/** `half-open`: the pause is over, and the next request probes. */
export type BreakerState = 'closed' | 'half-open' | 'open'

export type Breaker = ReturnType<typeof createBreaker>

export interface BreakerOptions {
  /** failures in a row that open it */
  maxFailures: number
  pauseMs: number
  now: () => number
}

export const createBreaker = ({ maxFailures, pauseMs, now }: BreakerOptions) => {
  let failures = 0
  let openUntil = 0
  return {
    /** Whether it may be asked; after the pause one request at a time may probe. */
    allows: (): boolean => {
      if (failures < maxFailures) return true
      const leftMs = openUntil - now()
      // more than a pause can only be left when the clock was set back
      if (leftMs > 0 && leftMs <= pauseMs) return false
      // this request is the probe; the others wait for its result or for another pause
      openUntil = now() + pauseMs
      return true
    },
    succeeded: (): void => {
      failures = 0
    },
    failed: (): void => {
      failures++
      if (failures >= maxFailures) openUntil = now() + pauseMs
    },
    state: (): BreakerState => {
      if (failures < maxFailures) return 'closed'
      return now() < openUntil ? 'open' : 'half-open'
    },
  }
}
