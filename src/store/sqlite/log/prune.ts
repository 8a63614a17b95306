/**
 * Retention: old bodies and old records go, in many short transactions so that appends get through
 * in between, and the room goes back to the disk. A whole text stays as long as a younger record is
 * a difference to it; `base-cache.ts` bounds how long that can be.
 */
import { sql } from 'drizzle-orm'
import type { RecordStore } from '../../store.ts'
import { deleteUnneeded } from './bodies.ts'
import type { BaseCache } from './base-cache.ts'
import type { Connection } from '../base/database.ts'
import { blankAnswers } from './scrub.ts'
import { decodeSegment, sequenceOf, type SegmentRecord } from './segment-codec.ts'
import { bodyCount, replaceSegment } from './segments.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'

const SEGMENTS_A_TRANSACTION = 20
const BODIES_A_TRANSACTION = 500
/** pages given back to the disk at a time */
const VACUUMED_PAGES = 1000

type Before = Parameters<RecordStore['prune']>[0]

interface Pruned {
  /** as they are left, by place */
  segment: (SegmentRecord | null)[]
  /** places of the records that went, and of those that lost their bodies */
  records: number[]
  stripped: number[]
  bodies: number
}

const pruneSegment = (segment: (SegmentRecord | null)[], before: Before): Pruned => {
  const pruned: Pruned = { segment: [], records: [], stripped: [], bodies: 0 }
  segment.forEach((record, place) => {
    const isOld = record !== null && record.head.at < before.records
    const isStripped = record !== null && !isOld && record.head.at < before.bodies
    if (isOld) pruned.records.push(place)
    if (isStripped) pruned.stripped.push(place)
    if (isOld || isStripped) pruned.bodies += bodyCount(record)
    const left = isStripped ? { ...record, request: null, response: null } : record
    pruned.segment.push(isOld ? null : left)
  })
  return pruned
}

interface Counts {
  records: number
  bodies: number
}

/** @returns null when no segment was left to prune */
const pruneSome = async (tx: SqlTransaction, before: Before): Promise<Counts | null> => {
  const { rows } = await tx.execute({
    sql: 'select id, data from segments where oldest_at < ? or oldest_body_at < ? limit ?',
    args: [before.records, before.bodies, SEGMENTS_A_TRANSACTION],
  })
  const counts = { records: 0, bodies: 0 }
  for (const { id, data } of rows) {
    const sequences = (places: number[]) => places.map((place) => sequenceOf(id as number, place))
    const pruned = pruneSegment(decodeSegment(Buffer.from(data as ArrayBuffer)), before)
    await executeIn(tx, 'delete from records where sequence in', sequences(pruned.records))
    await executeIn(
      tx,
      'update records set answered = 0 where sequence in',
      sequences(pruned.stripped)
    )
    await replaceSegment(tx, id as number, pruned.segment)
    counts.records += pruned.records.length
    counts.bodies += pruned.bodies
  }
  return rows.length === 0 ? null : counts
}

const giveBackPages = async ({ read }: Connection): Promise<void> => {
  for (;;) {
    const left = await read(async (db) => {
      // as a script: the driver runs a single statement to its first row only, a page
      await db.$client.executeMultiple(`PRAGMA incremental_vacuum(${VACUUMED_PAGES})`)
      const [row] = await db.all<{ freelist_count: number }>(sql`PRAGMA freelist_count`)
      return row!.freelist_count
    })
    if (left < VACUUMED_PAGES) return
  }
}

export const prune = async (
  connection: Connection,
  cache: BaseCache,
  before: Before
): ReturnType<RecordStore['prune']> => {
  const { writeSql } = connection
  // a text in memory could bring back one that was just deleted
  cache.clear()
  const sum = { records: 0, bodies: 0 }
  for (;;) {
    const counts = await writeSql((tx) => pruneSome(tx, before))
    if (counts === null) break
    sum.records += counts.records
    sum.bodies += counts.bodies
  }
  const unneeded = Math.max(before.bodies, before.records)
  const deleteSome = () => writeSql((tx) => deleteUnneeded(tx, unneeded, BODIES_A_TRANSACTION))
  while ((await deleteSome()) === BODIES_A_TRANSACTION);
  await writeSql((tx) => blankAnswers(tx, before.bodies))
  await giveBackPages(connection)
  return sum
}
