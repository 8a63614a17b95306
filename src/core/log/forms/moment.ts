/** Times as other programs write them. */

/** As seconds the first is the year 5138; as milliseconds the second is, and so on: no log has those years. */
const [FIRST_MS, FIRST_US, FIRST_NS] = [1e11, 1e14, 1e17]

const fromNumber = (time: number): number => {
  if (time < FIRST_MS) return time * 1000
  if (time < FIRST_US) return time
  return time < FIRST_NS ? time / 1000 : time / 1e6
}

const HAS_ZONE = /(?:z|[+-]\d\d(?::?\d\d)?)$/i
const HAS_HOURS = /\d[t ]\d\d:/i

/**
 * A date, or seconds, milliseconds, microseconds or nanoseconds since 1970, as a number or a text. Dates without a
 * zone are UTC: PostgreSQL's `timestamp` and ClickHouse's `DateTime64` are printed without one.
 * @returns milliseconds since the epoch; null for anything else, and for times before 1970
 */
export const momentOf = (time: unknown): number | null => {
  const number = typeof time === 'string' && /^\d+(?:\.\d+)?$/.test(time) ? Number(time) : time
  if (typeof number === 'number') {
    const ms = Math.floor(fromNumber(number))
    return number > 0 && Number.isFinite(ms) ? ms : null
  }
  if (typeof time !== 'string') return null
  const isLocal = HAS_HOURS.test(time) && !HAS_ZONE.test(time)
  // ECMAScript's dates have a T, and minutes in an offset: PostgreSQL prints neither
  const text = time.replace(' ', 'T').replace(/([+-]\d\d)$/, HAS_HOURS.test(time) ? '$1:00' : '$1')
  const ms = new Date(isLocal ? `${text}Z` : text).getTime()
  return ms > 0 ? ms : null
}
