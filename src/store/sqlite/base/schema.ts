/** The tables of the embedded database. */
import {
  blob,
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import type { Kit } from '../../common/kit.ts'
import { tablesOf } from '../../common/tables.ts'

export const tables = tablesOf({
  table: sqliteTable,
  index,
  uniqueIndex,
  primaryKey,
  text,
  prose: text,
  json: (name: string) => text(name, { mode: 'json' }),
  bytes: (name: string) => blob(name, { mode: 'buffer' }),
  whole: integer,
  integer,
  small: integer,
  real,
  flag: (name: string) => integer(name, { mode: 'boolean' }),
  // a number of a deleted row is never given again: a process may still know it
  numbered: (name: string) => integer(name).primaryKey({ autoIncrement: true }),
} as unknown as Kit)

/** @public read by drizzle-kit */
export const {
  dictionaries,
  records,
  bodies,
  logEnd,
  templateTotals,
  trafficHours,
  templates,
  templateLabels,
  fieldRules,
  internalizations,
  history,
  evaluations,
  pairs,
  feedback,
  keptResponses,
  routes,
  keys,
  keySpend,
  keyAccounts,
  keySlices,
  revisions,
  snapshots,
  leases,
} = tables
