/** Reads, searches and tags the records of the log. `append.ts` writes them. */
import { and, asc, desc, eq, gt, gte, inArray, isNull, lt, lte, type SQL } from 'drizzle-orm'
import { wantedNumbers, type Narrowing } from '../../../core/log/record-filter.ts'
import type { RecordHead, StoredRecord } from '../../../core/log/record.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { inChunks } from '../../log/chunks.ts'
import { totalsOfTags } from '../../log/counts.ts'
import { createEstimator, type Estimator } from '../../log/estimates.ts'
import {
  finished,
  fittingRows,
  inOrderOf,
  mergedRows,
  neededBodies,
  search,
  storedRecords,
  type NeedsBodies,
  type SearchReads,
} from '../../log/search.ts'
import { segmentOf, sequenceOf, type SegmentRecord } from '../../log/segment-codec.ts'
import type { RecordQuery, RecordStore } from '../../store.ts'
import { addTotals } from '../base/counters.ts'
import type { Connection, Database } from '../base/database.ts'
import { records } from '../base/schema.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'
import { readWholes } from './bodies.ts'
import { forget, select } from './forget.ts'
import { prune, scrub } from './prune.ts'
import { readSegments } from './segments.ts'
import { spread } from './spread.ts'
import { readTraffic } from './traffic.ts'

const COLUMNS = { sequence: records.sequence, templateVersion: records.templateVersion }

type RecordRow = Pick<typeof records.$inferSelect, keyof typeof COLUMNS>

/** bounds the decoded log segments in memory */
const SEGMENTS_AT_ONCE = 50

/** @returns sequence → the record as its log segment has it, for the rows */
const readSegmentRecords = async (
  { $client }: Database,
  rows: RecordRow[]
): Promise<Map<number, SegmentRecord>> => {
  const wanted = new Set(rows.map(({ sequence }) => sequence))
  const found = new Map<number, SegmentRecord>()
  const ids = [...new Set(rows.map(({ sequence }) => segmentOf(sequence)))]
  for (const chunk of inChunks(ids, SEGMENTS_AT_ONCE)) {
    for (const { id, segment } of await readSegments($client, chunk)) {
      segment.forEach((record, place) => {
        const sequence = sequenceOf(id, place)
        if (record !== null && wanted.has(sequence)) found.set(sequence, record)
      })
    }
  }
  return found
}

/** @param needsBodies of a record; without them the record is returned as if it were pruned */
const toRecords = async (
  db: Database,
  rows: RecordRow[],
  needsBodies: NeedsBodies
): Promise<StoredRecord[]> => {
  const bySequence = await readSegmentRecords(db, rows)
  const bodies = [...bySequence.values()]
    .filter(needsBodies)
    .flatMap(({ request, response }) => [request, response])
  const wholes = await readWholes(db.$client, bodies)
  return storedRecords(rows, bySequence, wholes)
}

/** A record without its bodies. @returns null when it is not in the log */
export const readHead = async (db: Database, id: string): Promise<RecordHead | null> => {
  const rows = await db.select(COLUMNS).from(records).where(eq(records.id, id))
  const [record] = (await readSegmentRecords(db, rows)).values()
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

/** Without those that the narrowing excludes. Two queries, because one with `or` would use no index. */
const narrowedRows = async (
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
  const found = await listRows(db, query, and(time, ...numbers))
  if (numbers.length === 0) return found
  const unnumbered = await listRows(db, query, and(time, isNull(records.outcome)))
  return mergedRows(found, unnumbered, query)
}

const byIds = async (db: Database, ids: string[]): Promise<StoredRecord[]> => {
  const found: StoredRecord[] = []
  for (const chunk of inChunks([...new Set(ids)])) {
    const rows = await db.select(COLUMNS).from(records).where(inArray(records.id, chunk))
    found.push(...(await toRecords(db, rows, () => true)))
  }
  return inOrderOf(ids, found)
}

const searchReads = ({ read }: Connection, estimate: Estimator): SearchReads => ({
  estimate,
  byIds: (ids) => read((db) => byIds(db, ids)),
  page: (query, filter, room) =>
    read(async (db) => {
      const rows = await narrowedRows(db, query, filter.narrowing)
      const fitting = await fittingRows(rows, filter, (some, needs) => toRecords(db, some, needs))
      const found = await toRecords(db, fitting.slice(0, room), neededBodies(query))
      return { scanned: rows, found }
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
    'select id, at, template_version as was from records where id in',
    ids
  )
  const known = rows.map(({ id, at, was }) => ({
    id: String(id),
    at: Number(at),
    was: was === null ? null : String(was),
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
      const found = await read(async (db) =>
        toRecords(db, await listRows(db, query), neededBodies(query))
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
    traffic: (from, until) => readTraffic(connection, from, until),
    prune: (before) => prune(connection, cache, before),
    select: (selection, after) => select(connection, selection, after),
    forget: (selection) => forget(connection, cache, selection),
    scrub: () => scrub(connection),
  }
}
