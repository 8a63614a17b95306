/** How much the proxy has to do, and whether it can take more. */

export class Load {
  /** requests that are being answered */
  inFlight = 0
  /** recent delay of the event loop, milliseconds; set from outside */
  delayMs = 0
  private readonly maxInFlight: number
  private readonly maxDelayMs: number

  /** @param options.maxDelayMs 0 for no limit */
  constructor(options: { maxInFlight: number; maxDelayMs: number }) {
    this.maxInFlight = options.maxInFlight
    this.maxDelayMs = options.maxDelayMs === 0 ? Infinity : options.maxDelayMs
  }

  /** Whether there is no place for a further request. */
  get isCrowded(): boolean {
    return this.inFlight >= this.maxInFlight
  }

  /** Whether a further request would make all others wait. */
  get isLate(): boolean {
    return this.delayMs > this.maxDelayMs
  }
}
