/** The log of the SQLite database, some log segments at a time. */
import type { Database } from '../sqlite/base/database.ts'
import { readWholeIds } from '../sqlite/log/bodies.ts'
import { readSegments } from '../sqlite/log/segments.ts'
import { lastSequenceOf, sequenceOf, type SegmentRecord } from '../log/segment-codec.ts'
import { dayOf } from '../postgres/log/days.ts'
import type { Bodies, BodyReader } from './body-reader.ts'
import { pageEnd, type MoveSource } from './source.ts'

/** Columns by which a record is looked up. */
export interface LookUp {
  sequence: number
  id: string
  at: number
  answered: boolean
  templateVersion: string | null
}

/** A record of the source, at its place. */
export interface PlacedRecord extends SegmentRecord {
  lookUp: LookUp
  day: number
}

export interface SourceSegment {
  id: number
  records: PlacedRecord[]
}

/** log segments of one transaction */
const SEGMENTS_AT_ONCE = 4
const SEGMENT_BYTES = 8 * 2 ** 20

const readLookUps = async (
  { $client }: Database,
  first: number,
  last: number
): Promise<Map<number, LookUp>> => {
  const { rows } = await $client.execute({
    sql: `select sequence, id, at, answered, template_version from records
      where sequence between ? and ?`,
    args: [first, last],
  })
  return new Map(
    rows.map((row) => [
      Number(row['sequence']),
      {
        sequence: Number(row['sequence']),
        id: String(row['id']),
        // times may have fractions in SQLite
        at: Math.floor(Number(row['at'])),
        answered: row['answered'] === 1,
        templateVersion: row['template_version'] as string | null,
      },
    ])
  )
}

const readIds = async ({ $client }: Database, after: number, end: number): Promise<number[]> => {
  const { rows } = await $client.execute({
    sql: 'select id from segments where id > ? and id <= ? order by id',
    args: [after, end],
  })
  return rows.map(({ id }) => Number(id))
}

const SEGMENTS = { name: 'segments', columns: ['data'] }

/** @returns the log segments behind one, with the records that can be looked up; empty at the end */
export const readLogPage = (source: MoveSource, after: number): Promise<SourceSegment[]> =>
  source.read(async (db) => {
    const limits = { rows: SEGMENTS_AT_ONCE, bytes: SEGMENT_BYTES }
    const end = await pageEnd(db, SEGMENTS, after, limits)
    if (end === null) return []
    const ids = await readIds(db, after, end)
    const lookUps = await readLookUps(db, sequenceOf(ids[0]!, 0), lastSequenceOf(end))
    return (await readSegments(db.$client, ids)).map(({ id, segment }) => ({
      id,
      records: segment.flatMap((record, place) => {
        const lookUp = lookUps.get(sequenceOf(id, place))
        if (record === null || lookUp === undefined) return []
        return { ...record, lookUp, day: dayOf(record.head.at) }
      }),
    }))
  })

/** @returns the bodies of the records, in their order */
export const readBodies = (
  source: MoveSource,
  reader: BodyReader,
  records: PlacedRecord[]
): Promise<Bodies[]> =>
  source.read((db) => reader.read(records, (ids) => readWholeIds(db.$client, ids)))
