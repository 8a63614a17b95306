/** Reads and tags the records of the log. `append.ts` writes them. */
import { and, asc, desc, eq, gt, inArray, lt } from 'drizzle-orm'
import type { RecordHead, StoredRecord } from '../../../core/log/record.ts'
import type { RecordQuery, RecordStore } from '../../store.ts'
import { addTotals, count, type Totals } from '../base/counters.ts'
import type { Connection, Database } from '../base/database.ts'
import { records } from '../base/schema.ts'
import { executeIn, inChunks, type SqlTransaction } from '../base/statements.ts'
import type { BaseCache } from './base-cache.ts'
import { readWholes, textOf } from './bodies.ts'
import { createEstimator, lacksUsage } from './estimates.ts'
import { forget, select } from './forget.ts'
import { prune, scrub } from './prune.ts'
import { segmentOf, sequenceOf, type SegmentRecord } from './segment-codec.ts'
import { readSegments } from './segments.ts'
import { readTraffic } from './traffic.ts'

type RecordRow = typeof records.$inferSelect

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
      const { bodies = true, estimates = false } = query
      const needsBodies = estimates && !bodies ? lacksUsage : () => bodies
      const found = await read(async (db) => toRecords(db, await listRows(db, query), needsBodies))
      const page = estimates ? await estimate(found) : found
      return bodies ? page : page.map(withoutBodies)
    },
    byIds: (ids) =>
      read(async (db) => {
        const byId = new Map<string, StoredRecord>()
        for (const chunk of inChunks([...new Set(ids)])) {
          const rows = await db.select().from(records).where(inArray(records.id, chunk))
          for (const record of await toRecords(db, rows, () => true)) byId.set(record.id, record)
        }
        return ids.flatMap((id) => byId.get(id) ?? [])
      }),
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
