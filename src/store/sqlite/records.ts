/** The log as it is read, tagged and pruned; `append.ts` writes it. */
import { and, asc, between, desc, eq, gt, inArray, isNotNull, lt } from 'drizzle-orm'
import type { StoredRecord } from '../../core/record.ts'
import type { RecordQuery, RecordStore } from '../store.ts'
import { readTexts } from './bodies.ts'
import type { BaseCache } from './base-cache.ts'
import { inChunks } from './chunks.ts'
import type { Connection, Database } from './database.ts'
import { prune } from './prune.ts'
import { records } from './schema.ts'
import { executeIn, type SqlTransaction } from './statements.ts'
import { addTotals, count, type Totals } from './totals.ts'

type RecordRow = typeof records.$inferSelect

const toRecords = async (
  db: Database,
  rows: RecordRow[],
  withBodies: boolean
): Promise<StoredRecord[]> => {
  const ids = rows.flatMap(({ requestBody, responseBody }) => [
    ...(requestBody === null ? [] : [requestBody]),
    ...(responseBody === null ? [] : [responseBody]),
  ])
  const texts = await readTexts(db, withBodies ? ids : [])
  return rows.map(({ requestBody, responseBody, ...row }) => ({
    ...row,
    request: (requestBody !== null ? texts.get(requestBody) : undefined) ?? '',
    response: (responseBody !== null ? texts.get(responseBody) : undefined) ?? null,
  }))
}

const listRows = (db: Database, query: RecordQuery): Promise<RecordRow[]> => {
  const { templateVersion, order = 'asc', limit, after, answeredOnly = false } = query
  const isBehind = order === 'asc' ? gt : lt
  return db
    .select()
    .from(records)
    .where(
      and(
        templateVersion === undefined ? undefined : eq(records.templateVersion, templateVersion),
        after === undefined ? undefined : isBehind(records.sequence, after),
        answeredOnly ? between(records.status, 200, 299) : undefined,
        answeredOnly ? isNotNull(records.responseBody) : undefined
      )
    )
    .orderBy((order === 'asc' ? asc : desc)(records.sequence))
    .limit(limit)
}

/** Moves the records to the template, and their count with them. */
const tagRecords = async (
  tx: SqlTransaction,
  ids: string[],
  templateVersion: string
): Promise<void> => {
  const rows = await executeIn(
    tx,
    'select id, at, template_version as was from records where id in',
    ids
  )
  const moved = rows.filter(({ was }) => was !== templateVersion)
  const totals: Totals = new Map()
  for (const { at, was } of moved) {
    count(totals, templateVersion, { requests: 1, lastSeen: Number(at) })
    if (was !== null) count(totals, String(was), { requests: -1 })
  }
  await executeIn(
    tx,
    'update records set template_version = ? where id in',
    moved.map(({ id }) => String(id)),
    [templateVersion]
  )
  await addTotals(tx, totals)
}

/** @param append how records get to `recordWriter` (append.ts) */
export const createRecordStore = (
  connection: Connection,
  cache: BaseCache,
  append: RecordStore['append']
): RecordStore => {
  const { read, writeSql } = connection
  return {
    append,
    list: (query) =>
      read(async (db) => toRecords(db, await listRows(db, query), query.bodies ?? true)),
    byIds: (ids) =>
      read(async (db) => {
        const byId = new Map<string, StoredRecord>()
        for (const chunk of inChunks([...new Set(ids)])) {
          const rows = await db.select().from(records).where(inArray(records.id, chunk))
          for (const record of await toRecords(db, rows, true)) byId.set(record.id, record)
        }
        return ids.flatMap((id) => byId.get(id) ?? [])
      }),
    tagTemplate: async (ids, version) => {
      for (const chunk of inChunks(ids)) await writeSql((tx) => tagRecords(tx, chunk, version))
    },
    prune: (before) => prune(connection, cache, before),
  }
}
