/** Rows of the segments table, written. `records.ts` reads them. */
import { encodeSegment, type SegmentRecord } from './segment-codec.ts'
import type { SqlTransaction } from './statements.ts'

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
