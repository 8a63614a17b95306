/**
 * Moves the data of a SQLite database to PostgreSQL: table by table, a page in a transaction, which also writes how far
 * the table is. An interrupted move goes on where it was, also after a crash. The target opens for proxies when all
 * tables have the same count and digest in both databases.
 */
import { createHash } from 'node:crypto'
import { AppError } from '../../errors.ts'
import { oneRow } from '../common/rows.ts'
import { openPool, type Connection, type Transaction } from '../postgres/base/database.ts'
import { migrate, MIGRATION_LOCK, MOVE_TABLE } from '../postgres/base/migrate.ts'
import { SCHEMA_NAME } from '../postgres/base/schema.ts'
import { placeOf, type ServerOptions } from '../postgres/base/server-options.ts'
import {
  BEFORE_ALL,
  columnsOf,
  COPIED,
  openSource,
  pagesOf,
  rowsUntil,
  type CopiedTable,
  type MoveSource,
} from './source.ts'

export interface MoveOptions {
  /** data directory with the SQLite database */
  from: string
  server: ServerOptions
  /** true: nothing is copied */
  verifyOnly?: boolean
  /** @param done of all rows of the step */
  onProgress?: (step: 'copying' | 'comparing', done: number, all: number) => void
}

/** Rows of a table in both databases. */
export interface Compared {
  source: number
  target: number
  /** whether all of them are the same */
  same: boolean
}

export interface MoveReport {
  /** rows that this call copied; an earlier call may have copied the others */
  copied: number
  /** whether an earlier call had begun */
  resumed: boolean
  tables: Record<string, Compared>
  /** tables that are not the same; 0 after a move that succeeded */
  differences: number
}

type Tell = (rows: number) => void

const rowsOf = ({ counts }: MoveSource): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0)

/** One statement at a time. */
const POOL_SIZE = 2
const TABLE = `${SCHEMA_NAME}.${MOVE_TABLE}`
/** The row of the table of progress that tells the source. */
const SOURCE = 'source'

const nameOf = (table: string): string => `${SCHEMA_NAME}."${table}"`

const requireEmpty = async ({ $client }: Transaction, place: string): Promise<void> => {
  const filled: string[] = []
  for (const { name } of COPIED) {
    const { rows } = await $client.query<{ isFilled: boolean }>(
      `select exists(select 1 from ${nameOf(name)}) as "isFilled"`
    )
    if (oneRow(rows).isFilled) filled.push(name)
  }
  if (filled.length > 0)
    throw new AppError(
      'conflict',
      `database ${place}: it already has data (in ${filled.join(', ')}): move to another database, or drop the ` +
        `schema ${SCHEMA_NAME} with its data`
    )
}

/**
 * Begins a move into an empty database, or goes on with one that was interrupted.
 * @returns the row id that each table has reached
 * @throws AppError `conflict` when the database has other data, or an unfinished move of another source
 */
const beginMove = (
  { write }: Connection,
  { print }: MoveSource,
  place: string
): Promise<Map<string, number>> =>
  write(
    async (tx) => {
      const { $client } = tx
      const { rows: known } = await $client.query<{ exists: boolean }>(
        'select to_regclass($1) is not null as exists',
        [TABLE]
      )
      if (!oneRow(known).exists) {
        await requireEmpty(tx, place)
        await $client.query(`create table ${TABLE} (part text primary key, reached text not null)`)
        await $client.query(`insert into ${TABLE} values ($1, $2)`, [SOURCE, print])
      }
      const { rows } = await $client.query<{ part: string; reached: string }>(
        `select part, reached from ${TABLE}`
      )
      const reached = new Map(rows.map((row) => [row.part, row.reached]))
      if (reached.get(SOURCE) !== print)
        throw new AppError(
          'conflict',
          `database ${place}: it has an unfinished move of another database, or the source has changed since ` +
            `the move began: drop the schema ${SCHEMA_NAME}, and move again`
        )
      reached.delete(SOURCE)
      return new Map([...reached].map(([part, last]) => [part, Number(last)]))
    },
    { first: MIGRATION_LOCK }
  )

/** In the transaction of the rows. @throws AppError `conflict` when another process moves, too */
const advance = async (
  { $client }: Transaction,
  part: string,
  from: number,
  to: number
): Promise<void> => {
  const { rowCount: written } = await $client.query(
    `insert into ${TABLE} as known values ($1, $2)
      on conflict (part) do update set reached = excluded.reached where known.reached = $3`,
    [part, String(to), String(from)]
  )
  if (written !== 1)
    throw new AppError('conflict', 'another process is running the same move: stop one of them')
}

/** @param after row id that is reached */
const copyTable = async (
  source: MoveSource,
  { write }: Connection,
  table: CopiedTable,
  { after, tell }: { after: number; tell: Tell }
): Promise<void> => {
  let reached = after
  for await (const { rows, end } of pagesOf(source, table, after)) {
    const from = reached
    await write(async (tx) => {
      // identities are given, so that places stay what they are
      await tx.insert(table.to).overridingSystemValue().values(rows)
      await advance(tx, table.name, from, end)
    })
    reached = end
    tell(rows.length)
  }
}

