/** Days of UTC, which have no other length. */

export const DAY_MS = 86_400_000

/** @param at milliseconds since the epoch @returns days since the epoch */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS)
