/** Brings the schema up to date, and refuses a database that is not ours or not fit. */
import { setTimeout as delay } from 'node:timers/promises'
import type { QueryConfig } from 'pg'
import { AppError, type ErrorCode } from '../../../errors.ts'
import type { Connection, Database, Transaction } from './database.ts'
import { codeOf } from './errors.ts'
import { afterMigration, knownMigrations, type Applied, type Migration } from './migrations.ts'
import { SCHEMA_NAME } from './schema.ts'
import { oneRow } from '../../common/rows.ts'
import { lastOf, type NonEmpty } from '../../../core/lists.ts'

/**
 * Waits until no other process migrates or begins a move. The lock is the transaction's: one of a session would be lost,
 * or never released, behind a pooler. The first number, 'pint', keeps it apart from those of other programs.
 */
export const MIGRATION_LOCK = 'select pg_advisory_xact_lock(1885957748, 1)'

/** It is there from the first row of a move from SQLite until all rows are compared. */
export const MOVE_TABLE = 'unfinished_move'

const OLDEST_SERVER = 15
/**
 * An index takes long. The appends of other proxies wait behind a statement that waits for a table's lock, so
 * it gives up soon, lets them go on, and tries again, for some ten minutes.
 */
const MIGRATION_LIMITS = { statementMs: 60 * 60 * 1000, lockMs: 500 }
/** after which the connection would count as lost */
const PATIENCE = { query_timeout: 2 * MIGRATION_LIMITS.statementMs }
const ATTEMPTS = 60
const MAX_PAUSE_MS = 10_000
const LOCK_TIMEOUT = '55P03'

/**
 * The server ends a statement within a second of its client's death; else the locks of a killed migration
 * would last as long as its longest statement. Platforms without it refuse the setting.
 */
const END_WITH_CLIENT = `do $$ begin
    perform set_config('client_connection_check_interval', '1s', true);
  exception when invalid_parameter_value then null;
  end $$`

interface Condition {
  version: number
  encoding: string
  isReadOnly: boolean
  /** of the user, to make the schema */
  mayCreate: boolean
  /** what is in the schema; null: there is none */
  tables: string[] | null
}

const readCondition = async ({ $client }: Database): Promise<Condition> => {
  const { rows } = await $client.query<Condition>(
    `select current_setting('server_version_num')::int / 10000 as version,
      current_setting('server_encoding') as encoding,
      pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as "isReadOnly",
      has_database_privilege(current_database(), 'create') as "mayCreate",
      (select coalesce(array_agg(relname::text) filter (where relkind in ('r', 'p')), '{}')
        from pg_namespace left join pg_class on relnamespace = pg_namespace.oid
        where nspname = $1 having count(nspname) > 0) as tables`,
    [SCHEMA_NAME]
  )
  return oneRow(rows)
}

interface MigrateOptions {
  /** migrations of the program, in their order */
  known?: NonEmpty<Migration>
  /** nothing is migrated, and the server may be a standby */
  readOnly?: boolean
  /** opens a database with an unfinished move, too */
  moves?: boolean
}

const requireFit = (
  { version, encoding, isReadOnly, mayCreate, tables }: Condition,
  place: string,
  { readOnly = false, moves = false }: MigrateOptions
): void => {
  const problem = (code: ErrorCode, text: string): AppError =>
    new AppError(code, `database ${place}: ${text}`)
  if (version < OLDEST_SERVER)
    throw problem(
      'invalid-config',
      `it is PostgreSQL ${version}: version ${OLDEST_SERVER} or newer is needed`
    )
  if (encoding !== 'UTF8')
    throw problem(
      'invalid-config',
      `its encoding is ${encoding}: create one with encoding 'UTF8' and template template0`
    )
  if (isReadOnly && !readOnly)
    throw problem(
      'store-unavailable',
      'it is read-only: connect to the primary, and check default_transaction_read_only of the role'
    )
  if (readOnly && !tables?.includes('migrations'))
    throw problem('not-found', 'it has no data of promptintern')
  if (tables === null && !mayCreate)
    throw problem(
      'invalid-config',
      `the user may not make the schema ${SCHEMA_NAME}: grant create on the database, or make the ` +
        'schema and the user its owner'
    )
  if (tables !== null && tables.length > 0 && !tables.includes('migrations'))
    throw problem(
      'invalid-config',
      `its schema ${SCHEMA_NAME} has tables of another program: use another database`
    )
  if (!moves && tables?.includes(MOVE_TABLE))
    throw problem(
      'invalid-state',
      'a move from SQLite is unfinished: repeat promptintern migrate sqlite-to-postgres until it ' +
        `succeeds, or drop the schema ${SCHEMA_NAME}`
    )
}

