/**
 * Forgetting: deletes records from their log segments, in many short transactions so that appends run
 * in between. `take-out-bodies.ts` then deletes their bodies.
 */
import {
  compileSelection,
  type CompiledSelection,
  type Selection,
} from '../../../core/log/selection.ts'
import { AppError } from '../../../errors.ts'
import type { RecordStore, SelectedRecords } from '../../store.ts'
import type { Connection } from '../base/database.ts'
import { addToRevision } from '../base/counters.ts'
import { executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'
import { forgetFeedback } from './forget-feedback.ts'
import { forgetKeptResponses } from './forget-kept.ts'
import { forgetAudits } from './audits.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { readWholeIds } from './bodies.ts'
import { segmentOf, type SegmentRow } from '../../log/segment-codec.ts'
import {
  countSelected,
  idsOf,
  selectedIn,
  sequencesOf,
  withoutSelected,
  type Selected,
} from '../../log/selected.ts'
import { readSegments, readSegmentsAfter, replaceSegment, SEGMENTS_PER_PAGE } from './segments.ts'
import { takeOutBodies } from './take-out-bodies.ts'
import { oneRow } from '../../common/rows.ts'

/** @returns the next log segments that may have a selected record */
const nextSegments = async (
  runner: SqlRunner,
  { recordIds }: Selection,
  after: number
): Promise<SegmentRow[]> => {
  if (recordIds === undefined) return readSegmentsAfter(runner, after)
  const rows = await executeIn(runner, 'select sequence from records where id in', recordIds)
  const ids = new Set(rows.map(({ sequence }) => segmentOf(sequence as number)))
  const next = [...ids].filter((id) => id > after).sort((a, b) => a - b)
  return readSegments(runner, next.slice(0, SEGMENTS_PER_PAGE))
}

const findIn = (
  runner: SqlRunner,
  rows: SegmentRow[],
  selection: CompiledSelection
): Promise<Selected<SegmentRow>[]> =>
  selectedIn(rows, selection, (_row, ids) => readWholeIds(runner, ids))

export const select = (
  { read }: Connection,
  selection: Selection,
  after: number
): Promise<SelectedRecords> =>
  read(async ({ $client }) => {
    const rows = await nextSegments($client, selection, after)
    const found = await findIn($client, rows, compileSelection(selection))
    const tagged = await executeIn(
      $client,
      'select distinct template_version as version from records where sequence in',
      found.flatMap(sequencesOf)
    )
    return {
      ids: found.flatMap(idsOf),
      templateVersions: [...new Set(tagged.flatMap(({ version }) => (version as string) ?? []))],
      next: rows.at(-1)?.id ?? null,
    }
  })

const removeRecords = async (tx: SqlTransaction, found: Selected<SegmentRow>): Promise<void> => {
  const ids = idsOf(found)
  await executeIn(tx, 'delete from records where sequence in', sequencesOf(found))
  await executeIn(tx, 'delete from evaluations where record_id in', ids)
  await forgetFeedback(tx, ids)
  await forgetAudits(tx, ids)
  await replaceSegment(tx, withoutSelected(found))
}

/**
 * Makes this the only forgetting: one of two could delete a body that the other has just given to a
 * record. @returns `writeSql` that throws `conflict` as soon as another forgetting has begun
 */
const claimForgetting = async ({ writeSql }: Connection): Promise<Connection['writeSql']> => {
  const claim = await writeSql((tx) => addToRevision(tx, 'forget', 1))
  return (work) =>
    writeSql(async (tx) => {
      const { rows } = await tx.execute(`select value from revisions where name = 'forget'`)
      if (oneRow(rows)['value'] !== claim)
        throw new AppError('conflict', 'a newer forget request has started and continues this work')
      return work(tx)
    })
}

/** @param cache of this process, which has copies of bodies */
export const forget = async (
  connection: Connection,
  cache: BaseCache,
  selection: Selection
): ReturnType<RecordStore['forget']> => {
  const writeSql = await claimForgetting(connection)
  const compiled = compileSelection(selection)
  const sum = { records: 0, bodies: 0 }
  cache.clear()
  for (let after = 0; ;) {
    const { found, last } = await writeSql(async (tx) => {
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
  await writeSql((tx) => forgetKeptResponses(tx, compiled))
  await takeOutBodies({ ...connection, writeSql })
  return sum
}
