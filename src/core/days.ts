/** Days of UTC, which have no other length. */

export const DAY_MS = 86_400_000

/** @param at milliseconds since the epoch @returns days since the epoch */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS)

/** UTC: `2026-11-28 10:00`. @param at milliseconds since the epoch */
export const minuteText = (at: number): string =>
  new Date(at).toISOString().slice(0, 16).replace('T', ' ')
