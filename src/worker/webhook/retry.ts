/** When an event that was not delivered is sent again, and when it is dropped. Pure. */

/** After failures, nothing is sent before `notBefore`. */
export interface RetryPause {
  failures: number
  /** milliseconds since the epoch */
  notBefore: number
}

const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 600_000
const GIVE_UP_MS = 3 * 86_400_000

export const NO_PAUSE: RetryPause = { failures: 0, notBefore: 0 }

/** @param retryAfterMs that the receiver asked for; 0 when it did not */
export const pauseAfter = (
  { failures }: RetryPause,
  now: number,
  retryAfterMs: number
): RetryPause => {
  const own = Math.min(FIRST_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS)
  const pause = Math.max(own, Math.min(retryAfterMs, MAX_PAUSE_MS))
  return { failures: failures + 1, notBefore: now + pause }
}

/** True also when the clock was set back, which leaves the end further ahead than any pause. */
export const isPauseOver = ({ notBefore }: RetryPause, now: number): boolean =>
  now >= notBefore || notBefore - now > MAX_PAUSE_MS

export interface Failing {
  /** when the event happened, milliseconds since the epoch */
  at: number
  /** since when each attempt has failed, also those of earlier workers */
  since: number
  /** in a row, of this worker */
  failures: number
}

/**
 * Whether an event is dropped after a failed attempt. It has three days since it happened and since the
 * webhook began to fail, and attempts of this worker up to the longest pause: a machine that was off for
 * three days drops nothing at its start. A time ahead of the clock, which was set back, does not make the
 * events behind it wait.
 */
export const isUndeliverable = ({ at, since, failures }: Failing, now: number): boolean => {
  const isRecent = at <= now && now - at < GIVE_UP_MS
  const isTried = FIRST_PAUSE_MS * 2 ** failures >= MAX_PAUSE_MS
  return isTried && !isRecent && now - since >= GIVE_UP_MS
}
