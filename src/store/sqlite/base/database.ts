/**
 * Opens the database file: settings, migrations, and what a driver error means to a person. Knows
 * no table.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient, LibsqlError, type Client } from '@libsql/client/sqlite3'
import { sql } from 'drizzle-orm'
import type { LibSQLDatabase } from 'drizzle-orm/libsql/driver-core'
import { drizzle } from 'drizzle-orm/libsql/sqlite3'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { AppError } from '../../../errors.ts'
import { packageFolder } from '../../../package-folder.ts'
import type { SqlTransaction } from './statements.ts'

export interface DatabaseOptions {
  dataDir: string
  /** the file's largest size; a write beyond it is refused as on a full disk */
  maxBytes?: number
  /** how long a write waits for another process's */
  busyTimeoutMs?: number
  /** for tests of older schemas */
  migrationsFolder?: string
}

export type Database = LibSQLDatabase & { $client: Client }
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0]

/**
 * The one connection. Its callers take turns: a transaction is never joined by a stranger's
 * statement, and a long job leaves room for others between its transactions.
 */
export interface Connection {
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  write: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  /** as `write`, without the query builder */
  writeSql: <T>(work: (tx: SqlTransaction) => Promise<T>) => Promise<T>
  close: () => Promise<void>
}

const FILE_NAME = 'promptintern.sqlite'
const PAGE_BYTES = 4096

const packagedMigrations = (): string => join(packageFolder(), 'migrations', 'sqlite')

/** What to do, by SQLite's primary result code. */
const ADVICE: Record<string, string> = {
  SQLITE_FULL: 'there is no room left: free disk space or shorten the retention',
  SQLITE_IOERR: 'the disk refused to read or write: check its space and health',
  SQLITE_READONLY: 'it is read-only: make the folder and its files writable',
  SQLITE_CANTOPEN: 'it cannot be opened: check that the folder exists and is writable',
  SQLITE_PERM: 'access is denied: check the owner of the folder',
  SQLITE_BUSY: 'another process has held its lock for too long: end that process',
  SQLITE_CORRUPT: 'it is damaged: stop, move it away and restore a backup',
  SQLITE_NOTADB: 'it is no SQLite database: move it away or name another data directory',
}

const driverError = (error: unknown): LibsqlError | null => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof LibsqlError) return cause
  }
  return null
}

export const isConstraintError = (error: unknown): boolean =>
  driverError(error)?.code === 'SQLITE_CONSTRAINT'

/** Any failure of the database as an AppError that says what to do; AppErrors stay as they are. */
export const storeError = (error: unknown, path: string): AppError => {
  if (error instanceof AppError) return error
  const driver = driverError(error)
  const advice = driver === null ? undefined : ADVICE[driver.code]
  const detail = advice ?? (error instanceof Error ? error.message : String(error))
  return new AppError('store-unavailable', `database ${path}: ${detail}`, { cause: error })
}

export const databasePath = (dataDir: string): string => join(dataDir, FILE_NAME)

const configure = async (client: Client, options: DatabaseOptions): Promise<void> => {
  // before the first table, or pruned pages could never be given back to the disk
  await client.execute('PRAGMA auto_vacuum = INCREMENTAL')
  await client.execute('PRAGMA journal_mode = WAL')
  // what is deleted is overwritten, or retention would leave it in free pages
  await client.execute('PRAGMA secure_delete = ON')
  // NORMAL loses acknowledged rows at a power cut
  await client.execute('PRAGMA synchronous = FULL')
  if (options.maxBytes !== undefined) {
    await client.execute(`PRAGMA max_page_count = ${Math.ceil(options.maxBytes / PAGE_BYTES)}`)
  }
}

/**
 * Applies what is missing in one exclusive transaction, so that two processes starting together do
 * it once. @throws AppError `invalid-config` when the file comes from a newer version
 */
const migrate = async (db: Database, migrationsFolder: string): Promise<void> => {
  const known = readMigrationFiles({ migrationsFolder })
  const newest = known.at(-1)?.folderMillis ?? 0
  await inTransaction(db, async (tx) => {
    await tx.run(
      sql`create table if not exists migrations (created_at integer not null, hash text)`
    )
    const [row] = await tx.all<{ applied: number | null }>(
      sql`select max(created_at) as applied from migrations`
    )
    const applied = row?.applied ?? 0
    if (applied > newest) {
      throw new AppError(
        'invalid-config',
        'the data directory was written by a newer version: upgrade, or name another DATA_DIR'
      )
    }
    for (const migration of known.filter(({ folderMillis }) => folderMillis > applied)) {
      for (const statement of migration.sql) await tx.run(sql.raw(statement))
      await tx.run(
        sql`insert into migrations values (${migration.folderMillis}, ${migration.hash})`
      )
    }
  })
}

/**
 * A write transaction that keeps its first error: after a full disk SQLite has rolled back by
 * itself, and the driver would report its own failing rollback instead.
 */
export const inTransaction = async <T>(
  db: Database,
  work: (tx: Transaction) => Promise<T>
): Promise<T> => {
  let first: { error: unknown } | null = null
  try {
    return await db.transaction(async (tx) => {
      try {
        return await work(tx)
      } catch (error) {
        first = { error }
        throw error
      }
    })
  } catch (error) {
    throw first === null ? error : (first as { error: unknown }).error
  }
}

/** As above, for plain SQL. */
const inSqlTransaction = async <T>(
  client: Client,
  work: (tx: SqlTransaction) => Promise<T>
): Promise<T> => {
  const tx = await client.transaction('write')
  try {
    const result = await work(tx)
    await tx.commit()
    return result
  } finally {
    // rolls back what is still open, and nothing where SQLite has done so
    tx.close()
  }
}

const connection = (client: Client, db: Database, path: string): Connection => {
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work).catch((error: unknown) => {
      throw storeError(error, path)
    })
    last = result.catch(() => undefined)
    return result
  }
  return {
    read: (work) => inTurn(() => work(db)),
    write: (work) => inTurn(() => inTransaction(db, work)),
    writeSql: (work) => inTurn(() => inSqlTransaction(client, work)),
    close: () =>
      inTurn(async () => {
        // the driver leaves it to the garbage collector; an empty log makes the file whole
        await client.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        client.close()
      }),
  }
}

/**
 * @throws AppError `store-unavailable` when the file cannot be opened or written, `invalid-config`
 * when it comes from a newer version
 */
export const openDatabase = async (options: DatabaseOptions): Promise<Connection> => {
  const path = databasePath(options.dataDir)
  try {
    mkdirSync(options.dataDir, { recursive: true })
    // one connection: pragmas belong to a connection, and writes are one at a time anyway
    const client = createClient({
      url: pathToFileURL(path).href,
      timeout: options.busyTimeoutMs ?? 10_000,
      concurrency: 1,
    })
    try {
      await configure(client, options)
      const db = drizzle(client)
      // a migration replaces tables that others refer to, sqlite.org/lang_altertable.html §7
      await client.execute('PRAGMA foreign_keys = OFF')
      await migrate(db, options.migrationsFolder ?? packagedMigrations())
      await client.execute('PRAGMA foreign_keys = ON')
      return connection(client, db, path)
    } catch (error) {
      client.close()
      throw error
    }
  } catch (error) {
    throw storeError(error, path)
  }
}
