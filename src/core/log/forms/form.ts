/** What a form of logs is: the export of another program, of which one JSON value holds exchanges. */
import { isObject, type Fields } from './fields.ts'

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
export interface Unread {
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
    isObject(value) ? (read(value) ?? [{ reason: 'an entry of it lacks members of its form' }]) : []
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
