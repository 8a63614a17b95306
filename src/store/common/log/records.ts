/** Reads, searches and tags the records of the log. `append.ts` writes them. */
import { dayOf } from '../../../core/days.ts'
import {
  wantedNumbers,
  type LookUpNumbers,
  type Narrowing,
} from '../../../core/log/record-filter.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import { inChunks } from '../../log/chunks.ts'
import { totalsOfTags } from '../../log/counts.ts'
import { createEstimator, type Estimator } from '../../log/estimates.ts'
import { headedOf, LOG_COLUMNS, readPage, type Headed, type LogRow } from '../../log/read-page.ts'
import {
  BY_LORA,
  drawPlaces,
  finished,
  inOrderOf,
  neededBodies,
  search,
  type SearchReads,
} from '../../log/search.ts'
import type { RecordQuery, RecordStore, SpreadQuery, SpreadRecords } from '../../store.ts'
import type { CommonConnection, Sql, SqlValue } from '../connection.ts'
import { addTotals, readTraffic } from '../counters.ts'
import { oneRow } from '../rows.ts'
import { bodyReader } from './bodies.ts'
import { forget, select } from './forget.ts'
import { prune, type Upkeep } from './prune.ts'

const NUMBER_COLUMNS: Record<keyof LookUpNumbers, string> = {
  tenantNumber: 'tenant_number',
  outcome: 'outcome',
  statusClass: 'status_class',
  opening: 'opening',
}

/** The first and the last sequence of the days; a day is found by an index, and so are its ends. */
const ENDS = `select min((select min(sequence) from promptintern.records where day = days.day)) as first,
  max((select max(sequence) from promptintern.records where day = days.day)) as last
  from unnest($1::int[]) as days(day)`

/** Days of a search by time; further ones are not narrowed. */
const MAX_DAYS = 1_000

/** The part of the log that has the records of a time. Null: none is known. */
const endsOf = async (
  sql: Sql,
  { from, until }: Narrowing
): Promise<{ first: number; last: number } | null> => {
  if (from === undefined && until === undefined) return null
  const known = await sql<{ first: number | null; last: number | null }>(
    `select (select min(day) from promptintern.records) as first,
      (select max(day) from promptintern.records) as last`
  )
  const { first, last } = oneRow(known.rows)
  const firstDay = Math.max(first ?? 0, from === undefined ? 0 : dayOf(from))
  const lastDay = Math.min(last ?? -1, until === undefined ? Infinity : dayOf(until))
  const count = lastDay - firstDay + 1
  if (count > MAX_DAYS) return null
  if (count <= 0) return { first: 0, last: -1 }
  const days = Array.from({ length: count }, (_day, index) => firstDay + index)
  const { rows } = await sql<{ first: number | null; last: number | null }>(ENDS, [days])
  const ends = oneRow(rows)
  return { first: ends.first ?? 0, last: ends.last ?? -1 }
}

/** A record with bodies whose status is 2xx. What is before the oldest body is passed by at once. */
const ANSWERED = `status_class = 2
  and sequence >= (select coalesce(min(sequence), 0) from promptintern.bodies)
  and exists (select 1 from promptintern.bodies
    where bodies.sequence = records.sequence and bodies.response is not null)`

/** Without those that the narrowing excludes. */
const listRows = async (
  sql: Sql,
  query: RecordQuery,
  narrowing: Narrowing = {}
): Promise<LogRow[]> => {
  const { templateVersion, order = 'asc', limit, after, answeredOnly = false } = query
  const { from, until } = narrowing
  const conditions: string[] = []
  const values: SqlValue[] = []
  const where = (condition: string, value: SqlValue): void => {
    values.push(value)
    conditions.push(`${condition} $${values.length}`)
  }
  if (templateVersion !== undefined) where('template_version =', templateVersion)
  if (after !== undefined) where(order === 'asc' ? 'sequence >' : 'sequence <', after)
  if (answeredOnly) conditions.push(ANSWERED)
  if (from !== undefined) where('at >=', Math.floor(from))
  if (until !== undefined) where('at <=', Math.floor(until))
  for (const [name, value] of wantedNumbers(narrowing)) where(`${NUMBER_COLUMNS[name]} =`, value)
  const ends = await endsOf(sql, narrowing)
  if (ends !== null) {
    where('sequence >=', ends.first)
    where('sequence <=', ends.last)
  }
  const { rows } = await sql<LogRow>(
    `select ${LOG_COLUMNS} from promptintern.records
      ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
      order by sequence ${order} limit ${Math.floor(limit)}`,
    values
  )
  return rows
}

