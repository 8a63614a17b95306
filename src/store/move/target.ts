/**
 * The PostgreSQL database of a move. Its table of progress is written in the transactions of the rows, and
 * is there only until the move is done: no proxy starts on a database that has it.
 */
import { getTableName } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import type { Connection, Transaction } from '../postgres/base/database.ts'
import { lockSql } from '../postgres/base/locks.ts'
import { MOVE_TABLE } from '../postgres/base/migrate.ts'
import { SCHEMA_NAME } from '../postgres/base/schema.ts'
import type { MoveSource } from './source.ts'
import { COPIED, LOG_TABLES } from './tables.ts'
import { oneRow } from '../common/rows.ts'

const TABLE = `${SCHEMA_NAME}.${MOVE_TABLE}`
const SOURCE = 'source'

/** How far the parts of the move are: the row id of the source that each has reached. */
export type Reached = Map<string, number>

const isUnfinished = async ({ $client }: Pick<Transaction, '$client'>): Promise<boolean> => {
  const { rows } = await $client.query<{ exists: boolean }>(
    'select to_regclass($1) is not null as exists',
    [TABLE]
  )
  return oneRow(rows).exists
}

const filledTables = async ({ $client }: Transaction): Promise<string[]> => {
  const names = [...LOG_TABLES, ...COPIED.map(({ to }) => getTableName(to))]
  const filled: string[] = []
  for (const name of names) {
    const { rows } = await $client.query<{ isFilled: boolean }>(
      `select exists(select 1 from ${SCHEMA_NAME}."${name}") as "isFilled"`
    )
    if (oneRow(rows).isFilled) filled.push(name)
  }
  return filled
}

const begin = async (tx: Transaction, print: string, place: string): Promise<void> => {
  const filled = await filledTables(tx)
  if (filled.length > 0)
    throw new AppError(
      'conflict',
      `database ${place}: it already has data (in ${filled.join(', ')}): move to another database, or drop the ` +
        `schema ${SCHEMA_NAME} with its data`
    )
  await tx.$client.query(`create table ${TABLE} (part text primary key, reached text not null)`)
  await tx.$client.query(`insert into ${TABLE} values ($1, $2)`, [SOURCE, print])
}

/**
 * Begins a move into an empty database, or goes on with one that was interrupted.
 * @returns what is done
 * @throws AppError `conflict` when the database has other data, or an unfinished move of another source
 */
export const beginMove = (
  { write }: Connection,
  { print }: MoveSource,
  place: string
): Promise<Reached> =>
  write(
    async (tx) => {
      if (!(await isUnfinished(tx))) await begin(tx, print, place)
      const { rows } = await tx.$client.query<{ part: string; reached: string }>(
        `select part, reached from ${TABLE}`
      )
      const values = new Map(rows.map(({ part, reached }) => [part, reached]))
      if (values.get(SOURCE) !== print)
        throw new AppError(
          'conflict',
          `database ${place}: it has an unfinished move of another database, or the source has changed since ` +
            `the move began: drop the schema ${SCHEMA_NAME}, and move again`
        )
      values.delete(SOURCE)
      return new Map([...values].map(([part, reached]) => [part, Number(reached)]))
    },
    { first: lockSql('migration') }
  )

/** In the transaction of the rows. @throws AppError `conflict` when another process moves, too */
export const advance = async (
  { $client }: Transaction,
  part: string,
  from: number,
  to: number
): Promise<void> => {
  const { rowCount } = await $client.query(
    `insert into ${TABLE} as known values ($1, $2)
      on conflict (part) do update set reached = excluded.reached where known.reached = $3`,
    [part, String(to), String(from)]
  )
  if (rowCount !== 1)
    throw new AppError('conflict', 'another process is running the same move: stop one of them')
}

/** Columns whose values are given in order, by table; SQLite keeps their ends where rows may be deleted. */
const IDENTITIES = { pairs: 'place', feedback: 'place', history: 'id' } as const

/** New rows get numbers behind all that were ever given: a cursor may stand behind the last row. */
export const setEnds = ({ write }: Connection, { ends }: MoveSource): Promise<void> =>
  write(async ({ $client }) => {
    const segment = ends.get('segments') ?? 0
    if (segment > 0)
      await $client.query(
        `insert into ${SCHEMA_NAME}.log_end (one, segment) values (true, $1)
          on conflict (one) do update set segment = excluded.segment`,
        [segment]
      )
    for (const [table, column] of Object.entries(IDENTITIES)) {
      const name = `${SCHEMA_NAME}.${table}`
      await $client.query(
        `select setval(pg_get_serial_sequence($1, $2), last) from
          (select greatest($3::bigint, max(${column})) as last from ${name}) as ends where last > 0`,
        [name, column, ends.get(table) ?? 0]
      )
    }
  })

/** Opens the database to proxies. */
export const endMove = ({ write }: Connection): Promise<void> =>
  write(async ({ $client }) => {
    await $client.query(`drop table ${TABLE}`)
  })
