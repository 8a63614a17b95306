/**
 * Forgetting: deletes records from their log segments, in many short transactions so that appends run
 * in between, and then their bodies, day by day. A day whose bodies are not done is marked, so that the next
 * call finishes an interrupted one.
 */
import {
  compileSelection,
  type CompiledSelection,
  type Selection,
} from '../../../core/log/selection.ts'
import { AppError } from '../../../errors.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { segmentOf } from '../../log/segment-codec.ts'
import {
  countSelected,
  idsOf,
  selectedIn,
  sequencesOf,
  withoutSelected,
  type Selected,
} from '../../log/selected.ts'
import { takeOutBodies, type LogPart, type PartWriter } from '../../log/take-out-bodies.ts'
import type { RecordStore, SelectedRecords } from '../../store.ts'
import { addToRevision } from '../base/counters.ts'
import type { Connection, Database, Transaction } from '../base/database.ts'
import { lockSql } from '../base/locks.ts'
import { forgetAudits } from './audits.ts'
import { readWholes, storeBodies } from './bodies.ts'
import { readDays, type Day } from './days.ts'
import { forgetFeedback } from './forget-feedback.ts'
import { forgetKeptResponses } from './forget-kept.ts'
import { findRows } from './look-up.ts'
import { readSegments, readSegmentsAfter, replaceSegment, type DaySegment } from './segments.ts'
import { oneRow } from '../../common/rows.ts'

const SEGMENTS_AT_ONCE = 20

/** @returns the next log segments that may have a selected record */
const nextSegments = async (
  db: Database,
  { recordIds }: Selection,
  after: number
): Promise<DaySegment[]> => {
  const known = await readDays(db)
  if (recordIds === undefined) return readSegmentsAfter(db, known, after)
  const rows = await findRows(db, known, { ids: recordIds })
  const placed = rows.map(({ sequence, day }) => ({ id: segmentOf(sequence), day }))
  const ids = [...new Set(placed.map(({ id }) => id))].filter((id) => id > after)
  const some = ids.sort((a, b) => a - b).slice(0, SEGMENTS_AT_ONCE)
  const last = some.at(-1) ?? after
  const days = placed.filter(({ id }) => id > after && id <= last).map(({ day }) => day)
  return readSegments(db, [...new Set(days)], some)
}

const findIn = (
  db: Database,
  rows: DaySegment[],
  selection: CompiledSelection
): Promise<Selected<DaySegment>[]> =>
  selectedIn(rows, selection, ({ day }, ids) => readWholes(db, [day], ids))

const versionsIn = async (
  { $client }: Database,
  found: Selected<DaySegment>[]
): Promise<string[]> => {
  const { rows } = await $client.query<{ version: string }>(
    `select distinct template_version as version from promptintern.records
      where day = any($1::int[]) and sequence = any($2::bigint[]) and template_version is not null`,
    [[...new Set(found.map(({ day }) => day))], found.flatMap(sequencesOf)]
  )
  return rows.map(({ version }) => version)
}

export const select = (
  { readTogether }: Connection,
  selection: Selection,
  after: number
): Promise<SelectedRecords> =>
  readTogether(async (db) => {
    const rows = await nextSegments(db, selection, after)
    const found = await findIn(db, rows, compileSelection(selection))
    return {
      ids: found.flatMap(idsOf),
      templateVersions: await versionsIn(db, found),
      next: rows.at(-1)?.id ?? null,
    }
  })

const removeRecords = async (tx: Transaction, found: Selected<DaySegment>): Promise<void> => {
  const { day } = found
  const ids = idsOf(found)
  const { $client } = tx
  await $client.query(
    'delete from promptintern.records where day = $1 and sequence = any($2::bigint[])',
    [day, sequencesOf(found)]
  )
  await $client.query('delete from promptintern.evaluations where record_id = any($1::text[])', [
    ids,
  ])
  await forgetFeedback(tx, ids)
  await forgetAudits(tx, ids)
  await replaceSegment(tx, { ...withoutSelected(found), day })
  await $client.query(
    'update promptintern.days set is_unswept = has_bodies, is_unvacuumed = true where day = $1',
    [day]
  )
}

