import { randomUUID } from 'node:crypto'

/**
 * A UUID of version 7 (RFC 9562 §5.7). It begins with the time, so that an index of ids grows at its end.
 * The 74 random bits are those of Node's version 4, which Node generates in batches.
 * @param now milliseconds since the epoch
 */
export const timeOrderedId = (now: () => number): string => {
  const time = Math.floor(now()).toString(16).padStart(12, '0')
  // both versions have the variant in the same place; only the version's digit differs
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
