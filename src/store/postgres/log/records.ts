/** Reads, searches and tags the records of the log. `append.ts` writes them. */
import { dayOf } from '../../../core/days.ts'
import { and, asc, desc, eq, gt, gte, inArray, lt, lte, type SQL } from 'drizzle-orm'
import { wantedNumbers, type Narrowing } from '../../../core/log/record-filter.ts'
import type { RecordHead, StoredRecord } from '../../../core/log/record.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { inChunks } from '../../log/chunks.ts'
import { totalsOfTags } from '../../log/counts.ts'
import { createEstimator, type Estimator } from '../../log/estimates.ts'
import { finished, inOrderOf, neededBodies, search, type SearchReads } from '../../log/search.ts'
import {
  createSegmentReader,
  readPage,
  type PageOptions,
  type PageRead,
  type PageReads,
} from '../../log/reading/read-page.ts'
import { segmentOf } from '../../log/segment-codec.ts'
import type { RecordQuery, RecordStore } from '../../store.ts'
import { readEarlyAnswers, readTraffic } from '../../common/counters.ts'
import { commonOf } from '../base/common.ts'
import { addTotals } from '../base/counters.ts'
import type { Connection, Database, Transaction } from '../base/database.ts'
import { records } from '../base/schema.ts'
import { readWholes } from './bodies.ts'
import { groupedByDays, readDays, readInOrder, type Day, type Stretch } from './days.ts'
import { forget, select } from './forget.ts'
import { findRow, findRows, type RecordRow } from './look-up.ts'
import { prune, scrub } from './prune.ts'
import { readSegments } from './segments.ts'
import { spread } from './spread.ts'

/** A log segment of a log that was moved here may have rows in several days. */
const placeKeyOf = ({ sequence, day }: RecordRow): string => `${segmentOf(sequence)} ${day}`

/** @param bodies false: without the bodies that are differences */
const pageReads = (db: Pick<Database, '$client'>, bodies: boolean): PageReads<RecordRow> => ({
  segments: createSegmentReader(placeKeyOf, async (rows) => {
    const days = [...new Set(rows.map(({ day }) => day))]
    const ids = [...new Set(rows.map(({ sequence }) => segmentOf(sequence)))]
    const found = await readSegments(db, days, ids, { bodies })
    return found.map(({ id, day, segment }) => [`${id} ${day}`, segment])
  }),
  wholes: async (ids, rows) => readWholes(db, [...new Set(rows.map(({ day }) => day))], ids),
})

/** A record without its bodies, and the day that it is in. @returns null when it is not in the log */
export const readHead = async (
  db: Database,
  id: string
): Promise<{ head: RecordHead; day: number } | null> => {
  const row = await findRow(db, id)
  if (row === null) return null
  const [record] = (await pageReads(db, false).segments([row])).values()
  return record === undefined ? null : { head: record.head, day: row.day }
}

const COLUMNS = {
  day: records.day,
  id: records.id,
  sequence: records.sequence,
  at: records.at,
  answered: records.answered,
  outcome: records.outcome,
  templateVersion: records.templateVersion,
}

/** @param condition beside those of the query */
const rowsIn = async (
  db: Database,
  { days, above, below }: Stretch,
  query: RecordQuery,
  condition: SQL | undefined
): Promise<RecordRow[]> => {
  const { templateVersion, order = 'asc', answeredOnly = false, limit } = query
  const some = days.filter(({ hasBodies }) => hasBodies || !answeredOnly).map((one) => one.day)
  if (some.length === 0) return []
  return db
    .select(COLUMNS)
    .from(records)
    .where(
      and(
        inArray(records.day, some),
        gt(records.sequence, above),
        lt(records.sequence, below),
        templateVersion === undefined ? undefined : eq(records.templateVersion, templateVersion),
        answeredOnly ? eq(records.answered, true) : undefined,
        condition
      )
    )
    .orderBy((order === 'asc' ? asc : desc)(records.sequence))
    .limit(limit)
}

