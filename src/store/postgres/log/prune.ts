/**
 * Retention: drops the partitions of days that are too old, and deletes what goes with them elsewhere. A day
 * goes when all of it is too old, so nothing stays a day longer than it should.
 */
import { DAY_MS, dayOf } from '../../../core/days.ts'
import { setTimeout as delay } from 'node:timers/promises'
import type { BaseCache } from '../../log/base-cache.ts'
import { inChunks } from '../../log/chunks.ts'
import type { RecordStore } from '../../store.ts'
import type { Connection, Database, Transaction } from '../base/database.ts'
import { codeOf } from '../base/errors.ts'
import { lockSql } from '../base/locks.ts'
import { blankPairAnswers, prunePairs } from './audits.ts'
import { dropBodies, dropDay, partitionOf, readDays, type Day } from './days.ts'
import { pruneFeedback } from './forget-feedback.ts'
import { pruneKeptResponses } from './forget-kept.ts'
import { findRows } from './look-up.ts'
import { pruneTraffic } from './traffic.ts'
import { oneRow } from '../../common/rows.ts'

type Before = Parameters<RecordStore['prune']>[0]
type Counts = Awaited<ReturnType<RecordStore['prune']>>

/** First days that are kept. */
interface Kept {
  bodies: number
  records: number
}

/** Others wait behind a drop that waits for a reader, so it gives up soon and tries again. */
const DROP_LOCK_MS = 500
const DROP_ATTEMPTS = 20
const LOCK_TIMEOUT = '55P03'

const countIn = async ({ $client }: Transaction, { day, hasBodies }: Day): Promise<Counts> => {
  const { rows } = await $client.query<Counts>(
    `select coalesce(sum(records), 0)::bigint as records, coalesce(sum(bodies), 0)::bigint as bodies
      from promptintern.segments where day = $1`,
    [day]
  )
  const { records, bodies } = oneRow(rows)
  return { records, bodies: hasBodies ? bodies : 0 }
}

/** While nothing is appended, and no partition is made. */
const dropOnce = (
  { write }: Connection,
  day: Day,
  drop: (tx: Transaction, day: number) => Promise<void>
): Promise<Counts> =>
  write(
    async (tx) => {
      const counts = await countIn(tx, day)
      await drop(tx, day.day)
      return counts
    },
    { first: `${lockSql('log')}; ${lockSql('days')}`, lockMs: DROP_LOCK_MS }
  )

const dropPatiently = async (...call: Parameters<typeof dropOnce>): Promise<Counts> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await dropOnce(...call)
    } catch (error) {
      if (attempt === DROP_ATTEMPTS || codeOf(error) !== LOCK_TIMEOUT) throw error
      await delay(DROP_LOCK_MS * attempt)
    }
  }
}

const dropOld = async (connection: Connection, kept: Kept): Promise<Counts> => {
  const sum = { records: 0, bodies: 0 }
  for (const day of await connection.read(readDays)) {
    if (day.day < kept.records) {
      const { records, bodies } = await dropPatiently(connection, day, dropDay)
      sum.records += records
      sum.bodies += bodies
    } else if (day.day < kept.bodies && day.hasBodies) {
      sum.bodies += (await dropPatiently(connection, day, dropBodies)).bodies
    }
  }
  return sum
}

/** Answers of the upstream beside `answer`, by table; null where there is none. */
const FURTHER_TEXTS = {
  evaluations: ['upstream_answer', 'second_answer'],
  pairs: ['upstream_answer'],
} as const

type TableWithText = keyof typeof FURTHER_TEXTS

const blankSql = (table: TableWithText): string => {
  const blank = FURTHER_TEXTS[table].map(
    (column) => `${column} = case when ${column} is null then null else '' end`
  )
  return `update promptintern.${table} set answer = '', ${blank.join(', ')}`
}

const hasTextSql = (table: TableWithText): string =>
  ['answer', ...FURTHER_TEXTS[table]].map((column) => `${column} <> ''`).join(' or ')

/** Those that still have an answer, and whose record has lost its bodies. */
const BLANK_EVALUATIONS = `${blankSql('evaluations')}
  where (${hasTextSql('evaluations')}) and not exists
    (select 1 from promptintern.records where records.id = evaluations.record_id and records.day >= $1)`

/** The rest is counted by the day, too, so that an answer goes with its record. */
const pruneOthers = async ({ write }: Connection, kept: Kept): Promise<void> => {
  const times = { bodies: kept.bodies * DAY_MS, records: kept.records * DAY_MS }
  await write((tx) => tx.$client.query(BLANK_EVALUATIONS, [kept.bodies]))
  await write((tx) => blankPairAnswers(tx, times.bodies))
  await write((tx) => prunePairs(tx, times))
  await write((tx) => pruneFeedback(tx, kept))
  await write((tx) => pruneKeptResponses(tx, times.bodies))
}

export const prune = async (
  connection: Connection,
  cache: BaseCache,
  { bodies, records, traffic }: Before
): Promise<Counts> => {
  cache.clear()
  const kept = { records: dayOf(records), bodies: dayOf(Math.max(bodies, records)) }
  const counts = await dropOld(connection, kept)
  await pruneOthers(connection, kept)
  if (traffic !== undefined) await connection.write((tx) => pruneTraffic(tx, traffic))
  return counts
}

const TABLES_WITH_TEXT = Object.keys(FURTHER_TEXTS) as TableWithText[]

/** @returns ids of records that the table has an answer of, and the log does not have */
const readLost = async (db: Database, table: TableWithText): Promise<string[]> => {
  const { rows } = await db.$client.query<{ id: string }>(
    `select distinct record_id as id from promptintern.${table}
      where (${hasTextSql(table)}) and record_id is not null`
  )
  const ids = rows.map(({ id }) => id)
  const found = await findRows(db, await readDays(db), { ids })
  const known = new Set(found.map(({ id }) => id))
  return ids.filter((id) => !known.has(id))
}

/** Deletes what was written of a record while it was forgotten. */
const blankLost = async ({ readTogether, write }: Connection): Promise<void> => {
  for (const table of TABLES_WITH_TEXT)
    for (const lost of inChunks(await readTogether((db) => readLost(db, table))))
      await write((tx) =>
        tx.$client.query(`${blankSql(table)} where record_id = any($1::text[])`, [lost])
      )
}

/** Tables that a forgetting deletes rows of, beside the partitions. */
const FORGOTTEN = ['evaluations', 'pairs', 'feedback', 'kept_responses', 'snapshots']

const partitionsOf = ({ day, hasBodies }: Day): string[] => {
  const tables = ['records', 'segments', ...(hasBodies ? ['bodies', 'segment_bodies'] : [])]
  return tables.map((table) => partitionOf(table, day))
}

/**
 * Vacuums what forgetting has touched, so that deleted rows can no longer be read and their space is used
 * again. What the server keeps beyond that is the operator's: docs/postgres.md.
 */
export const scrub = async (connection: Connection): ReturnType<RecordStore['scrub']> => {
  await blankLost(connection)
  const days = (await connection.read(readDays)).filter(({ isUnvacuumed }) => isUnvacuumed)
  for (const day of days)
    for (const partition of partitionsOf(day)) await connection.alone(`vacuum ${partition}`)
  for (const table of FORGOTTEN) await connection.alone(`vacuum promptintern.${table}`)
  await connection.write((tx) =>
    tx.$client.query(
      'update promptintern.days set is_unvacuumed = false where day = any($1::int[])',
      [days.map(({ day }) => day)]
    )
  )
}
