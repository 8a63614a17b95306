/**
 * The tables in PostgreSQL, all in a schema of their own. JSON is of type `json`, because `jsonb` refuses U+0000, and
 * text of models and people has U+FFFD in its place, which PostgreSQL's text does not have.
 */
import {
  bigint,
  boolean,
  customType,
  doublePrecision,
  index,
  integer,
  json,
  pgSchema,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { Kit } from '../../common/kit.ts'
import { tablesOf } from '../../common/tables.ts'

export const SCHEMA_NAME = 'promptintern'

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })

const prose = customType<{ data: string; driverData: string }>({
  dataType: () => 'text',
  toDriver: (value) => value.replaceAll('\0', '\uFFFD'),
})

const whole = (name: string) => bigint(name, { mode: 'number' })

export const tables = tablesOf({
  table: pgSchema(SCHEMA_NAME).table,
  index,
  uniqueIndex,
  primaryKey,
  text,
  prose: prose as unknown as Kit['prose'],
  json,
  bytes: bytea,
  whole,
  integer,
  small: smallint,
  real: doublePrecision,
  flag: boolean,
  numbered: (name) => whole(name).primaryKey().generatedAlwaysAsIdentity(),
})

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
