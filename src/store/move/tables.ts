/**
 * What becomes of each table of the SQLite database. Rows keep their ids and places, so every cursor that is
 * stored somewhere (the detector's in the log, the webhook's in the history) points at the same row as before.
 */
import { dayOf } from '../../core/days.ts'
import { inArray } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { getTableName } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import * as target from '../postgres/base/schema.ts'
import { columnsOf } from '../postgres/internalizations.ts'
import type { Database } from '../sqlite/base/database.ts'
import * as source from '../sqlite/base/schema.ts'

export type Row = Record<string, unknown>

/** A table whose rows are copied one by one. */
export interface CopiedTable {
  name: string
  from: SQLiteTable
  to: PgTable
  /** @returns the rows as the target has them, in their order */
  translate: (rows: Row[], db: Database) => Promise<Row[]>
}

type Given<T extends PgTable> = SQLiteTable & { $inferSelect: T['$inferInsert'] }

/** Both have the same columns. */
const same = <T extends PgTable>(from: Given<T>, to: T): CopiedTable => ({
  name: getTableName(from),
  from,
  to,
  translate: (rows) => Promise.resolve(rows),
})

const translated = <F extends SQLiteTable, T extends PgTable>(
  from: F,
  to: T,
  translate: (
    rows: F['$inferSelect'][],
    db: Database
  ) => T['$inferInsert'][] | Promise<T['$inferInsert'][]>
): CopiedTable => ({
  name: getTableName(from),
  from,
  to,
  translate: async (rows, db) => (await translate(rows as F['$inferSelect'][], db)) as Row[],
})

type Feedback = typeof source.feedback.$inferSelect

/** Retention deletes feedback with the day of its record. */
const withDays = async (rows: Feedback[], db: Database) => {
  const { id, at } = source.records
  const ids = rows.map(({ recordId }) => recordId)
  const found = await db.select({ id, at }).from(source.records).where(inArray(id, ids))
  const times = new Map(found.map((record) => [record.id, record.at]))
  return rows.map((row) => ({ ...row, day: dayOf(times.get(row.recordId) ?? row.at) }))
}

/** In an order that suits foreign keys. */
export const COPIED: readonly CopiedTable[] = [
  same(source.templates, target.templates),
  same(source.templateLabels, target.templateLabels),
  same(source.fieldRules, target.fieldRules),
  same(source.templateTotals, target.templateTotals),
  same(source.trafficHours, target.trafficHours),
  translated(source.internalizations, target.internalizations, (rows) =>
    rows.map((row) => ({ ...row, ...columnsOf(row.plan) }))
  ),
  same(source.history, target.history),
  same(source.evaluations, target.evaluations),
  same(source.pairs, target.pairs),
  translated(source.feedback, target.feedback, withDays),
  translated(source.keptResponses, target.keptResponses, (rows) =>
    rows.map((row) => ({
      ...row,
      request: Buffer.from(row.request),
      response: Buffer.from(row.response),
    }))
  ),
  translated(source.routes, target.routes, (rows) =>
    rows.map(({ templateVersion, route }) => {
      const { internalizationId, lora } = route
      return { templateVersion, internalizationId, lora, route }
    })
  ),
  same(source.keys, target.keys),
  same(source.keySpend, target.keySpend),
  same(source.keyAccounts, target.keyAccounts),
  same(source.keySlices, target.keySlices),
  same(source.snapshots, target.snapshots),
  same(source.revisions, target.revisions),
]

/**
 * Tables whose rows are not copied one by one, each with the reason.
 * @public a test finds the tables that are neither here nor above
 */
export const NOT_COPIED: Readonly<Record<string, string>> = {
  records: 'copied with the log (copy-log.ts)',
  segments: 'copied with the log (copy-log.ts)',
  bodies: 'made anew from the bodies of the records, each once a day',
  leases: 'of the workers of the source, which are stopped',
  migrations: 'of the database itself; the target has its own',
  sqlite_sequence: 'of the database itself; its ends are set in the target (target.ts)',
}

/** Tables of the target that have a row as soon as the log has one. */
export const LOG_TABLES = ['days', 'log_end']
