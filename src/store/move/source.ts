/**
 * The SQLite database of a move. Nothing is written to it, and while it is open no other process can open it,
 * so all reads see the same rows.
 */
import { createHash } from 'node:crypto'
import { AppError } from '../../errors.ts'
import { knownMigrations, openDatabase, type Database } from '../sqlite/base/database.ts'
import { databasePath } from '../sqlite/base/database-path.ts'
import { COPIED } from './tables.ts'
import { oneRow } from '../common/rows.ts'

export interface MoveSource {
  path: string
  /** rows by table */
  counts: ReadonlyMap<string, number>
  /** Changes with the rows. An unfinished move goes on only with the source that it began with. */
  print: string
  /** ids that were given to log segments, pairs and feedback, by table; those of deleted rows count */
  ends: ReadonlyMap<string, number>
  /** @throws AppError `store-unavailable` with advice, also for rows that cannot be decoded */
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  close: () => Promise<void>
}

/** Errors of zlib, of JSON, and of lengths beyond the end. */
const isDecodeError = (error: unknown): boolean =>
  error instanceof SyntaxError ||
  error instanceof RangeError ||
  (error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('Z_'))

const quoted = (name: string): string => `"${name}"`

const readTables = async ({ $client }: Database): Promise<string[]> => {
  const { rows } = await $client.execute(
    `select name from sqlite_schema where type = 'table' order by name`
  )
  return rows.map(({ name }) => String(name))
}

const readEnds = async ({ $client }: Database): Promise<Map<string, number>> => {
  const { rows } = await $client.execute('select name, seq from sqlite_sequence order by name')
  return new Map(rows.map(({ name, seq }) => [String(name), Number(seq)]))
}

interface Extent {
  count: number
  last: number
}

const readExtents = async (db: Database): Promise<Map<string, Extent>> => {
  const extents = new Map<string, Extent>()
  for (const table of await readTables(db)) {
    const { rows } = await db.$client.execute(
      `select count(*) as count, coalesce(max(rowid), 0) as last from ${quoted(table)}`
    )
    const { count, last } = oneRow(rows)
    extents.set(table, { count: Number(count), last: Number(last) })
  }
  return extents
}

/** What the counts do not show: every decision raises a revision. */
const readMarks = async ({ $client }: Database): Promise<unknown[]> => {
  const revisions = await $client.execute('select name, value from revisions order by name')
  const ends = await $client.execute(
    `select id, hex(substr(data, 1, 64)) as data from segments
      where id in (select min(id) from segments union select max(id) from segments) order by id`
  )
  return [...revisions.rows, ...ends.rows].map((row) => Object.values(row))
}

const printOf = (...values: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(values)).digest('hex')

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
  const path = databasePath(dataDir)
  const options = { dataDir, readOnly: true, alone: true }
  const connection = await openDatabase(options, known).catch((error: unknown) => {
    throw olderVersion(error)
  })
  const read: MoveSource['read'] = (work) =>
    connection.read(async (db) => {
      try {
        return await work(db)
      } catch (cause) {
        if (!isDecodeError(cause)) throw cause
        const message = `database ${path}: it has a damaged row: restore a backup, and move the restored database`
        throw new AppError('store-unavailable', message, { cause })
      }
    })
  try {
    const extents = await read(readExtents)
    const ends = await read(readEnds)
    return {
      path,
      counts: new Map([...extents].map(([name, { count }]) => [name, count])),
      print: printOf([...extents], [...ends], await read(readMarks)),
      ends,
      read,
      close: connection.close,
    }
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** Before the first row: row ids are the keys of some tables, and may be 0 or less. */
export const BEFORE_ALL = Number.MIN_SAFE_INTEGER

/** of one transaction */
const PAGE_ROWS = 500
const PAGE_BYTES = 8 * 2 ** 20

export interface PageLimits {
  rows?: number
  bytes?: number
}

/**
 * @param table of SQLite; the sizes of its rows are characters for texts
 * @returns row id at which the page behind another one ends; null behind the last row
 */
export const pageEnd = async (
  { $client }: Database,
  table: { name: string; columns: string[] },
  after: number,
  { rows: limit = PAGE_ROWS, bytes: room = PAGE_BYTES }: PageLimits = {}
): Promise<number | null> => {
  const size = table.columns.map((column) => `coalesce(length(${quoted(column)}), 0)`).join(' + ')
  const { rows } = await $client.execute({
    sql: `select rowid as id, ${size} as bytes from ${quoted(table.name)}
      where rowid > ? order by rowid limit ?`,
    args: [after, limit],
  })
  let end: number | null = null
  let sum = 0
  for (const row of rows) {
    sum += Number(row['bytes'])
    if (end !== null && sum > room) break
    end = Number(row['id'])
  }
  return end
}

/** Rows that a move reads and compares. */
export const rowCount = ({ counts }: MoveSource): number =>
  ['records', ...COPIED.map(({ name }) => name)].reduce(
    (sum, name) => sum + (counts.get(name) ?? 0),
    0
  )

/** @returns how many rows a table has up to a row id */
export const rowsUntil = ({ read }: MoveSource, name: string, last: number): Promise<number> =>
  read(async ({ $client }) => {
    const { rows } = await $client.execute({
      sql: `select count(*) as count from ${quoted(name)} where rowid <= ?`,
      args: [last],
    })
    return Number(oneRow(rows)['count'])
  })
