/** A rate limit per minute, as a token bucket: it holds one minute's amount, starts full and fills evenly. */

const MINUTE_MS = 60_000

/**
 * @param level may be below 0 @param elapsedMs since it had this level; below 0, after a clock was set
 * back, fills nothing
 */
export const filledLevel = (level: number, perMinute: number, elapsedMs: number): number =>
  Math.min(perMinute, level + (Math.max(0, elapsedMs) * perMinute) / MINUTE_MS)

/** @returns milliseconds until so much has been filled in */
export const fillMs = (missing: number, perMinute: number): number =>
  (missing * MINUTE_MS) / perMinute

/** A bucket in this process. */
export class RateLimit {
  /** below 0 when a request took more than it had reserved */
  private level: number
  private at: number

  constructor(
    private readonly perMinute: number,
    now: number
  ) {
    this.level = perMinute
    this.at = now
  }

  /** @returns milliseconds until the amount is available; Infinity when it never will be */
  waitMs(amount: number, now: number): number {
    this.fill(now)
    if (amount > this.perMinute) return Infinity
    const missing = amount - this.level
    return missing <= 0 ? 0 : fillMs(missing, this.perMinute)
  }

  /** @param amount a negative one is given back */
  take(amount: number, now: number): void {
    this.fill(now)
    this.level = Math.min(this.perMinute, this.level - amount)
  }

  private fill(now: number): void {
    this.level = filledLevel(this.level, this.perMinute, now - this.at)
    this.at = now
  }
}
