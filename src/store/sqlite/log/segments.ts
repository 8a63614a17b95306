/** The rows of the segments table: written, and read in the order of the log. */
import type { Row } from '@libsql/client/sqlite3'
import { executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'
import {
  bodyCount,
  decodeLogSegment,
  encodeLogSegment,
  type LogSegment,
  type SegmentRecord,
  type SegmentRow,
} from '../../log/segment-codec.ts'

/** log segments of one read or transaction, so that appends run in between */
export const SEGMENTS_PER_PAGE = 20

const oldestOf = (records: SegmentRecord[]): number | null =>
  records.length === 0 ? null : Math.min(...records.map(({ head }) => head.at))

/** Values of oldest_at, oldest_body_at and data; null without a record. */
const columnsOf = (segment: LogSegment): [number | null, number | null, Buffer] | null => {
  const records = segment.filter((record) => record !== null)
  if (records.length === 0) return null
  const withBodies = records.filter((record) => bodyCount(record) > 0)
  return [oldestOf(records), oldestOf(withBodies), encodeLogSegment(segment)]
}

/** @param segment has at least one record @returns the id of the new row */
export const insertSegment = async (tx: SqlTransaction, segment: LogSegment): Promise<number> => {
  const { lastInsertRowid } = await tx.execute({
    sql: 'insert into segments (oldest_at, oldest_body_at, data) values (?, ?, ?)',
    args: columnsOf(segment)!,
  })
  return Number(lastInsertRowid)
}

/** Deletes the row when no record is left in the log segment. */
export const replaceSegment = async (
  tx: SqlTransaction,
  { id, segment }: SegmentRow
): Promise<void> => {
  const columns = columnsOf(segment)
  await tx.execute(
    columns === null
      ? { sql: 'delete from segments where id = ?', args: [id] }
      : {
          sql: 'update segments set oldest_at = ?, oldest_body_at = ?, data = ? where id = ?',
          args: [...columns, id],
        }
  )
}

const decode = ({ id, data }: Row): SegmentRow => ({
  id: id as number,
  segment: decodeLogSegment(Buffer.from(data as ArrayBuffer)),
})

/** @returns the existing rows, in the order of the log */
export const readSegments = async (runner: SqlRunner, ids: number[]): Promise<SegmentRow[]> => {
  const rows = await executeIn(runner, 'select id, data from segments where id in', ids)
  return rows.map(decode).sort((a, b) => a.id - b.id)
}

/** @returns the next page of the log behind a log segment; empty at the end */
export const readSegmentsAfter = async (
  runner: SqlRunner,
  after: number
): Promise<SegmentRow[]> => {
  const { rows } = await runner.execute({
    sql: 'select id, data from segments where id > ? order by id limit ?',
    args: [after, SEGMENTS_PER_PAGE],
  })
  return rows.map(decode)
}