type Write = <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>

/**
 * Makes this the only forgetting: one of two could delete a body that the other has just given to a
 * record. @returns a write during which nothing is appended, and which throws `conflict` as soon as another
 * forgetting has begun
 */
const claimForgetting = async ({ write }: Connection): Promise<Write> => {
  const claim = await write((tx) => addToRevision(tx, 'forget', 1))
  return (work) =>
    write(
      async (tx, [row]) => {
        if (row?.['value'] !== claim)
          throw new AppError(
            'conflict',
            'a newer forget request has started and continues this work'
          )
        return work(tx)
      },
      { first: `${lockSql('log')}; select value from promptintern.revisions where name = 'forget'` }
    )
}

const partWriter = (tx: Transaction, day: Day): PartWriter => ({
  readAfter: (after) => readSegmentsAfter(tx, [day], after),
  readSegments: (ids) => readSegments(tx, [day.day], ids),
  readWholes: (ids) => readWholes(tx, [day.day], ids),
  storeBodies: (cache, bodies) => storeBodies(tx, cache, day.day, bodies),
  replaceSegment: (row) => replaceSegment(tx, { ...row, day: day.day }),
  deleteBodies: async (ids) => {
    await tx.$client.query(
      'delete from promptintern.bodies where day = $1 and id = any($2::bigint[])',
      [day.day, ids]
    )
  },
})

/** A day of the log. Its last log segment is that of now: what is appended later is not behind it. */
const partOf = ({ read }: Connection, write: Write, day: Day): LogPart => {
  const now = async (db: Database): Promise<Day[]> =>
    (await readDays(db)).filter((one) => one.day === day.day)
  return {
    readAfter: (after) => read(async (db) => readSegmentsAfter(db, await now(db), after)),
    bodyIds: () =>
      read(async ({ $client }) => {
        const { rows } = await $client.query<{ lowest: number | null; highest: number }>(
          'select min(id) as lowest, max(id) as highest from promptintern.bodies where day = $1',
          [day.day]
        )
        const { lowest, highest } = oneRow(rows)
        return lowest === null ? null : { lowest, highest }
      }),
    bodyIdsAfter: (after, limit) =>
      read(async ({ $client }) => {
        const { rows } = await $client.query<{ id: number }>(
          `select id from promptintern.bodies where day = $1 and id > $2 order by id limit $3`,
          [day.day, after, limit]
        )
        return rows.map(({ id }) => id)
      }),
    write: (work) =>
      // retention may have dropped the day meanwhile: then there is nothing in it
      write(async (tx) => work(partWriter(tx, (await now(tx))[0] ?? day))),
  }
}

/** Deletes the bodies that no record has, of every day from which records were forgotten. */
const sweep = async (connection: Connection, write: Write): Promise<void> => {
  const days = (await connection.read(readDays)).filter(({ isUnswept }) => isUnswept)
  for (const day of days) {
    await takeOutBodies(partOf(connection, write, day))
    await write((tx) =>
      tx.$client.query('update promptintern.days set is_unswept = false where day = $1', [day.day])
    )
  }
}

/** @param cache of this process, which has copies of bodies */
export const forget = async (
  connection: Connection,
  cache: BaseCache,
  selection: Selection
): ReturnType<RecordStore['forget']> => {
  const write = await claimForgetting(connection)
  const compiled = compileSelection(selection)
  const sum = { records: 0, bodies: 0 }
  cache.clear()
  for (let after = 0; ;) {
    const { found, last } = await write(async (tx) => {
      const rows = await nextSegments(tx, selection, after)
      const selected = await findIn(tx, rows, compiled)
      for (const segment of selected) await removeRecords(tx, segment)
      return { found: selected, last: rows.at(-1)?.id }
    })
    if (last === undefined) break
    after = last
    const { records, bodies } = countSelected(found)
    sum.records += records
    sum.bodies += bodies
  }
  await write((tx) => forgetKeptResponses(tx, compiled))
  await sweep(connection, write)
  return sum
}
