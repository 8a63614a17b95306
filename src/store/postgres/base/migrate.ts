/** Brings the schema up to date, and refuses a database that is not ours or not fit. */
import { join } from 'node:path'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { QueryConfig } from 'pg'
import { AppError } from '../../../errors.ts'
import { packageFolder } from '../../../package-folder.ts'
import type { Connection, Database, Transaction } from './database.ts'
import { lockSql } from './locks.ts'
import { SCHEMA_NAME } from './schema.ts'

const OLDEST_SERVER = 15
/** an index of a large table takes long */
const MIGRATION_LIMITS = { statementMs: 60 * 60 * 1000, lockMs: 10 * 60 * 1000 }
/** after which the connection would count as lost */
const PATIENCE = { query_timeout: 2 * MIGRATION_LIMITS.statementMs }

const knownMigrations = () =>
  readMigrationFiles({ migrationsFolder: join(packageFolder(), 'migrations', 'postgres') })

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
  return rows[0]!
}

const requireFit = (
  { version, encoding, isReadOnly, mayCreate, tables }: Condition,
  place: string
): void => {
  const problem = (code: 'invalid-config' | 'store-unavailable', text: string): AppError =>
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
  if (isReadOnly)
    throw problem(
      'store-unavailable',
      'it is read-only: connect to the primary, and check default_transaction_read_only of the role'
    )
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
}

/** @returns time of the newest migration that was applied; 0 without one */
const readApplied = async ({ $client }: Database): Promise<number> => {
  const { rows } = await $client.query<{ applied: number | null }>(
    `select max(created_at) as applied from ${SCHEMA_NAME}.migrations`
  )
  return rows[0]!.applied ?? 0
}

const runPatiently = ({ $client }: Transaction, text: string): Promise<unknown> =>
  $client.query({ text, ...PATIENCE } as QueryConfig)

const applyMissing = async (tx: Transaction): Promise<void> => {
  // another proxy may be at it
  await runPatiently(tx, lockSql('migration'))
  const { $client } = tx
  const exists = await $client.query(`select to_regnamespace($1) is not null as made`, [
    SCHEMA_NAME,
  ])
  // without the right to make a schema even `if not exists` fails
  if (exists.rows[0]!.made !== true) await $client.query(`create schema ${SCHEMA_NAME}`)
  await $client.query(
    `create table if not exists ${SCHEMA_NAME}.migrations (created_at bigint not null, hash text)`
  )
  const applied = await readApplied(tx)
  for (const migration of knownMigrations()) {
    const { folderMillis, hash } = migration
    if (folderMillis <= applied) continue
    for (const statement of migration.sql) await runPatiently(tx, statement)
    await $client.query(`insert into ${SCHEMA_NAME}.migrations values ($1, $2)`, [
      folderMillis,
      hash,
    ])
  }
}

/**
 * Applies the missing migrations in one transaction, so proxies that start together apply them once. A
 * database that is up to date is only read.
 * @throws AppError `invalid-config` for a database of a newer version, of another program, of another
 * encoding or without rights; `store-unavailable` for one that is read-only
 */
export const migrate = async ({ read, write }: Connection, place: string): Promise<void> => {
  const condition = await read(readCondition)
  requireFit(condition, place)
  const newest = knownMigrations().at(-1)!.folderMillis
  const applied = condition.tables?.includes('migrations') === true ? await read(readApplied) : 0
  if (applied > newest)
    throw new AppError(
      'invalid-config',
      `database ${place}: a newer version wrote it: upgrade, or use another database`
    )
  if (applied < newest) await write(applyMissing, MIGRATION_LIMITS)
}
