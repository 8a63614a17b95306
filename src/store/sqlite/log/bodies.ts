/** The bodies table: bodies that are stored whole, each once. */
import type { BaseCache } from '../../log/base-cache.ts'
import { decodeWhole } from '../../log/body-codec.ts'
import {
  keyOf,
  storeForms,
  type ScopedBody,
  type WholeTable,
  type Wholes,
} from '../../log/body-forms.ts'
import type { StoredBody } from '../../log/segment-codec.ts'
import { bodies } from '../base/schema.ts'
import { bulkInsert, executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'
import { oneRow } from '../../common/rows.ts'

const insertBodies = bulkInsert(bodies)

const readKnown = async (tx: SqlTransaction, digests: Buffer[]): Promise<Map<string, number>> => {
  const rows = await executeIn(tx, 'select id, digest from bodies where digest in', digests)
  return new Map(
    rows.map(({ id, digest }) => [keyOf(Buffer.from(digest as ArrayBuffer)), id as number])
  )
}

const nextId = async (tx: SqlTransaction): Promise<number> => {
  const { rows } = await tx.execute('select coalesce(max(id), 0) + 1 as next from bodies')
  return oneRow(rows)['next'] as number
}

const wholeTable = (tx: SqlTransaction): WholeTable => ({
  readKnown: (digests) => readKnown(tx, digests),
  keep: async (newestAt) => {
    await tx.execute({
      sql: `update bodies set newest_at = max(newest_at, needed.at)
        from (select value ->> 0 as id, value ->> 1 as at from json_each(?)) as needed
        where bodies.id = needed.id`,
      args: [JSON.stringify(newestAt)],
    })
  },
  insert: async (wholes) => {
    const first = await nextId(tx)
    const rows = wholes.map(({ digest, newestAt, data }, index) => ({
      id: first + index,
      digest,
      newestAt,
      data,
    }))
    await insertBodies(tx, rows)
    return new Map(rows.map(({ id, digest }) => [keyOf(digest), id]))
  },
})

/** Stores the bodies that are new. @returns for each body, in order, the reference for its record */
export const storeBodies = (
  tx: SqlTransaction,
  cache: BaseCache,
  added: ScopedBody[]
): Promise<StoredBody[]> => storeForms(wholeTable(tx), cache, added)

/** @returns the whole bodies by id; a deleted one is missing */
export const readWholeIds = async (runner: SqlRunner, ids: number[]): Promise<Wholes> => {
  const rows = await executeIn(runner, 'select id, data from bodies where id in', ids)
  return new Map(
    rows.map(({ id, data }) => [id as number, decodeWhole(Buffer.from(data as ArrayBuffer))])
  )
}
