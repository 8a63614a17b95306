import { randomUUID } from 'node:crypto'

const VERSION = '7'

/** Many ids are made in one millisecond. */
let latest = { time: -1, text: '' }

const textOf = (time: number): string => {
  if (time !== latest.time) {
    const digits = time.toString(16).padStart(12, '0')
    latest = { time, text: `${digits.slice(0, 8)}-${digits.slice(8)}-${VERSION}` }
  }
  return latest.text
}

/**
 * A UUID of version 7 (RFC 9562 §5.7): the time first, so that an index of ids grows at its end. The
 * 74 random bits behind it are those of Node's version 4, which has them ready by the thousand.
 */
export const timeOrderedId = (now: () => number = Date.now): string =>
  // both versions have the variant in the same place; only the version's digit differs
  textOf(Math.floor(now())) + randomUUID().slice(15)