/** Columns whose values are given in order, by table; SQLite keeps their ends where rows may be deleted. */
const IDENTITIES = { pairs: 'place', feedback: 'place', history: 'id', dictionaries: 'id' }

/** New rows get numbers behind all that were ever given: a cursor may stand behind the last row. */
const setEnds = ({ write }: Connection, { ends }: MoveSource): Promise<void> =>
  write(async ({ $client }) => {
    for (const [table, column] of Object.entries(IDENTITIES))
      await $client.query(
        `select setval(pg_get_serial_sequence($1, $2), last) from
          (select greatest($3::bigint, max(${column})) as last from ${nameOf(table)}) as ends
          where last > 0`,
        [nameOf(table), column, ends.get(table) ?? 0]
      )
  })

const copyAll = async (
  source: MoveSource,
  target: Connection,
  { server, onProgress }: MoveOptions
): Promise<Pick<MoveReport, 'copied' | 'resumed'>> => {
  const reached = await beginMove(target, source, placeOf(server))
  const all = rowsOf(source)
  let before = 0
  for (const [part, last] of reached) before += await rowsUntil(source, part, last)
  let copied = 0
  const tell: Tell = (rows) => {
    copied += rows
    onProgress?.('copying', before + copied, all)
  }
  tell(0)
  for (const table of COPIED)
    await copyTable(source, target, table, { after: reached.get(table.name) ?? BEFORE_ALL, tell })
  await setEnds(target, source)
  return { copied, resumed: reached.size > 0 }
}

const MASK = 2n ** 128n - 1n

/** Of rows in any order. */
class Digest {
  private sum = 0n
  count = 0

  /** @param values of the columns in the order of the target */
  add(values: unknown[]): void {
    const text = JSON.stringify(
      values.map((value) => (Buffer.isBuffer(value) ? value.toString('base64') : value))
    )
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 32)
    this.sum = (this.sum + BigInt(`0x${hash}`)) & MASK
    this.count++
  }

  /** Two tables with the same count and digest have the same rows. */
  equals(other: Digest): boolean {
    return this.count === other.count && this.sum === other.sum
  }
}

const digestOfSource = async (
  source: MoveSource,
  table: CopiedTable,
  tell: Tell
): Promise<Digest> => {
  const digest = new Digest()
  const names = columnsOf(table).map(([name]) => name)
  for await (const { rows } of pagesOf(source, table, BEFORE_ALL)) {
    for (const row of rows) digest.add(names.map((name) => row[name]))
    tell(rows.length)
  }
  return digest
}

const FETCHED_ROWS = 200

const digestOfTarget = ({ readTogether }: Connection, table: CopiedTable): Promise<Digest> =>
  readTogether(async ({ $client }) => {
    const digest = new Digest()
    const columns = columnsOf(table).map(([, { name }]) => `"${name}"`)
    await $client.query(
      `declare moved no scroll cursor for select ${columns.join(', ')} from ${nameOf(table.name)}`
    )
    for (;;) {
      const text = `fetch ${FETCHED_ROWS} from moved`
      const { rows } = await $client.query<unknown[]>({ text, rowMode: 'array' })
      if (rows.length === 0) return digest
      for (const row of rows) digest.add(row)
    }
  })

const compareAll = async (
  source: MoveSource,
  target: Connection,
  { onProgress }: MoveOptions
): Promise<Record<string, Compared>> => {
  const all = rowsOf(source)
  let done = 0
  const tell: Tell = (rows) => onProgress?.('comparing', (done += rows), all)
  tell(0)
  const tables: Record<string, Compared> = {}
  for (const table of COPIED) {
    const ours = await digestOfSource(source, table, tell)
    const theirs = await digestOfTarget(target, table)
    tables[table.name] = {
      source: ours.count,
      target: theirs.count,
      same: ours.equals(theirs),
    }
  }
  return tables
}

const moveBetween = async (
  source: MoveSource,
  target: Connection,
  options: MoveOptions
): Promise<MoveReport> => {
  const { verifyOnly = false } = options
  await migrate(target, placeOf(options.server), { moves: true, readOnly: verifyOnly })
  const done = verifyOnly ? { copied: 0, resumed: false } : await copyAll(source, target, options)
  const tables = await compareAll(source, target, options)
  const differences = Object.values(tables).filter(({ same }) => !same).length
  // opens the database to proxies
  if (differences === 0 && !verifyOnly)
    await target.write(({ $client }) => $client.query(`drop table ${TABLE}`))
  return { ...done, tables, differences }
}

/**
 * @throws AppError `conflict` when the source is in use, or the target has other data; those of `openSource`
 * and `migrate`; `store-unavailable` when either fails meanwhile: then the same call goes on later
 */
export const moveStore = async (options: MoveOptions): Promise<MoveReport> => {
  const source = await openSource(options.from)
  try {
    const target = openPool(options.server, POOL_SIZE)
    try {
      return await moveBetween(source, target, options)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