/** Without those that the narrowing excludes. */
const narrowedIn = (
  db: Database,
  stretch: Stretch,
  query: RecordQuery,
  narrowing: Narrowing
): Promise<RecordRow[]> => {
  const { from, until } = narrowing
  const time = and(
    from === undefined ? undefined : gte(records.at, Math.floor(from)),
    until === undefined ? undefined : lte(records.at, Math.floor(until))
  )
  const numbers = wantedNumbers(narrowing).map(([name, value]) => eq(records[name], value))
  return rowsIn(db, stretch, query, and(time, ...numbers))
}

const isNear = ({ day }: Day, { from, until }: Narrowing): boolean =>
  (from === undefined || day >= dayOf(from)) && (until === undefined || day <= dayOf(until))

const listRows = async (
  db: Database,
  query: RecordQuery,
  narrowing: Narrowing = {}
): Promise<RecordRow[]> => {
  const { order = 'asc', after, limit } = query
  const known = (await readDays(db)).filter((each) => isNear(each, narrowing))
  return readInOrder(known, { order, after, limit }, (stretch, left) =>
    narrowedIn(db, stretch, { ...query, limit: left }, narrowing)
  )
}

const readRows = (
  db: Database,
  rows: RecordRow[],
  options: PageOptions
): Promise<PageRead<RecordRow>> => {
  const readsBodies = options.needsBodies !== null || options.filter?.readsBody === true
  return readPage(rows, pageReads(db, readsBodies), options)
}

const byIds = async (db: Database, ids: string[]): Promise<StoredRecord[]> => {
  const rows = inOrderOf(ids, await findRows(db, await readDays(db), { ids }))
  return (await readRows(db, rows, { needsBodies: () => true })).found
}

const searchReads = ({ readTogether }: Connection, estimate: Estimator): SearchReads => ({
  estimate,
  byIds: (ids) => readTogether((db) => byIds(db, ids)),
  page: (query, options) =>
    readTogether(async (db) => {
      const rows = await listRows(db, query, options.filter.narrowing)
      const page = await readRows(db, rows, options)
      return { ...page, isFull: rows.length === query.limit }
    }),
})

/** Tags the records with the template, and moves their count to its totals. */
const tagRecords = async (
  tx: Transaction,
  ids: string[],
  templateVersion: string
): Promise<void> => {
  const rows = await findRows(tx, await readDays(tx), { ids, lock: 'for update' })
  const moved = rows
    .map(({ id, day, at, outcome, templateVersion: was }) => ({ id, day, at, outcome, was }))
    .filter(({ was }) => was !== templateVersion)
  for (const { days, ids: some } of groupedByDays(moved, moved.length))
    await tx.$client.query(
      `update promptintern.records set template_version = $1
        where day = any($2::int[]) and id = any($3::text[])`,
      [templateVersion, days, some]
    )
  await addTotals(tx, totalsOfTags(moved, templateVersion))
}

/** The methods that read, tag and delete records. */
export const createRecordStore = (
  connection: Connection,
  cache: BaseCache
): Omit<RecordStore, 'append' | 'usageTotals'> => {
  const { readTogether, write } = connection
  const estimate = createEstimator()
  return {
    list: async (query) => {
      const { found } = await readTogether(async (db) =>
        readRows(db, await listRows(db, query), { needsBodies: neededBodies(query) })
      )
      return finished(found, query, estimate)
    },
    search: (query) => search(query, searchReads(connection, estimate)),
    spread: (query) => spread(connection, query),
    byIds: (ids) => readTogether((db) => byIds(db, ids)),
    knownIds: (ids) =>
      readTogether(async (db) => {
        const rows = await findRows(db, await readDays(db), { ids })
        return rows.map(({ id }) => id)
      }),
    tagTemplate: async (ids, version) => {
      // sorted, or two transactions could each wait for a row of the other
      for (const chunk of inChunks(ids.toSorted()))
        await write((tx) => tagRecords(tx, chunk, version))
    },
    traffic: (from, until) => readTraffic(commonOf(connection), from, until),
    earlyAnswers: (lora) => readEarlyAnswers(commonOf(connection), lora),
    prune: (before) => prune(connection, cache, before),
    select: (selection, after) => select(connection, selection, after),
    forget: (selection) => forget(connection, cache, selection),
    scrub: () => scrub(connection),
  }
}
