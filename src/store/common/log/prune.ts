/**
 * Retention: deletes the days that are too old, and what goes with them elsewhere, in many short transactions so that
 * appends run in between. A day goes when all of it is too old, so nothing stays a day longer than it should.
 */
import { DAY_MS, dayOf } from '../../../core/days.ts'
import type { Dictionaries } from '../../log/dictionaries.ts'
import type { RecordStore } from '../../store.ts'
import type { CommonConnection, Sql } from '../connection.ts'
import { prunePairs } from './audits.ts'
import { deleteFeedback } from './forget.ts'

/** What each database does in its own way, and what the log's methods share with its writer. */
export interface Upkeep {
  /** of this process */
  dictionaries: Dictionaries
  /** Makes the space of deleted rows of the log free. */
  giveBack: () => Promise<void>
  scrub: RecordStore['scrub']
}

const ROWS_PER_TRANSACTION = 2_000

/** @param key of the table @returns how many rows the days before had, and what `counted` sums of them */
const deleteDays = async (
  { writeSql }: CommonConnection,
  { table, key, counted = '0' }: { table: string; key: string; counted?: string },
  before: number
): Promise<{ rows: number; counted: number }> => {
  const sum = { rows: 0, counted: 0 }
  const deleteSome = async (sql: Sql): Promise<number> => {
    const { rows } = await sql<{ counted: number }>(
      `delete from promptintern.${table} where ${key} in
        (select ${key} from promptintern.${table} where day < $1 limit ${ROWS_PER_TRANSACTION})
        returning ${counted} as counted`,
      [before]
    )
    for (const row of rows) sum.counted += row.counted
    sum.rows += rows.length
    return rows.length
  }
  while ((await writeSql(deleteSome)) === ROWS_PER_TRANSACTION);
  return sum
}

/** Answers of the upstream beside `answer`, by table; null where there is none. */
const FURTHER_TEXTS = {
  evaluations: ['upstream_answer', 'second_answer'],
  pairs: ['upstream_answer'],
} as const

/**
 * Deletes the answers of evaluations and pairs whose record has lost its bodies; their figures stay.
 * @param day the first one whose records have bodies
 */
const blankAnswers = async (sql: Sql, day: number): Promise<void> => {
  for (const [table, columns] of Object.entries(FURTHER_TEXTS)) {
    const blank = columns.map(
      (column) => `${column} = case when ${column} is null then null else '' end`
    )
    const hasText = ['answer', ...columns].map((column) => `${column} <> ''`).join(' or ')
    await sql(
      `update promptintern.${table} set answer = '', ${blank.join(', ')}
        where (${hasText}) and not exists (select 1 from promptintern.records
          where records.id = ${table}.record_id and records.day >= $1)`,
      [day]
    )
  }
}

/** Deletes what was written of a record while it was forgotten. */
export const blankLost = ({ writeSql }: CommonConnection): Promise<void> =>
  writeSql((sql) => blankAnswers(sql, 0))

export const prune = async (
  connection: CommonConnection,
  { dictionaries, giveBack }: Upkeep,
  { bodies, records, traffic }: Parameters<RecordStore['prune']>[0]
): ReturnType<RecordStore['prune']> => {
  // a body in memory could bring back one that was just deleted
  dictionaries.clear()
  const kept = { records: dayOf(records), bodies: dayOf(Math.max(bodies, records)) }
  const counted = '(request is not null)::int + (response is not null)::int'
  const lost = await deleteDays(
    connection,
    { table: 'bodies', key: 'sequence', counted },
    kept.bodies
  )
  await deleteDays(connection, { table: 'dictionaries', key: 'id' }, kept.bodies)
  const gone = await deleteDays(connection, { table: 'records', key: 'sequence' }, kept.records)
  const times = { bodies: kept.bodies * DAY_MS, records: kept.records * DAY_MS }
  await connection.writeSql((sql) => blankAnswers(sql, kept.bodies))
  await connection.writeSql((sql) => prunePairs(sql, times))
  await connection.writeSql(async (sql) => {
    await deleteFeedback(sql, 'day < $1', kept.records)
    await sql(
      'update promptintern.feedback set comment = null where day < $1 and comment is not null',
      [kept.bodies]
    )
    await sql('delete from promptintern.kept_responses where at < $1', [times.bodies])
    if (traffic !== undefined)
      await sql('delete from promptintern.traffic_hours where hour < $1', [traffic])
  })
  if (gone.rows > 0 || lost.rows > 0) await giveBack()
  return { records: gone.rows, bodies: lost.counted }
}
