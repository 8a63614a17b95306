/**
 * Retention: deletes old bodies and old records in many short transactions, so that appends run in
 * between, and gives the free pages back to the disk. A whole body stays as long as a younger record
 * is a difference to it; `base-cache.ts` bounds that time. `scrub` removes the traces of deletion.
 */
import { sql } from 'drizzle-orm'
import { AppError } from '../../../errors.ts'
import { pruneFeedback } from './forget-feedback.ts'
import { pruneKeptResponses } from './forget-kept.ts'
import type { RecordStore } from '../../store.ts'
import type { Connection } from '../base/database.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'
import { blankPairAnswers, prunePairs } from './audits.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { bodyCount, sequenceOf, type SegmentRow } from '../../log/segment-codec.ts'
import { readSegments, replaceSegment, SEGMENTS_PER_PAGE } from './segments.ts'
import { pruneTraffic } from './traffic.ts'
import { oneRow } from '../../common/rows.ts'

const BODIES_PER_TRANSACTION = 500
/** pages of one vacuum call */
const VACUUMED_PAGES = 1000

type Before = Parameters<RecordStore['prune']>[0]
type Counts = Awaited<ReturnType<RecordStore['prune']>>

const pruneSegment = async (
  tx: SqlTransaction,
  { id, segment }: SegmentRow,
  before: Before
): Promise<Counts> => {
  const deleted: number[] = []
  const stripped: number[] = []
  let bodies = 0
  const left = segment.map((record, place) => {
    if (record === null || record.head.at >= Math.max(before.records, before.bodies)) return record
    bodies += bodyCount(record)
    const isDeleted = record.head.at < before.records
    ;(isDeleted ? deleted : stripped).push(sequenceOf(id, place))
    return isDeleted ? null : { ...record, request: null, response: null }
  })
  await executeIn(tx, 'delete from records where sequence in', deleted)
  await executeIn(tx, 'update records set answered = 0 where sequence in', stripped)
  await replaceSegment(tx, { id, segment: left })
  return { records: deleted.length, bodies }
}

/** @returns null when no log segment was left to prune */
const pruneSome = async (tx: SqlTransaction, before: Before): Promise<Counts | null> => {
  const { rows } = await tx.execute({
    sql: 'select id from segments where oldest_at < ? or oldest_body_at < ? limit ?',
    args: [before.records, before.bodies, SEGMENTS_PER_PAGE],
  })
  if (rows.length === 0) return null
  const sum = { records: 0, bodies: 0 }
  const ids = rows.map(({ id }) => id as number)
  for (const row of await readSegments(tx, ids)) {
    const { records, bodies } = await pruneSegment(tx, row, before)
    sum.records += records
    sum.bodies += bodies
  }
  return sum
}

/** @param before time of the oldest record that still has bodies @returns how many, limited */
const deleteUnneededBodies = async (tx: SqlTransaction, before: number): Promise<number> => {
  const { rowsAffected } = await tx.execute({
    sql: 'delete from bodies where id in (select id from bodies where newest_at < ? limit ?)',
    args: [before, BODIES_PER_TRANSACTION],
  })
  return rowsAffected
}

/** Deletes the answers of evaluations and pairs whose record has lost its bodies; their figures stay. */
const blankAnswers = async (tx: SqlTransaction, before: number): Promise<void> => {
  await tx.execute({
    sql: `update evaluations
      set answer = '', upstream_answer = iif(upstream_answer is null, null, ''),
        second_answer = iif(second_answer is null, null, '')
      where (answer <> '' or upstream_answer <> '' or second_answer <> '') and not exists
        (select 1 from records where records.id = evaluations.record_id and records.at >= ?)`,
    args: [before],
  })
  await blankPairAnswers(tx, before)
}

const giveBackPages = async ({ read }: Connection): Promise<void> => {
  for (;;) {
    const left = await read(async (db) => {
      // as a script: the driver runs a single statement only to its first row, which is one page
      await db.$client.executeMultiple(`PRAGMA incremental_vacuum(${VACUUMED_PAGES})`)
      const rows = await db.all<{ freelist_count: number }>(sql`PRAGMA freelist_count`)
      return oneRow(rows).freelist_count
    })
    if (left < VACUUMED_PAGES) return
  }
}

export const prune = async (
  connection: Connection,
  cache: BaseCache,
  before: Before
): Promise<Counts> => {
  const { writeSql } = connection
  // a body in memory could bring back one that was just deleted
  cache.clear()
  const sum = { records: 0, bodies: 0 }
  for (;;) {
    const counts = await writeSql((tx) => pruneSome(tx, before))
    if (counts === null) break
    sum.records += counts.records
    sum.bodies += counts.bodies
  }
  const unneeded = Math.max(before.bodies, before.records)
  const deleteSome = () => writeSql((tx) => deleteUnneededBodies(tx, unneeded))
  while ((await deleteSome()) === BODIES_PER_TRANSACTION);
  await writeSql((tx) => blankAnswers(tx, before.bodies))
  await writeSql((tx) => prunePairs(tx, before))
  await writeSql((tx) => pruneFeedback(tx, before.bodies))
  await writeSql((tx) => pruneKeptResponses(tx, before.bodies))
  const { traffic } = before
  if (traffic !== undefined) await writeSql((tx) => pruneTraffic(tx, traffic))
  await giveBackPages(connection)
  return sum
}

/**
 * Rewrites the file and empties the write-ahead log. Deleted cells are overwritten (`database.ts`),
 * but SQLite leaves copies of cells that it moved between pages, and only a new file has none.
 */
export const scrub = async ({ read, writeSql }: Connection): ReturnType<RecordStore['scrub']> => {
  // an evaluation or a pair may have been written while its record was forgotten
  await writeSql((tx) => blankAnswers(tx, 0))
  await read(async (db) => {
    await db.$client.executeMultiple('VACUUM')
    const rows = await db.all<{ busy: number }>(sql`PRAGMA wal_checkpoint(TRUNCATE)`)
    if (oneRow(rows).busy !== 0)
      throw new AppError('conflict', 'another process is reading the database: try again')
  })
}
