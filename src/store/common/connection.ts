/**
 * A database as the functions of this folder see it. drizzle's query builders for SQLite and for PostgreSQL have
 * the same calls, but unrelated types. These functions are typed by PostgreSQL's, and get connection and tables
 * passed in (`base/common.ts` of each database), so they load nothing of either builder. A call that SQLite lacks,
 * such as `for('update')`, would compile here.
 */
import type {
  PgColumn,
  PgDatabase,
  PgQueryResultHKT,
  PgTableWithColumns,
} from 'drizzle-orm/pg-core'
import type { FieldRule } from '../../core/answer/field-rules.ts'
import type {
  HistoryEntry,
  Internalization,
  InternalizationPlan,
} from '../../core/internalization/internalization.ts'
import type { IssuedKey, Spend } from '../../core/keys/issued-key.ts'
import type { StoredFeedback } from '../../core/log/feedback.ts'
import type { TrafficHour } from '../../core/log/traffic-hours.ts'
import type { StoredPair } from '../../core/rollout/pair.ts'
import type { Route } from '../../core/route/route.ts'
import type { Template } from '../../core/template/template.ts'
import type { AppError } from '../../errors.ts'
import type { EvaluationRow, TemplateStats } from '../store.ts'

/** Ids of records in a plan. */
export const RECORD_LISTS = ['trainRecordIds', 'holdoutRecordIds', 'unseenRecordIds'] as const
export type RecordLists = Partial<Pick<InternalizationPlan, (typeof RECORD_LISTS)[number]>>
export type StoredPlan = Omit<InternalizationPlan, keyof RecordLists>

/** Columns of the tables, as far as these functions use them. The database gives those that are optional. */
interface Rows {
  templates: { version: string; tenant: string; template: Template }
  templateLabels: { version: string; label: string }
  fieldRules: { version: string } & FieldRule
  templateTotals: { version: string } & TemplateStats
  trafficHours: { hour: number; figures: TrafficHour }
  internalizations: Omit<Internalization, 'plan'> & {
    stateName: Internalization['state']['name']
    plan: StoredPlan | null
    recordLists: RecordLists | null
  }
  history: HistoryEntry & { id?: number; internalizationId: string }
  evaluations: EvaluationRow
  pairs: Omit<StoredPair, 'outcome'> & { lora: string; outcome: StoredPair['outcome'] | null }
  feedback: Omit<StoredFeedback, 'templateVersion' | 'place'> & {
    place?: number
    day: number
    firstAt: number | null
  }
  keptResponses: {
    id: string
    tenant: string
    at: number
    bytes: number
    request: Buffer
    response: Buffer
  }
  routes: { templateVersion: string; internalizationId: string; lora: string; route: Route }
  records: { id: string; templateVersion: string | null }
  keys: IssuedKey
  keySpend: Spend & { keyId: string; day: number }
  snapshots: { name: string; value: Buffer }
  revisions: { name: string; value: number }
}

type ColumnOf<Table extends string, Value> = PgColumn<
  {
    name: string
    tableName: Table
    dataType: 'custom'
    columnType: string
    data: NonNullable<Value>
    driverParam: unknown
    enumValues: undefined
    notNull: null extends Value ? false : true
    hasDefault: undefined extends Value ? true : false
    hasRuntimeDefault: false
    isPrimaryKey: false
    isAutoincrement: false
  },
  object,
  { generated: undefined; identity: undefined }
>

type TableOf<Name extends keyof Rows> = PgTableWithColumns<{
  name: Name
  schema: undefined
  dialect: 'pg'
  columns: { [Column in keyof Rows[Name]]-?: ColumnOf<Name, Rows[Name][Column]> }
}>

export type Tables = { [Name in keyof Rows]: TableOf<Name> }

/** @param schema of either database; a column of another type than in `Rows` is an error of types */
export const commonTables = (schema: {
  [Name in keyof Rows]: { $inferSelect: Rows[Name] }
}): Tables => schema as unknown as Tables

/** Outside of a transaction or in one. */
export type Database = PgDatabase<PgQueryResultHKT>

/**
 * Runs a statement in the words of PostgreSQL; `dialect.ts` of SQLite reads them. It names tables with their schema,
 * values by `$1`, lists by `= any($1::type[])`, and rows that stay as they are until the transaction ends by `for
 * update`, `for share` or `for key share` at its end. Text has no U+0000.
 */
export type Sql = <Row = Record<string, unknown>>(
  text: string,
  values?: readonly SqlValue[]
) => Promise<{ rows: Row[]; changed: number }>

export type SqlValue = string | number | boolean | null | Buffer | readonly (string | number)[]

export interface CommonConnection {
  /** All statements see the database as it was at the first one. */
  readSql: <T>(work: (sql: Sql) => Promise<T>) => Promise<T>
  writeSql: <T>(work: (sql: Sql) => Promise<T>) => Promise<T>
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  /** In one transaction. */
  write: <T>(work: (tx: Database) => Promise<T>) => Promise<T>
  tables: Tables
  /** Runs an insert or update. @throws the given conflict where it violates a constraint of uniqueness */
  orConflict: <T>(statement: PromiseLike<T>, conflict: (cause: unknown) => AppError) => Promise<T>
}
