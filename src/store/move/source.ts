/**
 * The SQLite database of a move: its tables, and their rows as PostgreSQL has them. Nothing is written to it, and while
 * it is open no other process can open it, so all reads see the same rows. Rows keep their ids and places, so every
 * cursor that is stored somewhere (the detector's in the log, the webhook's in the history) points at the same row.
 */
import { createHash } from 'node:crypto'
import { getTableColumns, getTableName, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { AppError } from '../../errors.ts'
import { oneRow } from '../common/rows.ts'
import * as target from '../postgres/base/schema.ts'
import { knownMigrations, openDatabase, type Database } from '../sqlite/base/database.ts'
import { databasePath } from '../sqlite/base/database-path.ts'
import * as source from '../sqlite/base/schema.ts'

/** A table whose rows are copied; both databases have the same columns. */
export interface CopiedTable {
  name: string
  from: SQLiteTable
  to: PgTable
}

const copied = (from: SQLiteTable, to: PgTable): CopiedTable => ({
  name: getTableName(from),
  from,
  to,
})

/** In an order that suits foreign keys. */
export const COPIED: readonly CopiedTable[] = [
  copied(source.dictionaries, target.dictionaries),
  copied(source.records, target.records),
  copied(source.bodies, target.bodies),
  copied(source.logEnd, target.logEnd),
  copied(source.templates, target.templates),
  copied(source.templateLabels, target.templateLabels),
  copied(source.fieldRules, target.fieldRules),
  copied(source.templateTotals, target.templateTotals),
  copied(source.trafficHours, target.trafficHours),
  copied(source.internalizations, target.internalizations),
  copied(source.history, target.history),
  copied(source.evaluations, target.evaluations),
  copied(source.pairs, target.pairs),
  copied(source.feedback, target.feedback),
  copied(source.keptResponses, target.keptResponses),
  copied(source.routes, target.routes),
  copied(source.keys, target.keys),
  copied(source.keySpend, target.keySpend),
  copied(source.keyAccounts, target.keyAccounts),
  copied(source.keySlices, target.keySlices),
  copied(source.snapshots, target.snapshots),
  copied(source.revisions, target.revisions),
]

/**
 * Tables that are not copied, each with the reason.
 * @public a test finds the tables that are neither here nor above
 */
export const NOT_COPIED: Readonly<Record<string, string>> = {
  leases: 'of the workers of the source, which are stopped',
  migrations: 'of the database itself; the target has its own',
  sqlite_sequence: 'of the database itself; its ends are set in the target',
}

export interface MoveSource {
  /** rows by table */
  counts: ReadonlyMap<string, number>
  /** Changes with the rows. An unfinished move goes on only with the source that it began with. */
  print: string
  /** ids that were given to rows, by table; those of deleted rows count */
  ends: ReadonlyMap<string, number>
  /** @throws AppError `store-unavailable` with advice, also for JSON that cannot be read */
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  close: () => Promise<void>
}

const numberIn = async ({ $client }: Database, text: string, values: number[] = []) =>
  Number(oneRow((await $client.execute({ sql: text, args: values })).rows)[0])

/** What is told of the source before it is moved. */
const survey = async (db: Database): Promise<Pick<MoveSource, 'counts' | 'ends' | 'print'>> => {
  const counts = new Map<string, number>()
  const lasts: number[] = []
  for (const { name } of COPIED) {
    counts.set(name, await numberIn(db, `select count(*) from ${name}`))
    lasts.push(await numberIn(db, `select coalesce(max(rowid), 0) from ${name}`))
  }
  const sequences = await db.$client.execute('select name, seq from sqlite_sequence order by name')
  // every decision raises a revision
  const revisions = await db.$client.execute('select name, value from revisions order by name')
  const ends = sequences.rows.map(({ name, seq }) => [String(name), Number(seq)] as const)
  const changes = revisions.rows.map(({ name, value }) => [name, value])
  const text = JSON.stringify([[...counts], lasts, ends, changes])
  const print = createHash('sha256').update(text).digest('hex')
  return { counts, ends: new Map(ends), print }
}

/** The advice of the database is for those who use it, not for those who leave it. */
const olderVersion = (cause: unknown): unknown =>
  cause instanceof AppError && cause.code === 'invalid-state'
    ? new AppError(
        'invalid-state',
        'an older version wrote the data directory: start this version on it once without DATABASE_URL, which upgrades it',
        { cause }
      )
    : cause

/**
 * @param dataDir has a database @param known migrations of the program, in their order
 * @throws AppError `conflict` when another process has it open, `invalid-state` when an older version wrote
 * it, `invalid-config` when a newer one did, or its form is not known; `store-unavailable`
 */
export const openSource = async (
  dataDir: string,
  known = knownMigrations()
): Promise<MoveSource> => {
  const options = { dataDir, readOnly: true, alone: true }
  const connection = await openDatabase(options, known).catch((error: unknown) => {
    throw olderVersion(error)
  })
  const read: MoveSource['read'] = (work) =>
    connection.read((db) =>
      work(db).catch((cause: unknown) => {
        if (!(cause instanceof SyntaxError)) throw cause
        const message = `database ${databasePath(dataDir)}: it has a damaged row: restore a backup, and move the restored database`
        throw new AppError('store-unavailable', message, { cause })
      })
    )
  try {
    return { ...(await read(survey)), read, close: connection.close }
  } catch (error) {
    await connection.close()
    throw error
  }
}

export const columnsOf = ({ to }: CopiedTable): [string, PgColumn][] =>
  Object.entries(getTableColumns(to))

/** A time may have fractions in SQLite, and a text U+0000; PostgreSQL's store writes neither. */
const fitted = (column: PgColumn, value: unknown): unknown => {
  const type = column.getSQLType()
  if (typeof value === 'number' && (type === 'bigint' || type === 'integer'))
    return Math.floor(value)
  if (typeof value === 'string' && type === 'text') return value.replaceAll('\0', '\uFFFD')
  return value
}

/** Before the first row: row ids are the keys of some tables, and may be 0 or less. */
export const BEFORE_ALL = Number.MIN_SAFE_INTEGER

/** of one transaction */
const PAGE_ROWS = 500
const PAGE_BYTES = 8 * 2 ** 20

/** @returns row id at which the page behind another one ends; null behind the last row */
const pageEnd = async (db: Database, table: CopiedTable, after: number): Promise<number | null> => {
  // characters for texts
  const size = columnsOf(table).map(([, { name }]) => `coalesce(length("${name}"), 0)`)
  const { rows } = await db.$client.execute({
    sql: `select rowid as id, ${size.join(' + ')} as bytes from ${table.name}
      where rowid > ? order by rowid limit ${PAGE_ROWS}`,
    args: [after],
  })
  let end: number | null = null
  let sum = 0
  for (const { id, bytes } of rows) {
    sum += Number(bytes)
    if (end !== null && sum > PAGE_BYTES) break
    end = Number(id)
  }
  return end
}

export interface Page {
  /** as the target has them */
  rows: Record<string, unknown>[]
  /** row id of the last one */
  end: number
}

/** The pages of a table behind a row id. */
export async function* pagesOf(
  { read }: MoveSource,
  table: CopiedTable,
  after: number
): AsyncGenerator<Page> {
  const columns = columnsOf(table)
  for (let reached = after; ;) {
    const from = reached
    const page = await read(async (db): Promise<Page | null> => {
      const end = await pageEnd(db, table, from)
      if (end === null) return null
      const isIn = sql`rowid > ${from} and rowid <= ${end}`
      const found = await db
        .select()
        .from(table.from)
        .where(isIn)
        .orderBy(sql`rowid`)
      const rows = found.map((row) =>
        Object.fromEntries(columns.map(([name, column]) => [name, fitted(column, row[name])]))
      )
      return { rows, end }
    })
    if (page === null) return
    yield page
    reached = page.end
  }
}

/** @returns how many rows a table has up to a row id */
export const rowsUntil = ({ read }: MoveSource, name: string, last: number): Promise<number> =>
  read((db) => numberIn(db, `select count(*) from ${name} where rowid <= ?`, [last]))
