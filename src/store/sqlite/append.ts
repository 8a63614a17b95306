/**
 * The log's way in: exchange records with their bodies, in batches. It is paid with every request,
 * so it is kept cheap: a handful of statements a batch, no query builder.
 */
import type { BaseCache } from './base-cache.ts'
import type { Connection } from './database.ts'
import type { RecordBytes } from './packed-records.ts'
import { records } from './schema.ts'
import { bulkInsert, executeIn, type SqlTransaction } from './statements.ts'
import { storeTexts, type ScopedText } from './store-bodies.ts'
import { addTotals, countRouted, type Totals } from './totals.ts'

const insertRows = bulkInsert(records, [
  'id',
  'at',
  'tenant',
  'model',
  'path',
  'streamed',
  'status',
  'firstByteMs',
  'durationMs',
  'requestBody',
  'responseBody',
  'usage',
  'route',
  'templateVersion',
])

const scopedTexts = ({ tenant, request, response }: RecordBytes): ScopedText[] => {
  const text = { scope: `${tenant} request`, text: request }
  return response === null ? [text] : [text, { scope: `${tenant} response`, text: response }]
}

/** Those whose id is neither in the log nor earlier in the list. */
const unknownRecords = async (tx: SqlTransaction, added: RecordBytes[]): Promise<RecordBytes[]> => {
  const byId = new Map<string, RecordBytes>()
  for (const record of added) if (!byId.has(record.id)) byId.set(record.id, record)
  const known = await executeIn(tx, 'select id from records where id in', [...byId.keys()])
  for (const { id } of known) byId.delete(id as string)
  return [...byId.values()]
}

const insertRecords = async (
  tx: SqlTransaction,
  cache: BaseCache,
  added: RecordBytes[]
): Promise<void> => {
  const fresh = await unknownRecords(tx, added)
  if (fresh.length === 0) return
  const bodyIds = (await storeTexts(tx, cache, fresh.flatMap(scopedTexts))).values()
  await insertRows(
    tx,
    fresh.map(({ response, ...row }) => ({
      ...row,
      requestBody: bodyIds.next().value!,
      responseBody: response === null ? null : bodyIds.next().value!,
      templateVersion: row.route?.templateVersion ?? null,
    }))
  )
  const totals: Totals = new Map()
  for (const record of fresh) countRouted(totals, record)
  await addTotals(tx, totals)
}

/** Writes records in one transaction; those whose id is in the log already are skipped. */
export const recordWriter =
  ({ writeSql }: Connection, cache: BaseCache) =>
  (added: RecordBytes[]): Promise<void> =>
    writeSql((tx) => insertRecords(tx, cache, added))
