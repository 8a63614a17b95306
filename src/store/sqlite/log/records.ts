/** Reads, searches and tags the records of the log. `append.ts` writes them. */
import { and, asc, desc, eq, gt, inArray, lt } from 'drizzle-orm'
import type { RecordHead, StoredRecord } from '../../../core/log/record.ts'
import { compileFilter, type CompiledFilter } from '../../../core/log/record-filter.ts'
import { AppError } from '../../../errors.ts'
import type { FoundRecords, RecordQuery, RecordStore } from '../../store.ts'
import { addTotals, count, type Totals } from '../base/counters.ts'
import type { Connection, Database } from '../base/database.ts'
import { records } from '../base/schema.ts'
import { executeIn, inChunks, type SqlTransaction } from '../base/statements.ts'
import type { BaseCache } from './base-cache.ts'
import { readWholes, textOf } from './bodies.ts'
import { createEstimator, lacksUsage, type Estimator } from './estimates.ts'
import { forget, select } from './forget.ts'
import { prune, scrub } from './prune.ts'
import { segmentOf, sequenceOf, type SegmentRecord } from './segment-codec.ts'
import { readSegments } from './segments.ts'
import { readTraffic } from './traffic.ts'

type RecordRow = typeof records.$inferSelect

/** bounds the decoded log segments in memory */
const SEGMENTS_AT_ONCE = 50
/** records that one search reads at most */
const MAX_SCANNED = 5_000
/** of these, by one read, so that appends run in between */
const SCANNED_AT_ONCE = 1_000

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
  needsBodies: (record: SegmentRecord) => boolean
): Promise<StoredRecord[]> => {
  const bySequence = await readSegmentRecords(db, rows)
  const bodies = [...bySequence.values()]
    .filter(needsBodies)
    .flatMap(({ request, response }) => [request, response])
  const wholes = await readWholes(db.$client, bodies)
  return rows.flatMap(({ sequence, templateVersion }) => {
    const record = bySequence.get(sequence)
    if (record === undefined) return []
    return {
      ...record.head,
      usage: record.usage,
      request: textOf(record.request, wholes) ?? '',
      response: textOf(record.response, wholes),
      sequence,
      templateVersion,
    }
  })
}

const withoutBodies = (record: StoredRecord): StoredRecord => ({
  ...record,
  request: '',
  response: null,
})

/** A record without its bodies. @returns null when it is not in the log */
export const readHead = async (db: Database, id: string): Promise<RecordHead | null> => {
  const rows = await db.select().from(records).where(eq(records.id, id))
  const [record] = (await readSegmentRecords(db, rows)).values()
  return record?.head ?? null
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
        answeredOnly ? eq(records.answered, true) : undefined
      )
    )
    .orderBy((order === 'asc' ? asc : desc)(records.sequence))
    .limit(limit)
}

/** The records of the rows, with bodies and estimates as the query wants them. */
const presentRecords = async (
  db: Database,
  rows: RecordRow[],
  { bodies = true, estimates = false }: RecordQuery
): Promise<StoredRecord[]> => toRecords(db, rows, estimates && !bodies ? lacksUsage : () => bodies)

/** Adds estimates, and takes bodies away that were read only for them. */
const finished = async (
  found: StoredRecord[],
  { bodies = true, estimates = false }: RecordQuery,
  estimate: Estimator
): Promise<StoredRecord[]> => {
  const estimated = estimates ? await estimate(found) : found
  return bodies ? estimated : estimated.map(withoutBodies)
}

const byIds = async (db: Database, ids: string[]): Promise<StoredRecord[]> => {
  const byId = new Map<string, StoredRecord>()
  for (const chunk of inChunks([...new Set(ids)])) {
    const rows = await db.select().from(records).where(inArray(records.id, chunk))
    for (const record of await toRecords(db, rows, () => true)) byId.set(record.id, record)
  }
  return ids.flatMap((id) => byId.get(id) ?? [])
}

const turnOf = async (db: Database, id: string): Promise<StoredRecord> => {
  const [turn] = await byIds(db, [id])
  if (turn === undefined) throw new AppError('not-found', `there is no record ${id}`)
  return turn
}

/** @returns those of the rows that fit, as rows: most records are read without their bodies */
const fittingRows = async (
  db: Database,
  rows: RecordRow[],
  { fitsAll, fitsHead, readsBody, fitsBody }: CompiledFilter
): Promise<RecordRow[]> => {
  if (fitsAll) return rows
  const found = await toRecords(db, rows, ({ head }) => readsBody && fitsHead(head))
  const fitting = found.filter((record) => fitsHead(record) && fitsBody(record))
  const sequences = new Set(fitting.map(({ sequence }) => sequence))
  return rows.filter(({ sequence }) => sequences.has(sequence))
}

const search = async (
  { read }: Connection,
  query: RecordQuery,
  estimate: Estimator
): Promise<FoundRecords> => {
  const { order = 'desc', limit, conversation } = query
  const turn = conversation === undefined ? null : await read((db) => turnOf(db, conversation))
  const filter = compileFilter(query, turn)
  const pageRows = filter.fitsAll ? limit : SCANNED_AT_ONCE
  const data: StoredRecord[] = []
  let { after } = query
  for (let rowsRead = 0; rowsRead < MAX_SCANNED; rowsRead += pageRows) {
    const page = { ...query, order, limit: pageRows, ...(after !== undefined && { after }) }
    const { scanned, found } = await read(async (db) => {
      const rows = await listRows(db, page)
      const fitting = (await fittingRows(db, rows, filter)).slice(0, limit - data.length)
      return { scanned: rows, found: await presentRecords(db, fitting, query) }
    })
    data.push(...(await finished(found, query, estimate)))
    if (data.length === limit) return { data, next: data.at(-1)!.sequence, isPartial: false }
    if (scanned.length < pageRows) return { data, next: null, isPartial: false }
    after = scanned.at(-1)!.sequence
  }
  return { data, next: after!, isPartial: true }
}

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
  const moved = rows.filter(({ was }) => was !== templateVersion)
  const totals: Totals = new Map()
  for (const { at, was } of moved) {
    count(totals, templateVersion, { requests: 1, lastSeen: Number(at) })
    if (was !== null) count(totals, String(was), { requests: -1 })
  }
  const movedIds = moved.map(({ id }) => String(id))
  const update = 'update records set template_version = ? where id in'
  await executeIn(tx, update, movedIds, [templateVersion])
  await addTotals(tx, totals)
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
      const found = await read(async (db) => presentRecords(db, await listRows(db, query), query))
      return finished(found, query, estimate)
    },
    search: (query) => search(connection, query, estimate),
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
