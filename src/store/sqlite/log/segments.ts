/** Rows of the segments table, written, and found one after the other. */
import { encodeSegment, type SegmentRecord } from './segment-codec.ts'
import { executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'

export const bodyCount = ({ request, response }: SegmentRecord): number =>
  Number(request !== null) + Number(response !== null)

const hasBodies = (record: SegmentRecord): boolean => bodyCount(record) > 0

const oldestOf = (segment: SegmentRecord[]): number | null =>
  segment.length === 0 ? null : Math.min(...segment.map(({ head }) => head.at))

/** @returns the new segment's id */
export const insertSegment = async (
  tx: SqlTransaction,
  segment: SegmentRecord[]
): Promise<number> => {
  const { lastInsertRowid } = await tx.execute({
    sql: 'insert into segments (oldest_at, oldest_body_at, data) values (?, ?, ?)',
    args: [oldestOf(segment), oldestOf(segment.filter(hasBodies)), encodeSegment(segment)],
  })
  return Number(lastInsertRowid)
}

/** @param segment what is left of it, by place; without a record the row goes */
export const replaceSegment = async (
  tx: SqlTransaction,
  id: number,
  segment: (SegmentRecord | null)[]
): Promise<void> => {
  const kept = segment.filter((record) => record !== null)
  if (kept.length === 0) {
    await tx.execute({ sql: 'delete from segments where id = ?', args: [id] })
    return
  }
  await tx.execute({
    sql: 'update segments set oldest_at = ?, oldest_body_at = ?, data = ? where id = ?',
    args: [oldestOf(kept), oldestOf(kept.filter(hasBodies)), encodeSegment(segment), id],
  })
}

/** In the order of the log; the last ones come in as it is read. */
export const segmentIdsAfter = async (
  runner: SqlRunner,
  after: number,
  limit: number
): Promise<number[]> => {
  const { rows } = await runner.execute({
    sql: 'select id from segments where id > ? order by id limit ?',
    args: [after, limit],
  })
  return rows.map(({ id }) => id as number)
}

export const readSegments = async (
  runner: SqlRunner,
  ids: number[]
): Promise<{ id: number; data: Buffer }[]> => {
  const rows = await executeIn(runner, 'select id, data from segments where id in', ids)
  return rows.map(({ id, data }) => ({
    id: id as number,
    data: Buffer.from(data as ArrayBuffer),
  }))
}
