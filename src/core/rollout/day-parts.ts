/** The day in six parts of four hours, UTC: traffic of the night is not that of the afternoon. */
import { DAY_MS } from '../days.ts'

export const PARTS_OF_DAY = 6

const PART_HOURS = 24 / PARTS_OF_DAY

/** @param at milliseconds since the epoch @returns 0 to 5 */
export const partOfDay = (at: number): number =>
  Math.floor((at - Math.floor(at / DAY_MS) * DAY_MS) / (DAY_MS / PARTS_OF_DAY))

const hour = (part: number): string =>
  `${String((part % PARTS_OF_DAY) * PART_HOURS).padStart(2, '0')}:00`

/** `04:00 and 08:00 UTC` @param part 0 to 5 */
export const partText = (part: number): string => `${hour(part)} and ${hour(part + 1)} UTC`