const rowsOf = async (
  sql: Sql,
  ids: readonly string[],
  columns = LOG_COLUMNS
): Promise<LogRow[]> => {
  const found: LogRow[] = []
  for (const chunk of inChunks([...new Set(ids)])) {
    const { rows } = await sql<LogRow>(
      `select ${columns} from promptintern.records where id = any($1::text[])`,
      [chunk]
    )
    found.push(...rows)
  }
  return found
}

/** A record without its bodies. @returns null when it is not in the log */
export const readHead = async (sql: Sql, id: string): Promise<Headed | null> => {
  const [row] = await rowsOf(sql, [id])
  return row === undefined ? null : headedOf(row)
}

const byIds = async (sql: Sql, ids: string[]): Promise<StoredRecord[]> => {
  const rows = inOrderOf(ids, await rowsOf(sql, ids))
  return (await readPage(rows, bodyReader(sql), { needsBodies: () => true })).found
}

const searchReads = ({ readSql }: CommonConnection, estimate: Estimator): SearchReads => ({
  estimate,
  byIds: (ids) => readSql((sql) => byIds(sql, ids)),
  page: (query, options) =>
    readSql(async (sql) => {
      const rows = await listRows(sql, query, options.filter.narrowing)
      const page = await readPage(rows, bodyReader(sql), options)
      return { ...page, isFull: rows.length === query.limit }
    }),
})

interface TaggedRow {
  id: string
  at: number
  was: string | null
  outcome: number
}

/** Tags the records with the template, and moves their count to its totals. */
const tagRecords = async (sql: Sql, ids: string[], templateVersion: string): Promise<void> => {
  const { rows } = await sql<TaggedRow>(
    `select id, at, template_version as was, outcome from promptintern.records
      where id = any($1::text[]) order by id for update`,
    [ids]
  )
  const moved = rows.filter(({ was }) => was !== templateVersion)
  await sql('update promptintern.records set template_version = $1 where id = any($2::text[])', [
    templateVersion,
    moved.map(({ id }) => id),
  ])
  await addTotals(sql, totalsOfTags(moved, templateVersion))
}

/** rows of one read, so that appends run in between */
const SPREAD_ROWS = 20_000

const FITTING = `from promptintern.records
  where template_version = any($1::text[]) and at between $2 and $3
    and outcome <> ${BY_LORA} and status_class = 2`

/** Reads the columns of look-ups twice: they are counted, then one of every so many is taken. */
const spread = async (
  { readSql }: CommonConnection,
  query: SpreadQuery
): Promise<SpreadRecords> => {
  const values = [query.templateVersions, Math.ceil(query.from), Math.floor(query.until)]
  const counted = await readSql((sql) =>
    sql<{ fitting: number }>(`select count(*) as fitting ${FITTING}`, values)
  )
  const { every, places } = drawPlaces(oneRow(counted.rows).fitting, query)
  const ids: string[] = []
  for (let after = -1, read = 0; ids.length < places.length;) {
    const { rows } = await readSql((sql) =>
      sql<{ sequence: number; id: string }>(
        `select sequence, id ${FITTING} and sequence > $4 order by sequence limit ${SPREAD_ROWS}`,
        [...values, after]
      )
    )
    const last = rows.at(-1)
    if (last === undefined) break
    for (let place = places[ids.length]; ids.length < places.length; place = places[ids.length]) {
      const row = rows[place! - read]
      if (row === undefined) break
      ids.push(row.id)
    }
    read += rows.length
    after = last.sequence
  }
  return { ids, every }
}

/** The methods that read, tag and delete records. */
export const createRecordStore = (
  connection: CommonConnection,
  upkeep: Upkeep
): Omit<RecordStore, 'append' | 'usageTotals'> => {
  const { readSql, writeSql } = connection
  const estimate = createEstimator()
  return {
    list: async (query) => {
      const { found } = await readSql(async (sql) =>
        readPage(await listRows(sql, query), bodyReader(sql), { needsBodies: neededBodies(query) })
      )
      return finished(found, query, estimate)
    },
    search: (query) => search(query, searchReads(connection, estimate)),
    spread: (query) => spread(connection, query),
    byIds: (ids) => readSql((sql) => byIds(sql, ids)),
    knownIds: (ids) => readSql(async (sql) => (await rowsOf(sql, ids, 'id')).map(({ id }) => id)),
    tagTemplate: async (ids, version) => {
      // sorted, or two transactions could each wait for a row of the other
      for (const chunk of inChunks(ids.toSorted()))
        await writeSql((sql) => tagRecords(sql, chunk, version))
    },
    traffic: (from, until) => readTraffic(connection, from, until),
    prune: (before) => prune(connection, upkeep, before),
    select: (selection, after) => select(connection, selection, after),
    forget: (selection) => forget(connection, upkeep.dictionaries, selection),
    scrub: () => upkeep.scrub(),
  }
}
