/**
 * Moves the data of a SQLite database to PostgreSQL: table by table, a page in a transaction, which also writes how far
 * the table is. An interrupted move goes on where it was, also after a crash. The target opens for proxies when all
 * tables have the same count and digest in both databases. Nothing is written to the source, and while it is open no
 * other process can open it, so all reads see the same rows. Rows keep their ids and places, so every cursor that is
 * stored somewhere (the detector's in the log, the webhook's in the history) points at the same row.
 */
import { createHash } from 'node:crypto'
import { getTableColumns, getTableName, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { AppError } from '../../errors.ts'
import { oneRow } from '../common/rows.ts'
import { openPool, type Connection, type Transaction } from '../postgres/base/database.ts'
import { migrate, MIGRATION_LOCK, MOVE_TABLE } from '../postgres/base/migrate.ts'
import { SCHEMA_NAME, tables as targetTables } from '../postgres/base/schema.ts'
import type { DatabaseServer } from '../../config/database-url.ts'
import { placeOf } from '../postgres/base/server-options.ts'
import {
  openDatabase,
  type Connection as SourceConnection,
  type Database,
} from '../sqlite/base/database.ts'
import { databasePath } from '../sqlite/base/database-path.ts'
import { tables as sourceTables } from '../sqlite/base/schema.ts'

export interface MoveOptions {
  /** data directory with the SQLite database */
  from: string
  server: DatabaseServer
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
  tables: Record<string, Compared>
  /** tables that are not the same; 0 after a move that succeeded */
  differences: number
}

type Tell = (rows: number) => void

/** A table whose rows are copied; both databases have the same columns. */
interface CopiedTable {
  name: string
  from: SQLiteTable
  to: PgTable
  columns: [string, PgColumn][]
}

/** In the order of their description, which suits foreign keys. Leases are of the source's workers, which are stopped. */
const { leases: _leases, ...withoutLeases } = targetTables
const COPIED: readonly CopiedTable[] = Object.entries(withoutLeases).map(([name, to]) => ({
  name: getTableName(to),
  from: sourceTables[name as keyof typeof withoutLeases] as unknown as SQLiteTable,
  to,
  columns: Object.entries(getTableColumns(to)),
}))

interface MoveSource {
  /** rows by table */
  counts: ReadonlyMap<string, number>
  /** ids that were given to rows, by table; those of deleted rows count */
  ends: ReadonlyMap<string, number>
  /** Changes with the rows. An unfinished move goes on only with the source that it began with. */
  print: string
  /** @throws AppError `store-unavailable` with advice, also for JSON that cannot be read */
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
}

const countIn = async (
  { $client }: Database,
  table: string,
  last = Number.MAX_SAFE_INTEGER
): Promise<number> => {
  const text = `select count(*) from ${table} where rowid <= ?`
  return Number(oneRow((await $client.execute({ sql: text, args: [last] })).rows)[0])
}

/** @throws AppError `store-unavailable` */
const survey = async (connection: SourceConnection, dataDir: string): Promise<MoveSource> => {
  const read: MoveSource['read'] = (work) =>
    connection.read((db) =>
      work(db).catch((cause: unknown) => {
        if (!(cause instanceof SyntaxError)) throw cause
        const message = `database ${databasePath(dataDir)}: it has a damaged row: restore a backup, and move the restored database`
        throw new AppError('store-unavailable', message, { cause })
      })
    )
  return read(async (db) => {
    const counts = new Map<string, number>()
    for (const { name } of COPIED) counts.set(name, await countIn(db, name))
    const pairsOf = async (table: string, value: string): Promise<[string, number][]> => {
      const { rows } = await db.$client.execute(`select name, ${value} from ${table} order by name`)
      return rows.map((row) => [String(row[0]), Number(row[1])])
    }
    const ends = await pairsOf('sqlite_sequence', 'seq')
    // every decision raises a revision, and every record the end of the log
    const changes = await pairsOf('revisions', 'value')
    const text = JSON.stringify([[...counts], ends, changes])
    const print = createHash('sha256').update(text).digest('hex')
    return { counts, ends: new Map(ends), print, read }
  })
}

/** A time may have fractions in SQLite, and a text U+0000; PostgreSQL's store writes neither. */
const fitted = (column: PgColumn, value: unknown): unknown => {
  const type = column.getSQLType()
  if (typeof value === 'number' && (type === 'bigint' || type === 'integer'))
    return Math.floor(value)
  if (typeof value === 'string' && type === 'text') return value.replaceAll('\0', '\uFFFD')
  return value
}

/** Before the first row: row ids are the keys of some tables, and may be 0 or less. */
const BEFORE_ALL = Number.MIN_SAFE_INTEGER

/** of one transaction */
const PAGE_ROWS = 500
/** of all rows of a page but its last one; characters of texts */
const PAGE_BYTES = 8 * 2 ** 20

/** @returns row id at which the page behind another one ends; null behind the last row */
const pageEnd = async (
  { $client }: Database,
  { name, columns }: CopiedTable,
  after: number
): Promise<number | null> => {
  const size = columns.map(([, column]) => `coalesce(length("${column.name}"), 0)`).join(' + ')
  const { rows } = await $client.execute({
    sql: `select max(id) from (
        select id, sum(bytes) over (order by id) - bytes as before from (
          select rowid as id, ${size} as bytes from ${name}
          where rowid > ? order by rowid limit ${PAGE_ROWS}
        )
      ) where before < ${PAGE_BYTES}`,
    args: [after],
  })
  const end = oneRow(rows)[0]
  return end === null ? null : Number(end)
}

interface Page {
  /** as the target has them */
  rows: Record<string, unknown>[]
  /** row id of the last one */
  end: number
}

/** The pages of a table behind a row id. */
async function* pagesOf(
  { read }: MoveSource,
  table: CopiedTable,
  after: number
): AsyncGenerator<Page> {
  for (let reached = after; ;) {
    const from = reached
    const page = await read(async (db): Promise<Page | null> => {
      const end = await pageEnd(db, table, from)
      if (end === null) return null
      const found = await db
        .select()
        .from(table.from)
        .where(sql`rowid > ${from} and rowid <= ${end}`)
        .orderBy(sql`rowid`)
      const rows = found.map((row) =>
        Object.fromEntries(table.columns.map(([name, column]) => [name, fitted(column, row[name])]))
      )
      return { rows, end }
    })
    if (page === null) return
    yield page
    reached = page.end
  }
}

/** One statement at a time. */
const POOL_SIZE = 2
const PROGRESS = `${SCHEMA_NAME}.${MOVE_TABLE}`
/** The row of the table of progress that tells the source. */
const SOURCE = 'source'

const nameOf = (table: string): string => `${SCHEMA_NAME}."${table}"`

const requireEmpty = async ({ $client }: Transaction, place: string): Promise<void> => {
  const filled: string[] = []
  for (const { name } of COPIED) {
    const { rows } = await $client.query(`select 1 from ${nameOf(name)} limit 1`)
    if (rows.length > 0) filled.push(name)
  }
  if (filled.length > 0)
    throw new AppError(
      'conflict',
      `database ${place}: it already has data (in ${filled.join(', ')}): move to another database, or drop the ` +
        `schema ${SCHEMA_NAME} with its data`
    )
}

const reach = (
  { $client }: Transaction,
  part: string,
  reached: string | number
): Promise<unknown> =>
  $client.query(
    `insert into ${PROGRESS} values ($1, $2) on conflict (part) do update set reached = excluded.reached`,
    [part, String(reached)]
  )

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
  write(async (tx) => {
    const { $client } = tx
    await $client.query(MIGRATION_LOCK)
    const { rows: known } = await $client.query<{ exists: boolean }>(
      'select to_regclass($1) is not null as exists',
      [PROGRESS]
    )
    if (!oneRow(known).exists) {
      await requireEmpty(tx, place)
      await $client.query(`create table ${PROGRESS} (part text primary key, reached text not null)`)
      await reach(tx, SOURCE, print)
    }
    const { rows } = await $client.query<{ part: string; reached: string }>(
      `select part, reached from ${PROGRESS}`
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
  })

/** New rows get numbers behind all that were ever given: a cursor may stand behind the last row. */
const setEnds = ({ write }: Connection, { ends }: MoveSource): Promise<void> =>
  write(async ({ $client }) => {
    for (const { name, columns } of COPIED)
      for (const [, column] of columns)
        if (column.generatedIdentity !== undefined)
          await $client.query(
            `select setval(pg_get_serial_sequence($1, $2), last) from
              (select greatest($3::bigint, max(${column.name})) as last from ${nameOf(name)}) as ends
              where last > 0`,
            [nameOf(name), column.name, ends.get(name) ?? 0]
          )
  })

/** @returns how many rows were copied */
const copyAll = async (
  source: MoveSource,
  target: Connection,
  place: string,
  tell: Tell
): Promise<number> => {
  const reached = await beginMove(target, source, place)
  for (const [part, last] of reached) tell(await source.read((db) => countIn(db, part, last)))
  let copied = 0
  for (const table of COPIED)
    for await (const { rows, end } of pagesOf(
      source,
      table,
      reached.get(table.name) ?? BEFORE_ALL
    )) {
      await target.write(async (tx) => {
        // identities are given, so that places stay what they are
        await tx.insert(table.to).overridingSystemValue().values(rows)
        await reach(tx, table.name, end)
      })
      copied += rows.length
      tell(rows.length)
    }
  await setEnds(target, source)
  return copied
}

const MASK = 2n ** 128n - 1n

/** Of rows in any order: two tables with the same count and sum have the same rows. */
class Digest {
  sum = 0n
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
}

const FETCHED_ROWS = 200

const digestOfTarget = (
  { readTogether }: Connection,
  { name, columns }: CopiedTable
): Promise<Digest> =>
  readTogether(async ({ $client }) => {
    const digest = new Digest()
    const list = columns.map(([, column]) => `"${column.name}"`).join(', ')
    await $client.query(`declare moved no scroll cursor for select ${list} from ${nameOf(name)}`)
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
  tell: Tell
): Promise<MoveReport['tables']> => {
  const tables: MoveReport['tables'] = {}
  for (const table of COPIED) {
    const ours = new Digest()
    for await (const { rows } of pagesOf(source, table, BEFORE_ALL)) {
      for (const row of rows) ours.add(table.columns.map(([name]) => row[name]))
      tell(rows.length)
    }
    const theirs = await digestOfTarget(target, table)
    const same = ours.count === theirs.count && ours.sum === theirs.sum
    tables[table.name] = { source: ours.count, target: theirs.count, same }
  }
  return tables
}

const moveBetween = async (
  source: MoveSource,
  target: Connection,
  { server, verifyOnly = false, onProgress }: MoveOptions
): Promise<MoveReport> => {
  const place = placeOf(server)
  await migrate(target, place, { moves: true, readOnly: verifyOnly })
  const all = [...source.counts.values()].reduce((sum, count) => sum + count, 0)
  const begin = (step: 'copying' | 'comparing'): Tell => {
    let done = 0
    const tell: Tell = (rows) => onProgress?.(step, (done += rows), all)
    tell(0)
    return tell
  }
  const copied = verifyOnly ? 0 : await copyAll(source, target, place, begin('copying'))
  const tables = await compareAll(source, target, begin('comparing'))
  const differences = Object.values(tables).filter(({ same }) => !same).length
  // opens the database to proxies
  if (differences === 0 && !verifyOnly)
    await target.write(({ $client }) => $client.query(`drop table ${PROGRESS}`))
  return { copied, tables, differences }
}

/**
 * @throws AppError `conflict` when the source is in use, or the target has other data; those of `openDatabase`
 * and `migrate`; `store-unavailable` when either fails meanwhile: then the same call goes on later
 */
export const moveStore = async (options: MoveOptions): Promise<MoveReport> => {
  const source = await openDatabase({ dataDir: options.from, readOnly: true, alone: true })
  try {
    const target = openPool(options.server, POOL_SIZE)
    try {
      return await moveBetween(await survey(source, options.from), target, options)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
