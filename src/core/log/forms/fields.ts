/** Values as other programs write them: times, and members whose types are not known. */
import { isFields, parseJson, type Fields } from '../../../openai/fields.ts'

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
    // none for times beyond all dates
    const ms = new Date(fromNumber(number)).getTime()
    return ms > 0 ? ms : null
  }
  if (typeof time !== 'string') return null
  const isLocal = HAS_HOURS.test(time) && !HAS_ZONE.test(time)
  // ECMAScript's dates have a T, and minutes in an offset: PostgreSQL prints neither
  const text = time.replace(' ', 'T').replace(/([+-]\d\d)$/, HAS_HOURS.test(time) ? '$1:00' : '$1')
  const ms = new Date(isLocal ? `${text}Z` : text).getTime()
  return ms > 0 ? ms : null
}

/** An exchange in the members of a line that `import-line.ts` reads. */
export interface FoundExchange {
  /** that the other program gave it, so that exports that overlap import it once; null: it has none */
  id: string | null
  line: {
    request: Fields
    /** null: there was no answer */
    response: Fields | null
    /** milliseconds since the epoch; absent where the form has no time */
    at?: number
  }
}

/** Why a value of a known form is not an exchange: a clause after "line 7 is skipped:". */
interface Unread {
  reason: string
}

export type Found = FoundExchange | Unread

export interface LogForm {
  /** for a message that lists the forms */
  name: string
  /** @returns null for a value of another form */
  read: (value: Fields) => Found[] | null
}

/** All exchanges in a list of values of one form. */
export const readEach = (values: unknown, read: LogForm['read']): Found[] =>
  (Array.isArray(values) ? values : []).flatMap((value) =>
    isFields(value) ? (read(value) ?? [{ reason: 'an entry of it lacks members of its form' }]) : []
  )

/** An exchange with its time, where that is known. */
export const foundExchange = (
  id: unknown,
  at: number | null,
  request: Fields,
  response: Fields | null
): FoundExchange => ({
  id: typeof id === 'string' && id !== '' ? id : null,
  line: { request, response, ...(at !== null && { at }) },
})

/** The objects of a list; none of anything else. */
export const objectsIn = (list: unknown): Fields[] =>
  (Array.isArray(list) ? list : []).filter(isFields)

/** Whether a value stands for nothing: databases and exports write `''`, `{}` and `[]` where nothing was kept. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)

/** The value of a text that is a JSON object or list, as CSV files and string columns have them; else the value. */
export const unpacked = (value: unknown): unknown =>
  (typeof value === 'string' && /^\s*[[{]/.test(value) ? parseJson(value) : null) ?? value

/** The object in a value or in its JSON text. @returns no members for anything else */
export const fieldsIn = (value: unknown): Fields => {
  const found = unpacked(value)
  return isFields(found) ? found : {}
}

/** A count of tokens, also as a text. @returns null for anything else */
export const countOf = (value: unknown): number | null => {
  const count = typeof value === 'string' && value !== '' ? Number(value) : value
  return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : null
}

/** The members that have a value, in the order of the names. */
export const membersOf = (fields: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(
    names
      .filter((name) => fields[name] !== undefined && fields[name] !== null)
      .map((name) => [name, fields[name]])
  )

/** More of an id tells a person nothing. */
const MAX_NAME_CHARS = 64

/** A value for a reason. */
export const nameOf = (value: unknown): string => textOf(value).slice(0, MAX_NAME_CHARS)

/** A value as the text of a message: its JSON, unless it is a text. */
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
