/** Bytes of request bodies that have been received and are still held, over all clients. */
export interface BodyBudget {
  /** @returns false when so many do not fit; then none are taken */
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
