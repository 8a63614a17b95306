/** The log of the SQLite database, some log segments at a time. */
import { dayOf } from '../../core/days.ts'
import type { Database } from '../sqlite/base/database.ts'
import { readWholeIds } from '../sqlite/log/bodies.ts'
import { readSegments } from '../sqlite/log/segments.ts'
import type { LookUpNumbers } from '../../core/log/record-filter.ts'
import { groupBy } from '../../core/group-by.ts'
import { lastSequenceOf, segmentOf, sequenceOf, type SegmentRecord } from '../log/segment-codec.ts'
import type { BodyReader, WithBodies } from '../log/reading/body-reader.ts'
import { pageEnd, type MoveSource } from './source.ts'
import { type NonEmpty } from '../../core/lists.ts'

/** Columns by which a record is looked up. */
export interface LookUp extends LookUpNumbers {
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

/** The records of a log segment that are of one day. */
export interface Piece {
  /** id of the log segment */
  id: number
  /** in the order of the pieces: like a sequence, with the number of the day within the log segment */
  key: number
  day: number
  records: PlacedRecord[]
}

/** Days of one transaction: each takes some 15 locks, and a server has 6,400 by default. */
const DAYS_AT_ONCE = 64
const SEGMENTS_AT_ONCE = 4
const SEGMENT_BYTES = 8 * 2 ** 20

const readLookUps = async (
  { $client }: Database,
  first: number,
  last: number
): Promise<Map<number, LookUp>> => {
  const { rows } = await $client.execute({
    sql: `select sequence, id, at, answered, template_version, tenant_number, outcome, status_class, opening
      from records where sequence between ? and ?`,
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
        tenantNumber: Number(row['tenant_number']),
        outcome: Number(row['outcome']),
        statusClass: Number(row['status_class']),
        opening: row['opening'] as number | null,
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

const piecesOf = (id: number, records: PlacedRecord[]): Piece[] =>
  [...groupBy(records, ({ day }) => day)]
    .sort(([one], [other]) => one - other)
    .map(([day, ofDay], index) => ({ id, key: sequenceOf(id, index), day, records: ofDay }))

interface LogPage {
  pieces: Piece[]
  /** id of the last log segment */
  end: number
}

/** @returns the log segments behind one, with the records that can be looked up; null at the end */
const readLogPage = (source: MoveSource, after: number): Promise<LogPage | null> =>
  source.read(async (db) => {
    const limits = { rows: SEGMENTS_AT_ONCE, bytes: SEGMENT_BYTES }
    const end = await pageEnd(db, SEGMENTS, after, limits)
    if (end === null) return null
    const ids = await readIds(db, after, end)
    const lookUps = await readLookUps(db, sequenceOf(after + 1, 0), lastSequenceOf(end))
    const pieces = (await readSegments(db.$client, ids)).flatMap(({ id, segment }) => {
      const records = segment.flatMap((record, place) => {
        const lookUp = lookUps.get(sequenceOf(id, place))
        if (record === null || lookUp === undefined) return []
        return { ...record, lookUp, day: dayOf(record.head.at) }
      })
      return piecesOf(id, records)
    })
    return { pieces, end }
  })

/** @returns runs of pieces with few enough days for one transaction */
const runsOf = (pieces: Piece[]): NonEmpty<Piece>[] => {
  const runs: [Piece, ...Piece[]][] = []
  let days = new Set<number>()
  for (const piece of pieces) {
    const run = runs.at(-1)
    if (run === undefined || (days.size === DAYS_AT_ONCE && !days.has(piece.day))) {
      runs.push([piece])
      days = new Set()
    } else run.push(piece)
    days.add(piece.day)
  }
  return runs
}

/** Reads the log in its order, in runs for one transaction. @param after key of the piece that is reached */
export async function* readLog(source: MoveSource, after: number): AsyncGenerator<NonEmpty<Piece>> {
  for (let segment = segmentOf(after) - 1; ;) {
    const page = await readLogPage(source, segment)
    if (page === null) return
    yield* runsOf(page.pieces.filter(({ key }) => key > after))
    segment = page.end
  }
}

export const daysIn = (pieces: readonly Piece[]): number[] => [
  ...new Set(pieces.map(({ day }) => day)),
]

export const recordsIn = (pieces: readonly Piece[]): PlacedRecord[] =>
  pieces.flatMap(({ records }) => records)

/** @returns the bodies of the records, in their order */
export const readBodies = (
  source: MoveSource,
  reader: BodyReader,
  records: PlacedRecord[]
): Promise<WithBodies<PlacedRecord>[]> =>
  source.read((db) => reader.read(records, (ids) => readWholeIds(db.$client, ids)))
