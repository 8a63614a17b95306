/**
 * Forgetting: records leave their segments, in many short transactions so that appends get through
 * in between. What is left of their texts is `take-out-bodies.ts`'s.
 */
import {
  compileSelection,
  type CompiledSelection,
  type Selection,
} from '../../../core/log/selection.ts'
import { AppError } from '../../../errors.ts'
import type { RecordStore, SelectedRecords } from '../../store.ts'
import { readWholes, textOf } from './bodies.ts'
import type { BaseCache } from './base-cache.ts'
import type { Connection } from '../base/database.ts'
import { decodeSegment, segmentOf, sequenceOf, type SegmentRecord } from './segment-codec.ts'
import { bodyCount, readSegments, replaceSegment, segmentIdsAfter } from './segments.ts'
import { executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'
import { takeOutBodies } from './take-out-bodies.ts'

const SEGMENTS_A_TRANSACTION = 20

/** Segments in which the selection may fit a record. */
const nextSegments = async (
  runner: SqlRunner,
  { recordIds }: Selection,
  after: number
): Promise<number[]> => {
  if (recordIds === undefined) return segmentIdsAfter(runner, after, SEGMENTS_A_TRANSACTION)
  const rows = await executeIn(runner, 'select sequence from records where id in', recordIds)
  const ids = new Set(rows.map(({ sequence }) => segmentOf(sequence as number)))
  return [...ids]
    .filter((id) => id > after)
    .sort((a, b) => a - b)
    .slice(0, SEGMENTS_A_TRANSACTION)
}

interface Found {
  id: number
  segment: (SegmentRecord | null)[]
  /** of the records that the selection fits */
  places: number[]
}

const findIn = async (
  runner: SqlRunner,
  ids: number[],
  { fitsHead, readsBody, fitsBody }: CompiledSelection
): Promise<Found[]> => {
  const found: Found[] = []
  for (const { id, data } of await readSegments(runner, ids)) {
    const segment = decodeSegment(data)
    const requests = segment.map((record) =>
      record !== null && fitsHead(record.head) ? record.request : null
    )
    const needed = readsBody ? requests.flatMap((request) => request?.body ?? []) : []
    const wholes = await readWholes(runner, needed)
    const fits = (record: SegmentRecord | null, place: number): boolean =>
      record !== null && fitsHead(record.head) && fitsBody(textOf(requests[place]!, wholes))
    const places = [...segment.keys()].filter((place) => fits(segment[place]!, place))
    if (places.length > 0) found.push({ id, segment, places })
  }
  return found
}

const sequencesOf = ({ id, places }: Found): number[] =>
  places.map((place) => sequenceOf(id, place))

const idsOf = ({ segment, places }: Found): string[] =>
  places.map((place) => segment[place]!.head.id)

export const select = (
  { read }: Connection,
  selection: Selection,
  after: number
): Promise<SelectedRecords> =>
  read(async ({ $client }) => {
    const segments = await nextSegments($client, selection, after)
    const found = await findIn($client, segments, compileSelection(selection))
    const tagged = await executeIn(
      $client,
      'select distinct template_version as version from records where sequence in',
      found.flatMap(sequencesOf)
    )
    return {
      ids: found.flatMap(idsOf),
      templateVersions: [...new Set(tagged.flatMap(({ version }) => (version as string) ?? []))],
      next: segments.at(-1) ?? null,
    }
  })

const removeRecords = async (tx: SqlTransaction, found: Found): Promise<void> => {
  const gone = new Set(found.places)
  await executeIn(tx, 'delete from records where sequence in', sequencesOf(found))
  await executeIn(tx, 'delete from evaluations where record_id in', idsOf(found))
  await replaceSegment(
    tx,
    found.id,
    found.segment.map((record, place) => (gone.has(place) ? null : record))
  )
}

/** Two at once could delete a text that the other one has just given to a record. */
type Turn = (tx: SqlTransaction) => Promise<void>

const takeTurn = async ({ writeSql }: Connection): Promise<Turn> => {
  const turn = await writeSql(async (tx) => {
    const { rows } = await tx.execute(
      `insert into revisions (name, value) values ('forget', 1)
        on conflict (name) do update set value = value + 1 returning value`
    )
    return rows[0]!['value']
  })
  return async (tx) => {
    const { rows } = await tx.execute(`select value from revisions where name = 'forget'`)
    if (rows[0]!['value'] !== turn) {
      throw new AppError('conflict', 'another forgetting was begun and goes on instead')
    }
  }
}

/** @param cache of this process, which holds texts too */
export const forget = async (
  connection: Connection,
  cache: BaseCache,
  selection: Selection
): ReturnType<RecordStore['forget']> => {
  const isMyTurn = await takeTurn(connection)
  const writeSql: Connection['writeSql'] = (work) =>
    connection.writeSql(async (tx) => {
      await isMyTurn(tx)
      return work(tx)
    })
  const compiled = compileSelection(selection)
  const sum = { records: 0, bodies: 0 }
  cache.clear()
  for (let after = 0; ;) {
    const removed = await writeSql(async (tx) => {
      const ids = await nextSegments(tx, selection, after)
      const found = await findIn(tx, ids, compiled)
      for (const segment of found) await removeRecords(tx, segment)
      return { found, last: ids.at(-1) }
    })
    if (removed.last === undefined) break
    after = removed.last
    for (const { segment, places } of removed.found) {
      sum.records += places.length
      sum.bodies += places.reduce((bodies, place) => bodies + bodyCount(segment[place]!), 0)
    }
  }
  await takeOutBodies({ ...connection, writeSql })
  return sum
}
