/**
 * A database as the functions of this folder see it. drizzle's query builders for SQLite and for PostgreSQL have
 * the same calls, but unrelated types. These functions are typed by PostgreSQL's, and get connection and tables
 * passed in (`base/common.ts` of each database), so they load nothing of either builder. A call that SQLite lacks,
 * such as `for('update')`, would compile here.
 */
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { AppError } from '../../errors.ts'
import type { Tables } from './tables.ts'

/** Outside of a transaction or in one. */
export type Database = PgDatabase<PgQueryResultHKT>

/**
 * Runs a statement in the words of PostgreSQL; `dialect.ts` of SQLite reads them. It names tables with their schema,
 * values by `$1`, lists by `= any($1::type[])` and `unnest($1::type[], …) as name(column, …)`, and rows that stay as they are until the transaction ends by `for
 * update`, `for share` or `for key share`, with `skip locked` or without. Text has no U+0000.
 */
export interface Sql {
  <Row = Record<string, unknown>>(
    text: string,
    values?: readonly SqlValue[]
  ): Promise<{ rows: Row[]; changed: number }>
  /** of one insert: few where a statement costs little, because the text of each number of rows is made once */
  rowsOfInsert: number
}

export type SqlValue =
  string | number | boolean | null | Buffer | readonly (string | number | null)[]

export interface CommonConnection {
  /** All statements see the database as it was at the first one. */
  readSql: <T>(work: (sql: Sql) => Promise<T>) => Promise<T>
  writeSql: <T>(work: (sql: Sql) => Promise<T>) => Promise<T>
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  /** In one transaction. */
  write: <T>(work: (tx: Database, sql: Sql) => Promise<T>) => Promise<T>
  /** Milliseconds since the epoch by the database's clock, when it is read: an expression of SQL. */
  now: string
  /** Of the transaction that reads it: an expression of SQL. */
  transactionId: string
  /** Whether a transaction whose commit was not answered has been committed; false where that cannot be told. */
  isCommitted: (transactionId: string) => Promise<boolean>
  tables: Tables
  /** Runs an insert or update. @throws the given conflict where it violates a constraint of uniqueness */
  orConflict: <T>(statement: PromiseLike<T>, conflict: (cause: unknown) => AppError) => Promise<T>
}
