/**
 * Opens the database file: settings, migrations, one connection, and advice for each driver error.
 * Knows no table.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  createClient,
  LibsqlError,
  type Client,
  type Transaction as SqlTransaction,
} from '@libsql/client/sqlite3'
import { sql } from 'drizzle-orm'
import type { LibSQLDatabase } from 'drizzle-orm/libsql/driver-core'
import { drizzle } from 'drizzle-orm/libsql/sqlite3'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { AppError } from '../../../errors.ts'
import { packageFolder } from '../../../package-folder.ts'
import { databasePath } from './database-path.ts'
import { oneRow } from '../../common/rows.ts'
import { lastOf, nonEmpty, type NonEmpty } from '../../../core/lists.ts'

export interface DatabaseOptions {
  dataDir: string
  /** maximal size of the file; a larger write fails as on a full disk */
  maxBytes?: number
  /** opens an existing file that another process may be writing: nothing is migrated, and writes fail */
  readOnly?: boolean
  /** keeps other processes out, as long as this one lives; with `readOnly` */
  alone?: boolean
}

export type Database = LibSQLDatabase & { $client: Client }
/** The query builder within a transaction, and as `$client` what runs plain SQL. */
export type Transaction = LibSQLDatabase & { $client: SqlTransaction }

/**
 * The only connection of a store. Calls run one after another, so no foreign statement gets into a
 * transaction. A long job uses many short transactions, and other calls run between them.
 */
export interface Connection {
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  write: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  close: () => Promise<void>
}

const PAGE_BYTES = 4096
/** how long a write waits for the lock of another process */
const BUSY_TIMEOUT_MS = 10_000
/** a process that has the file open seldom ends meanwhile */
const ALONE_TIMEOUT_MS = 2_000

/** Cause and advice by SQLite's primary result code. */
const ADVICE: Record<string, string> = {
  SQLITE_FULL: 'no disk space is left: free some or shorten the retention',
  SQLITE_IOERR: 'the disk failed to read or write: check its space and health',
  SQLITE_READONLY: 'it is read-only: make the folder and its files writable',
  SQLITE_CANTOPEN: 'it cannot be opened: make sure that the folder exists and is writable',
  SQLITE_PERM: 'access is denied: check the owner of the folder and its files',
  SQLITE_BUSY: 'another process holds its lock for too long: end that process',
  SQLITE_CORRUPT: 'it is damaged: stop, move it away and restore a backup',
  SQLITE_NOTADB: 'it is not a SQLite database: move it away or set another DATA_DIR',
}

const driverError = (error: unknown): LibsqlError | null => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof LibsqlError) return cause
  }
  return null
}

/** Runs an insert or update. @throws the given conflict where it violates a constraint */
export const orConflict = async <T>(
  statement: PromiseLike<T>,
  conflict: (cause: unknown) => AppError
): Promise<T> => {
  try {
    return await statement
  } catch (error) {
    throw driverError(error)?.code === 'SQLITE_CONSTRAINT' ? conflict(error) : error
  }
}

/**
 * Any failure of the database as an AppError with advice; an AppError stays as it is. The query builder's
 * own error around the driver's is dropped, because it quotes the values of the statement.
 */
const storeError = (error: unknown, path: string): AppError => {
  if (error instanceof AppError) return error
  const driver = driverError(error)
  const cause = driver ?? error
  const advice = driver === null ? undefined : ADVICE[driver.code]
  const detail = advice ?? (cause instanceof Error ? cause.message : String(cause))
  return new AppError('store-unavailable', `database ${path}: ${detail}`, { cause })
}

const configure = async (client: Client, options: DatabaseOptions): Promise<void> => {
  // has no effect after the first table exists, and then the file could never shrink
  await client.execute('PRAGMA auto_vacuum = INCREMENTAL')
  await client.execute('PRAGMA journal_mode = WAL')
  // overwrites deleted rows, which would stay readable in free pages
  await client.execute('PRAGMA secure_delete = ON')
  // NORMAL loses acknowledged rows in a power cut
  await client.execute('PRAGMA synchronous = FULL')
  if (options.maxBytes !== undefined) {
    await client.execute(`PRAGMA max_page_count = ${Math.ceil(options.maxBytes / PAGE_BYTES)}`)
  }
}

type Migration = ReturnType<typeof readMigrationFiles>[number]

/** In their order. */
export const knownMigrations = (): NonEmpty<Migration> =>
  nonEmpty(readMigrationFiles({ migrationsFolder: join(packageFolder(), 'migrations', 'sqlite') }))

/** Times of migrations, which name them; null where none was applied. */
interface Applied {
  initial: number | null
  newest: number | null
}

const READ_APPLIED = 'select min(created_at) as initial, max(created_at) as newest from migrations'

