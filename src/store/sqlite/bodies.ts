/** The bodies table's way out: ids in, texts out, and what nothing refers to deleted. */
import { and, eq, exists, inArray, not, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/sqlite-core'
import { decodeBody } from './body-codec.ts'
import { inChunks } from './chunks.ts'
import type { Database, Transaction } from './database.ts'
import { bodies, records } from './schema.ts'

type BodyRow = typeof bodies.$inferSelect

const readRows = async (db: Database, ids: number[]): Promise<Map<number, BodyRow>> => {
  const rows = new Map<number, BodyRow>()
  for (const chunk of inChunks(ids)) {
    for (const row of await db.select().from(bodies).where(inArray(bodies.id, chunk))) {
      rows.set(row.id, row)
    }
  }
  return rows
}

/** @returns body id → text */
export const readTexts = async (db: Database, ids: number[]): Promise<Map<number, string>> => {
  const rows = await readRows(db, [...new Set(ids)])
  const baseIds = [...rows.values()].flatMap(({ base }) => base ?? [])
  const bases = new Map<number, Buffer>()
  for (const [id, row] of await readRows(db, [...new Set(baseIds)])) {
    bases.set(id, decodeBody(row, null))
  }
  const texts = new Map<number, string>()
  for (const [id, row] of rows) {
    const base = row.base === null ? null : bases.get(row.base)!
    texts.set(id, decodeBody(row, base).toString())
  }
  return texts
}

const isReferenced = (tx: Transaction) => {
  const differences = alias(bodies, 'differences')
  const byRequest = tx
    .select({ one: sql`1` })
    .from(records)
    .where(eq(records.requestBody, bodies.id))
  const byResponse = tx
    .select({ one: sql`1` })
    .from(records)
    .where(eq(records.responseBody, bodies.id))
  const byDifference = tx
    .select({ one: sql`1` })
    .from(differences)
    .where(eq(differences.base, bodies.id))
  return [exists(byRequest), exists(byResponse), exists(byDifference)]
}

/** Deletes those of the bodies that nothing refers to, and bases left alone by it. */
export const deleteUnreferenced = async (tx: Transaction, ids: number[]): Promise<number> => {
  let deleted = 0
  let candidates = [...new Set(ids)]
  while (candidates.length > 0) {
    const bases: number[] = []
    for (const chunk of inChunks(candidates)) {
      const rows = await tx
        .delete(bodies)
        .where(
          and(inArray(bodies.id, chunk), ...isReferenced(tx).map((condition) => not(condition)))
        )
        .returning({ base: bodies.base })
      deleted += rows.length
      bases.push(...rows.flatMap(({ base }) => base ?? []))
    }
    candidates = [...new Set(bases)]
  }
  return deleted
}
