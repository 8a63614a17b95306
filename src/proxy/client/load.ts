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

/** Bytes of request bodies in memory, over all clients. */
export interface BodyBudget {
  /** @returns false when they do not fit; then none are taken */
  take(bytes: number): boolean
  give(bytes: number): void
  inUse(): number
}

export const createBodyBudget = (maxBytes: number): BodyBudget => {
  let used = 0
  return {
    take: (bytes) => {
      if (used + bytes > maxBytes) return false
      used += bytes
      return true
    },
    give: (bytes) => {
      used -= bytes
    },
    inUse: () => used,
  }
}
