/** The bodies table's way out: ids in, whole texts out, and what no record needs any more deleted. */
import { inArray } from 'drizzle-orm'
import { decodeWhole } from './body-codec.ts'
import { inChunks } from './chunks.ts'
import type { Database } from './database.ts'
import { bodies } from './schema.ts'
import type { SqlTransaction } from './statements.ts'

/** @returns body id → text */
export const readWholes = async (db: Database, ids: number[]): Promise<Map<number, Buffer>> => {
  const wholes = new Map<number, Buffer>()
  for (const chunk of inChunks([...new Set(ids)])) {
    for (const { id, data } of await db.select().from(bodies).where(inArray(bodies.id, chunk))) {
      wholes.set(id, decodeWhole(data))
    }
  }
  return wholes
}

/** @param before time of the oldest record that still has bodies @returns how many, at most `limit` */
export const deleteUnneeded = async (
  tx: SqlTransaction,
  before: number,
  limit: number
): Promise<number> => {
  const { rowsAffected } = await tx.execute({
    sql: 'delete from bodies where id in (select id from bodies where newest_at < ? limit ?)',
    args: [before, limit],
  })
  return rowsAffected
}
