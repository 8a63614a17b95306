/** How much the proxy has to do, and whether it can take more. */

export class Load {
  /** requests that are being answered */
  inFlight = 0
  /** how late the event loop was of late, milliseconds; set from outside */
  delayMs = 0
  private readonly maxInFlight: number
  private readonly maxDelayMs: number

  /** @param options.maxDelayMs 0 for no limit */
  constructor(options: { maxInFlight: number; maxDelayMs: number }) {
    this.maxInFlight = options.maxInFlight
    this.maxDelayMs = options.maxDelayMs === 0 ? Infinity : options.maxDelayMs
  }

  /** One request more would be one that everybody waits for. */
  get isFull(): boolean {
    return this.inFlight >= this.maxInFlight || this.delayMs > this.maxDelayMs
  }
}