/** @returns time of the newest one; 0 without one @throws AppError `invalid-config` */
const requireKnown = ({ initial, newest }: Applied, known: NonEmpty<Migration>): number => {
  if (initial !== null && initial !== known[0].folderMillis)
    throw new AppError(
      'invalid-config',
      'the store in the data directory has a format that this version does not know: set another DATA_DIR, or start with an empty one'
    )
  if (newest !== null && newest > lastOf(known).folderMillis)
    throw new AppError(
      'invalid-config',
      'a newer version wrote the data directory: upgrade, or set another DATA_DIR'
    )
  return newest ?? 0
}

const readApplied = async (client: Client): Promise<Applied> =>
  oneRow((await client.execute(READ_APPLIED)).rows) as unknown as Applied

/** In force with the first read, and until the file is closed. @throws AppError `conflict` */
const keepOthersOut = async (client: Client, path: string): Promise<void> => {
  await client.execute('PRAGMA locking_mode = EXCLUSIVE')
  try {
    await readApplied(client)
  } catch (error) {
    if (driverError(error)?.code !== 'SQLITE_BUSY') throw error
    throw new AppError(
      'conflict',
      `database ${path}: another process has it open: stop the proxy, its worker and other commands`,
      { cause: error }
    )
  }
}

/** @throws AppError `invalid-config` like `requireKnown`, `invalid-state` for a file of an older version */
const openReadOnly = async (client: Client, known: NonEmpty<Migration>): Promise<void> => {
  await client.execute('PRAGMA query_only = ON')
  const newest = requireKnown(await readApplied(client), known)
  if (newest < lastOf(known).folderMillis)
    throw new AppError(
      'invalid-state',
      'an older version wrote the data directory: a command that writes, such as promptintern worker --until-idle without DATABASE_URL, upgrades it'
    )
}

/**
 * Applies the missing migrations in one exclusive transaction, so two processes that start together
 * apply them once. @throws AppError `invalid-config` like `requireKnown`
 */
const migrate = (client: Client, known: NonEmpty<Migration>): Promise<void> =>
  inTransaction(client, async (tx) => {
    await tx.run(
      sql`create table if not exists migrations (created_at integer not null, hash text not null)`
    )
    const applied = await tx.all<Applied>(sql.raw(READ_APPLIED))
    const newest = requireKnown(oneRow(applied), known)
    for (const migration of known.filter(({ folderMillis }) => folderMillis > newest)) {
      for (const statement of migration.sql) await tx.run(sql.raw(statement))
      await tx.run(
        sql`insert into migrations values (${migration.folderMillis}, ${migration.hash})`
      )
    }
  })

const inTransaction = async <T>(
  client: Client,
  work: (tx: Transaction) => Promise<T>
): Promise<T> => {
  const tx = await client.transaction('write')
  try {
    const result = await work(drizzle(tx as unknown as Client) as unknown as Transaction)
    await tx.commit()
    return result
  } finally {
    // rolls back an open transaction; does nothing after SQLite's own rollback, as on a full disk
    tx.close()
  }
}

const connection = (
  client: Client,
  db: Database,
  { path, readOnly }: { path: string; readOnly: boolean }
): Connection => {
  let last: Promise<unknown> = Promise.resolve()
  const queued = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work).catch((error: unknown) => {
      throw storeError(error, path)
    })
    last = result.catch(() => undefined)
    return result
  }
  return {
    read: (work) => queued(() => work(db)),
    write: (work) => queued(() => inTransaction(client, work)),
    close: () =>
      queued(async () => {
        // the driver closes the file only when it is garbage-collected, so the WAL is emptied here
        if (!readOnly) await client.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        client.close()
      }),
  }
}

/**
 * @param known migrations of the program, in their order
 * @throws AppError `store-unavailable` when the file cannot be opened or written, `invalid-config` when a
 * newer version wrote it or its form is not known, `conflict` when another process has it open and `alone` is set
 */
export const openDatabase = async (
  options: DatabaseOptions,
  known = knownMigrations()
): Promise<Connection> => {
  const { dataDir, readOnly = false, alone = false } = options
  const path = databasePath(dataDir)
  try {
    if (!readOnly) mkdirSync(dataDir, { recursive: true })
    // one connection: pragmas apply to one, and SQLite runs one write at a time anyway
    const client = createClient({
      url: pathToFileURL(path).href,
      timeout: alone ? ALONE_TIMEOUT_MS : BUSY_TIMEOUT_MS,
      concurrency: 1,
    })
    try {
      const db = drizzle(client)
      if (readOnly) {
        if (alone) await keepOthersOut(client, path)
        await openReadOnly(client, known)
        return connection(client, db, { path, readOnly })
      }
      await configure(client, options)
      // a migration replaces tables that foreign keys refer to, sqlite.org/lang_altertable.html §7
      await client.execute('PRAGMA foreign_keys = OFF')
      await migrate(client, known)
      await client.execute('PRAGMA foreign_keys = ON')
      return connection(client, db, { path, readOnly })
    } catch (error) {
      client.close()
      throw error
    }
  } catch (error) {
    throw storeError(error, path)
  }
}
