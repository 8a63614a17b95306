/** The rows of the log segments: written, and read in the order of the log. */
import {
  bodyCount,
  decodeParts,
  encodeParts,
  lastSequenceOf,
  type LogSegment,
  type SegmentRow,
} from '../../log/segment-codec.ts'
import type { Database, Transaction } from '../base/database.ts'
import { readInOrder, segmentsIn, type Day } from './days.ts'

/** A log segment of a day. */
export interface DaySegment extends SegmentRow {
  day: number
}

/** log segments of one read or transaction, so that appends run in between */
const SEGMENTS_PER_PAGE = 20

interface Sizes {
  records: number
  bodies: number
}

const sizesOf = (segment: LogSegment): Sizes => {
  const records = segment.filter((record) => record !== null)
  return {
    records: records.length,
    bodies: records.reduce((sum, record) => sum + bodyCount(record), 0),
  }
}

const INSERT = `with added as (
    insert into promptintern.segments (day, id, records, bodies, heads) values ($1, $2, $3, $4, $5)
  )
  insert into promptintern.segment_bodies (day, segment, data) values ($1, $2, $6)`

export const insertSegment = async (
  { $client }: Transaction,
  { day, id, segment }: DaySegment
): Promise<void> => {
  const { records, bodies } = sizesOf(segment)
  const { heads, differences } = encodeParts(segment)
  await $client.query(INSERT, [day, id, records, bodies, heads, differences])
}

/** Deletes the row when no record is left in the log segment. */
export const replaceSegment = async (
  { $client }: Transaction,
  { day, id, segment }: DaySegment
): Promise<void> => {
  const { records, bodies } = sizesOf(segment)
  if (records === 0) {
    await $client.query('delete from promptintern.segments where day = $1 and id = $2', [day, id])
    await $client.query('delete from promptintern.segment_bodies where day = $1 and segment = $2', [
      day,
      id,
    ])
    return
  }
  const { heads, differences } = encodeParts(segment)
  await $client.query(
    `update promptintern.segments set records = $3, bodies = $4, heads = $5
      where day = $1 and id = $2`,
    [day, id, records, bodies, heads]
  )
  await $client.query(
    'update promptintern.segment_bodies set data = $3 where day = $1 and segment = $2',
    [day, id, differences]
  )
}

interface StoredRow {
  day: number
  id: number
  heads: Buffer
  differences: Buffer | null
}

const decode = ({ day, id, heads, differences }: StoredRow): DaySegment => ({
  day,
  id,
  segment: decodeParts(heads, differences),
})

// the days are named for both tables, because the planner does not carry them over
const SELECT = `select segments.day, segments.id, segments.heads, differences.data as differences
  from promptintern.segments
  left join promptintern.segment_bodies as differences
    on differences.day = any($1::int[]) and differences.day = segments.day
    and differences.segment = segments.id
  where segments.day = any($1::int[])`

const SELECT_HEADS = `select day, id, heads, null as differences from promptintern.segments
  where day = any($1::int[])`

/** @param days of the log segments @returns the existing rows, in the order of the log */
export const readSegments = async (
  { $client }: Pick<Database, '$client'>,
  days: number[],
  ids: number[],
  { bodies = true }: { bodies?: boolean } = {}
): Promise<DaySegment[]> => {
  const { rows } = await $client.query<StoredRow>(
    `${bodies ? SELECT : SELECT_HEADS} and segments.id = any($2::bigint[]) order by segments.id`,
    [days, ids]
  )
  return rows.map(decode)
}

/**
 * @returns the next page of the days' log segments behind one; empty at the end. The rows of one id, which
 * a move from SQLite makes where a log segment has several days, are in one page
 */
export const readSegmentsAfter = async (
  { $client }: Pick<Database, '$client'>,
  known: Day[],
  after: number
): Promise<DaySegment[]> => {
  const page = { order: 'asc', after: lastSequenceOf(after), limit: SEGMENTS_PER_PAGE } as const
  const found = await readInOrder(known, page, async (stretch, limit) => {
    const { above, below } = segmentsIn(stretch)
    const { rows } = await $client.query<StoredRow>(
      `${SELECT} and segments.id > $2 and segments.id < $3 order by segments.id
        fetch first $4 rows with ties`,
      [stretch.days.map(({ day }) => day), above, below, limit]
    )
    return rows
  })
  return found.map(decode)
}
