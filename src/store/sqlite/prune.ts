/**
 * Retention: old bodies and old rows go, in many short transactions so that appends get through in
 * between, and the room goes back to the disk. A body that others are a difference to stays until
 * they are gone; `body-codec.ts` bounds how long that can be.
 */
import { and, inArray, isNotNull, lt, sql } from 'drizzle-orm'
import type { RecordStore } from '../store.ts'
import { deleteUnreferenced } from './bodies.ts'
import type { BaseCache } from './base-cache.ts'
import type { Connection, Transaction } from './database.ts'
import { records } from './schema.ts'

const PRUNED_ROWS_A_TRANSACTION = 500
/** pages given back to the disk at a time */
const VACUUMED_PAGES = 1000

const bodyIdsOf = (rows: { requestBody: number | null; responseBody: number | null }[]): number[] =>
  rows.flatMap(({ requestBody, responseBody }) =>
    [requestBody, responseBody].filter((id) => id !== null)
  )

interface Pruned {
  rows: number
  bodies: number
}

const pruneRecords = async (tx: Transaction, before: number): Promise<Pruned> => {
  const oldest = tx
    .select({ sequence: records.sequence })
    .from(records)
    .where(lt(records.at, before))
    .limit(PRUNED_ROWS_A_TRANSACTION)
  const rows = await tx
    .delete(records)
    .where(inArray(records.sequence, oldest))
    .returning({ requestBody: records.requestBody, responseBody: records.responseBody })
  return { rows: rows.length, bodies: await deleteUnreferenced(tx, bodyIdsOf(rows)) }
}

const pruneBodies = async (tx: Transaction, before: number): Promise<Pruned> => {
  const { sequence, requestBody, responseBody } = records
  const rows = await tx
    .select({ sequence, requestBody, responseBody })
    .from(records)
    .where(and(lt(records.at, before), isNotNull(requestBody)))
    .limit(PRUNED_ROWS_A_TRANSACTION)
  await tx
    .update(records)
    .set({ requestBody: null, responseBody: null })
    .where(
      inArray(
        sequence,
        rows.map((row) => row.sequence)
      )
    )
  return { rows: rows.length, bodies: await deleteUnreferenced(tx, bodyIdsOf(rows)) }
}

const repeatWhileFull = async (step: () => Promise<Pruned>): Promise<Pruned> => {
  const sum = { rows: 0, bodies: 0 }
  for (;;) {
    const { rows, bodies } = await step()
    sum.rows += rows
    sum.bodies += bodies
    if (rows < PRUNED_ROWS_A_TRANSACTION) return sum
  }
}

const giveBackPages = async ({ read }: Connection): Promise<void> => {
  for (;;) {
    const left = await read(async (db) => {
      // as a script: the driver runs a single statement to its first row only, a page
      await db.$client.executeMultiple(`PRAGMA incremental_vacuum(${VACUUMED_PAGES})`)
      const [row] = await db.all<{ freelist_count: number }>(sql`PRAGMA freelist_count`)
      return row!.freelist_count
    })
    if (left < VACUUMED_PAGES) return
  }
}

export const prune = async (
  connection: Connection,
  cache: BaseCache,
  before: Parameters<RecordStore['prune']>[0]
): ReturnType<RecordStore['prune']> => {
  const { write } = connection
  // a base in memory could bring back a text that was just deleted
  cache.clear()
  const byRecord = await repeatWhileFull(() => write((tx) => pruneRecords(tx, before.records)))
  const byBody = await repeatWhileFull(() => write((tx) => pruneBodies(tx, before.bodies)))
  await giveBackPages(connection)
  return { records: byRecord.rows, bodies: byRecord.bodies + byBody.bodies }
}
