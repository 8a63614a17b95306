import { randomUUID } from 'node:crypto'

/**
 * A UUID of version 7 (RFC 9562 §5.7): the time first, so that an index of ids grows at its end. The
 * 74 random bits behind it are those of Node's version 4, which has them ready by the thousand.
 */
export const timeOrderedId = (now: () => number = Date.now): string => {
  const time = Math.floor(now()).toString(16).padStart(12, '0')
  // both versions have the variant in the same place; only the version's digit differs
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
