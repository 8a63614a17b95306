/** A rate limit per minute, as a token bucket: it holds one minute's amount, starts full and fills evenly. */

const MINUTE_MS = 60_000

export class RateLimit {
  private readonly perMinute: number
  /** below 0 when a request took more than it had reserved */
  private level: number
  private at: number

  constructor(perMinute: number, now: number) {
    this.perMinute = perMinute
    this.level = perMinute
    this.at = now
  }

  /** @returns milliseconds until the amount is available; Infinity when it never will be */
  waitMs(amount: number, now: number): number {
    this.fill(now)
    if (amount > this.perMinute) return Infinity
    const missing = amount - this.level
    return missing <= 0 ? 0 : (missing * MINUTE_MS) / this.perMinute
  }

  /** @param amount a negative one is given back */
  take(amount: number, now: number): void {
    this.fill(now)
    this.level = Math.min(this.perMinute, this.level - amount)
  }

  private fill(now: number): void {
    // a clock that was set back fills nothing
    const elapsedMs = Math.max(0, now - this.at)
    this.at = now
    this.level = Math.min(this.perMinute, this.level + (elapsedMs * this.perMinute) / MINUTE_MS)
  }
}
