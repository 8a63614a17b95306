/** Reads the bodies of records. A dictionary that many of them refer to is read and inflated once. */
import { LRUCache } from 'lru-cache'
import { decodeBody } from '../../log/dictionaries.ts'
import type { Bodies, ReadBodies } from '../../log/read-page.ts'
import type { Sql } from '../connection.ts'

/** of dictionaries, for one read */
const CACHE_BYTES = 32 * 2 ** 20
/** of the cache for each, about */
const ENTRY_BYTES = 256

/** A row of `bodies`. */
export interface BodyRow {
  sequence: number
  day: number
  requestDictionary: number | null
  request: Buffer | null
  responseDictionary: number | null
  response: Buffer | null
}

export const BODY_COLUMNS = `sequence, day, request_dictionary as "requestDictionary", request,
  response_dictionary as "responseDictionary", response`

/** @returns restores the bodies of rows, in their order */
export const bodyDecoder = (): ((sql: Sql, rows: readonly BodyRow[]) => Promise<Bodies[]>) => {
  const cache = new LRUCache<number, Buffer>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => length + ENTRY_BYTES,
  })
  const readDictionaries = async (sql: Sql, ids: number[]): Promise<Map<number, Buffer>> => {
    const found = new Map<number, Buffer>()
    const missing: number[] = []
    for (const id of ids) {
      const known = cache.get(id)
      if (known === undefined) missing.push(id)
      else found.set(id, known)
    }
    if (missing.length === 0) return found
    const { rows } = await sql<{ id: number; data: Buffer }>(
      'select id, data from promptintern.dictionaries where id = any($1::bigint[])',
      [missing]
    )
    for (const { id, data } of rows) {
      // a copy: what zlib returns is a view of 16 KB or more
      const body = Buffer.from(decodeBody(data, null))
      cache.set(id, body)
      found.set(id, body)
    }
    return found
  }
  return async (sql, rows) => {
    const ids = rows.flatMap(({ requestDictionary, responseDictionary }) => [
      ...(requestDictionary === null ? [] : [requestDictionary]),
      ...(responseDictionary === null ? [] : [responseDictionary]),
    ])
    const dictionaries = await readDictionaries(sql, [...new Set(ids)])
    const restored = (data: Buffer | null, dictionary: number | null): Buffer | null => {
      if (data === null) return null
      if (dictionary === null) return decodeBody(data, null)
      const body = dictionaries.get(dictionary)
      // deleted since, with its day
      return body === undefined ? null : decodeBody(data, body)
    }
    return rows.map(({ request, requestDictionary, response, responseDictionary }) => ({
      request: restored(request, requestDictionary),
      response: restored(response, responseDictionary),
    }))
  }
}

export const bodyReader = (sql: Sql): ReadBodies => {
  const decode = bodyDecoder()
  return async (sequences) => {
    const { rows } = await sql<BodyRow>(
      `select ${BODY_COLUMNS} from promptintern.bodies where sequence = any($1::bigint[])`,
      [sequences]
    )
    const bodies = await decode(sql, rows)
    return new Map(rows.map(({ sequence }, place) => [sequence, bodies[place]!]))
  }
}
