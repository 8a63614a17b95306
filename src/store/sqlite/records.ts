/** The log: exchange records with their bodies, appended in batches. */
import { and, asc, between, desc, eq, gt, inArray, isNotNull, lt } from 'drizzle-orm'
import type { ExchangeRecord, StoredRecord } from '../../core/record.ts'
import type { RecordQuery, RecordStore } from '../store.ts'
import { readTexts, storeTexts, type ScopedText } from './bodies.ts'
import type { BaseCache } from './body-codec.ts'
import { inChunks } from './chunks.ts'
import type { Connection, Database, Transaction } from './database.ts'
import { prune } from './prune.ts'
import { records } from './schema.ts'
import { addTotals, count, countRouted, type Totals } from './totals.ts'

type RecordRow = typeof records.$inferSelect

const scopedTexts = ({ tenant, request, response }: ExchangeRecord): ScopedText[] => [
  { scope: `${tenant} request`, text: request },
  ...(response === null ? [] : [{ scope: `${tenant} response`, text: response }]),
]

/** Those whose id is neither in the log nor earlier in the list. */
const unknownRecords = async (tx: Transaction, added: ExchangeRecord[]) => {
  const byId = new Map<string, ExchangeRecord>()
  for (const record of added) if (!byId.has(record.id)) byId.set(record.id, record)
  const rows = await tx
    .select({ id: records.id })
    .from(records)
    .where(inArray(records.id, [...byId.keys()]))
  for (const { id } of rows) byId.delete(id)
  return [...byId.values()]
}

const insertRecords = async (
  tx: Transaction,
  cache: BaseCache,
  added: ExchangeRecord[]
): Promise<void> => {
  const fresh = await unknownRecords(tx, added)
  if (fresh.length === 0) return
  const bodyIds = (await storeTexts(tx, cache, fresh.flatMap(scopedTexts))).values()
  const totals: Totals = new Map()
  await tx.insert(records).values(
    fresh.map(({ request: _request, response, ...row }) => ({
      ...row,
      requestBody: bodyIds.next().value!,
      responseBody: response === null ? null : bodyIds.next().value!,
      templateVersion: row.route?.templateVersion ?? null,
    }))
  )
  for (const record of fresh) countRouted(totals, record)
  await addTotals(tx, totals)
}

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
  tx: Transaction,
  ids: string[],
  templateVersion: string
): Promise<void> => {
  const { id, at } = records
  const rows = await tx
    .select({ id, at, was: records.templateVersion })
    .from(records)
    .where(inArray(id, ids))
  const moved = rows.filter(({ was }) => was !== templateVersion)
  const totals: Totals = new Map()
  for (const row of moved) {
    count(totals, templateVersion, { requests: 1, lastSeen: row.at })
    if (row.was !== null) count(totals, row.was, { requests: -1 })
  }
  await tx
    .update(records)
    .set({ templateVersion })
    .where(
      inArray(
        id,
        moved.map((row) => row.id)
      )
    )
  await addTotals(tx, totals)
}

/** Writes records in one transaction; those whose id is in the log already are skipped. */
export const recordWriter =
  ({ write }: Connection, cache: BaseCache) =>
  (added: ExchangeRecord[]): Promise<void> =>
    write((tx) => insertRecords(tx, cache, added))

/** @param append how records get to `recordWriter` */
export const createRecordStore = (
  connection: Connection,
  cache: BaseCache,
  append: RecordStore['append']
): RecordStore => {
  const { read, write } = connection
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
      for (const chunk of inChunks(ids)) await write((tx) => tagRecords(tx, chunk, version))
    },
    prune: (before) => prune(connection, cache, before),
  }
}
