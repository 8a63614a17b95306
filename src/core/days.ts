/** Days of UTC, which have no other length, and times as people write them. */

export const DAY_MS = 86_400_000

/** @param at milliseconds since the epoch @returns days since the epoch */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS)

/** UTC: `2026-11-28`. @param at milliseconds since the epoch */
export const dayText = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** UTC: `2026-11-28 10:00`. @param at milliseconds since the epoch */
export const minuteText = (at: number): string =>
  new Date(at).toISOString().slice(0, 16).replace('T', ' ')

const TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.\d+)?)?Z?)?$/

export interface TimeSpan {
  /** milliseconds since the epoch, inclusive */
  from: number
  until: number
}

/**
 * A time stands for all of its day, minute or second, so that the same text can begin and end a range.
 * @param text `2026-11-29`, `2026-11-29T10:00` or `2026-11-29T10:00:30`
 * @returns null for any other text
 */
export const timeSpanOf = (text: string): TimeSpan | null => {
  const [, day, minute, second] = TIME.exec(text.trim()) ?? []
  if (day === undefined) return null
  const from = Date.parse(`${day}T${minute ?? '00:00'}:${second ?? '00'}Z`)
  const length = second !== undefined ? 1000 : minute !== undefined ? 60_000 : DAY_MS
  if (Number.isNaN(from)) return null
  // JavaScript takes February 30 for March 2
  const isDay = Number(day.slice(-2)) === new Date(Date.parse(day)).getUTCDate()
  return isDay ? { from, until: from + length - 1 } : null
}

/** The day has six parts of four hours: traffic of the night is not that of the afternoon. */
export const PARTS_OF_DAY = 6

const PART_HOURS = 24 / PARTS_OF_DAY

/** @param at milliseconds since the epoch @returns 0 to 5 */
export const partOfDay = (at: number): number =>
  Math.floor((at - Math.floor(at / DAY_MS) * DAY_MS) / (DAY_MS / PARTS_OF_DAY))

const hour = (part: number): string =>
  `${String((part % PARTS_OF_DAY) * PART_HOURS).padStart(2, '0')}:00`

/** `04:00 and 08:00 UTC` @param part 0 to 5 */
export const partText = (part: number): string => `${hour(part)} and ${hour(part + 1)} UTC`