/** @returns null where none was applied */
const readApplied = async ({ $client }: Database): Promise<Applied | null> => {
  const { rows } = await $client.query<Applied>(
    `select min(created_at) as initial, max(created_at) as newest, max(works_from) as "worksFrom"
      from ${SCHEMA_NAME}.migrations having count(*) > 0`
  )
  return rows[0] ?? null
}

const runPatiently = ({ $client }: Transaction, text: string): Promise<unknown> =>
  $client.query({ text, ...PATIENCE } as QueryConfig)

/** Takes no lock of what is there already: other proxies read it when they start. */
const prepare = async ({ $client }: Transaction): Promise<void> => {
  const { rows } = await $client.query<{ hasSchema: boolean; hasTable: boolean }>(
    `select to_regnamespace($1) is not null as "hasSchema",
      to_regclass($1 || '.migrations') is not null as "hasTable"`,
    [SCHEMA_NAME]
  )
  const { hasSchema, hasTable } = oneRow(rows)
  // without the right to make a schema even `if not exists` fails
  if (!hasSchema) await $client.query(`create schema ${SCHEMA_NAME}`)
  if (!hasTable)
    await $client.query(
      `create table ${SCHEMA_NAME}.migrations
        (created_at bigint not null, hash text not null, works_from bigint not null)`
    )
}

const applyMissing = async (tx: Transaction, known: readonly Migration[]): Promise<void> => {
  const { $client } = tx
  await $client.query(END_WITH_CLIENT)
  // another proxy may be at it
  await $client.query(MIGRATION_LOCK)
  await prepare(tx)
  let applied = await readApplied(tx)
  for (const migration of known) {
    if (applied !== null && migration.at <= applied.newest) continue
    for (const statement of migration.statements) await runPatiently(tx, statement)
    applied = afterMigration(migration, applied)
    await $client.query(
      `insert into ${SCHEMA_NAME}.migrations (created_at, hash, works_from) values ($1, $2, $3)`,
      [applied.newest, migration.hash, applied.worksFrom]
    )
  }
}

const applyPatiently = async (
  { write }: Connection,
  known: readonly Migration[]
): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write((tx) => applyMissing(tx, known), MIGRATION_LIMITS)
    } catch (error) {
      if (attempt === ATTEMPTS || codeOf(error) !== LOCK_TIMEOUT) throw error
      await delay(Math.min(MIGRATION_LIMITS.lockMs * attempt, MAX_PAUSE_MS))
    }
  }
}

/** @throws AppError `invalid-config` for a database that programs with these migrations cannot work with */
const requireKnown = (
  { initial, worksFrom }: Applied,
  known: NonEmpty<Migration>,
  place: string
): void => {
  if (initial !== known[0].at)
    throw new AppError(
      'invalid-config',
      `database ${place}: its schema ${SCHEMA_NAME} has a format that this version does not know: ` +
        'use another database, or drop the schema and start again'
    )
  if (worksFrom > lastOf(known).at)
    throw new AppError(
      'invalid-config',
      `database ${place}: a newer version has changed it, and this version cannot work with it: ` +
        'upgrade, or use another database'
    )
}

/**
 * Applies the missing migrations in one transaction, so proxies that start together apply them once. A
 * database that is up to date, or ahead by additive migrations, is only read.
 * @throws AppError `invalid-config` for a database that a newer version has changed so that this one cannot
 * work with it, of an unknown form, of another program, of another encoding or without rights;
 * `store-unavailable` for one that is read-only, or whose tables are locked for too long; `invalid-state` for
 * one with an unfinished move; with `readOnly` also for one of an older version, and `not-found` without data
 */
export const migrate = async (
  connection: Connection,
  place: string,
  { known = knownMigrations(), ...options }: MigrateOptions = {}
): Promise<void> => {
  const { read } = connection
  const condition = await read(readCondition)
  requireFit(condition, place, options)
  const isEmpty = !condition.tables?.includes('migrations')
  const applied = isEmpty ? null : await read(readApplied)
  if (applied !== null) requireKnown(applied, known, place)
  if (applied !== null && applied.newest >= lastOf(known).at) return
  if (options.readOnly === true)
    throw new AppError(
      'invalid-state',
      `database ${place}: an older version wrote it: start the proxy to upgrade it`
    )
  await applyPatiently(connection, known)
}
