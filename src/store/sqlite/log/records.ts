/** Reads, searches and tags the records of the log. `append.ts` writes them. */
import { and, asc, desc, eq, gt, gte, inArray, lt, lte, type SQL } from 'drizzle-orm'
import { wantedNumbers, type Narrowing } from '../../../core/log/record-filter.ts'
import type { RecordHead, StoredRecord } from '../../../core/log/record.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { inChunks } from '../../log/chunks.ts'
import { totalsOfTags } from '../../log/counts.ts'
import { createEstimator, type Estimator } from '../../log/estimates.ts'
import { finished, inOrderOf, neededBodies, search, type SearchReads } from '../../log/search.ts'
import { createSegmentReader, readPage, type PageReads } from '../../log/reading/read-page.ts'
import { segmentOf } from '../../log/segment-codec.ts'
import type { RecordQuery, RecordStore } from '../../store.ts'
import { readEarlyAnswers, readTraffic } from '../../common/counters.ts'
import { commonOf } from '../base/common.ts'
import { addTotals } from '../base/counters.ts'
import type { Connection, Database } from '../base/database.ts'
import { records } from '../base/schema.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'
import { readWholeIds } from './bodies.ts'
import { forget, select } from './forget.ts'
import { prune, scrub } from './prune.ts'
import { readSegments } from './segments.ts'
import { spread } from './spread.ts'

const COLUMNS = {
  id: records.id,
  sequence: records.sequence,
  templateVersion: records.templateVersion,
}

type RecordRow = Pick<typeof records.$inferSelect, keyof typeof COLUMNS>

const segmentKeyOf = ({ sequence }: RecordRow): string => String(segmentOf(sequence))

const pageReads = ({ $client }: Pick<Database, '$client'>): PageReads<RecordRow> => ({
  segments: createSegmentReader(segmentKeyOf, async (rows) => {
    const ids = [...new Set(rows.map(({ sequence }) => segmentOf(sequence)))]
    return (await readSegments($client, ids)).map(({ id, segment }) => [String(id), segment])
  }),
  wholes: (ids) => readWholeIds($client, ids),
})

/** A record without its bodies. @returns null when it is not in the log */
export const readHead = async (db: Database, id: string): Promise<RecordHead | null> => {
  const rows = await db.select(COLUMNS).from(records).where(eq(records.id, id))
  const [record] = (await pageReads(db).segments(rows)).values()
  return record?.head ?? null
}

/** @param condition beside those of the query */
const listRows = (db: Database, query: RecordQuery, condition?: SQL): Promise<RecordRow[]> => {
  const { templateVersion, order = 'asc', limit, after, answeredOnly = false } = query
  const isBehind = order === 'asc' ? gt : lt
  return db
    .select(COLUMNS)
    .from(records)
    .where(
      and(
        templateVersion === undefined ? undefined : eq(records.templateVersion, templateVersion),
        after === undefined ? undefined : isBehind(records.sequence, after),
        answeredOnly ? eq(records.answered, true) : undefined,
        condition
      )
    )
    .orderBy((order === 'asc' ? asc : desc)(records.sequence))
    .limit(limit)
}

/** Without those that the narrowing excludes. */
const narrowedRows = (
  db: Database,
  query: RecordQuery,
  narrowing: Narrowing
): Promise<RecordRow[]> => {
  const { from, until } = narrowing
  const time = and(
    from === undefined ? undefined : gte(records.at, Math.floor(from)),
    until === undefined ? undefined : lte(records.at, Math.floor(until))
  )
  const numbers = wantedNumbers(narrowing).map(([name, value]) => eq(records[name], value))
  return listRows(db, query, and(time, ...numbers))
}

const byIds = async (db: Database, ids: string[]): Promise<StoredRecord[]> => {
  const known: RecordRow[] = []
  for (const chunk of inChunks([...new Set(ids)]))
    known.push(...(await db.select(COLUMNS).from(records).where(inArray(records.id, chunk))))
  const rows = inOrderOf(ids, known)
  return (await readPage(rows, pageReads(db), { needsBodies: () => true })).found
}

const searchReads = ({ read }: Connection, estimate: Estimator): SearchReads => ({
  estimate,
  byIds: (ids) => read((db) => byIds(db, ids)),
  page: (query, options) =>
    read(async (db) => {
      const rows = await narrowedRows(db, query, options.filter.narrowing)
      const page = await readPage(rows, pageReads(db), options)
      return { ...page, isFull: rows.length === query.limit }
    }),
})

/** Tags the records with the template, and moves their count to its totals. */
const tagRecords = async (
  tx: SqlTransaction,
  ids: string[],
  templateVersion: string
): Promise<void> => {
  const rows = await executeIn(
    tx,
    'select id, at, template_version as was, outcome from records where id in',
    ids
  )
  const known = rows.map(({ id, at, was, outcome }) => ({
    id: String(id),
    at: Number(at),
    was: was === null ? null : String(was),
    outcome: Number(outcome),
  }))
  const moved = known.filter(({ was }) => was !== templateVersion)
  const movedIds = moved.map(({ id }) => id)
  const update = 'update records set template_version = ? where id in'
  await executeIn(tx, update, movedIds, [templateVersion])
  await addTotals(tx, totalsOfTags(moved, templateVersion))
}

/** The methods that read, tag and delete records. */
export const createRecordStore = (
  connection: Connection,
  cache: BaseCache
): Omit<RecordStore, 'append' | 'usageTotals'> => {
  const { read, writeSql } = connection
  const estimate = createEstimator()
  return {
    list: async (query) => {
      const { found } = await read(async (db) =>
        readPage(await listRows(db, query), pageReads(db), { needsBodies: neededBodies(query) })
      )
      return finished(found, query, estimate)
    },
    search: (query) => search(query, searchReads(connection, estimate)),
    spread: (query) => spread(connection, query),
    byIds: (ids) => read((db) => byIds(db, ids)),
    knownIds: (ids) =>
      read(async ({ $client }) => {
        const rows = await executeIn($client, 'select id from records where id in', ids)
        return rows.map(({ id }) => String(id))
      }),
    tagTemplate: async (ids, version) => {
      for (const chunk of inChunks(ids)) await writeSql((tx) => tagRecords(tx, chunk, version))
    },
    traffic: (from, until) => readTraffic(commonOf(connection), from, until),
    earlyAnswers: (lora) => readEarlyAnswers(commonOf(connection), lora),
    prune: (before) => prune(connection, cache, before),
    select: (selection, after) => select(connection, selection, after),
    forget: (selection) => forget(connection, cache, selection),
    scrub: () => scrub(connection),
  }
}
