/**
 * The tables of the embedded database. A record row is small and fixed; its request and response
 * lie in `bodies`, one row per whole text however often it occurs. Every index is paid with each
 * record of the log, so those that most rows do not need are partial. Columns in JSON hold the domain types as they are.
 */
import { sql } from 'drizzle-orm'
import {
  blob,
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  text,
  uniqueIndex,
  type AnySQLiteColumn,
} from 'drizzle-orm/sqlite-core'
import type { Verdict } from '../../core/gate.ts'
import type { InternalizationPlan, InternalizationState } from '../../core/internalization.ts'
import type { RouteOutcome } from '../../core/record.ts'
import type { Route } from '../../core/route.ts'
import type { Template } from '../../core/template.ts'
import type { Usage } from '../../openai/chat.ts'

/** Compressed texts; how the columns make up a text is `body-codec.ts`. */
export const bodies = sqliteTable(
  'bodies',
  {
    id: integer('id').primaryKey(),
    /** SHA-256 of a whole text; a difference has none, since finding it again costs more than it */
    digest: blob('digest', { mode: 'buffer' }),
    /** the body that this one is a difference to; that one has none itself */
    base: integer('base').references((): AnySQLiteColumn => bodies.id),
    prefixBytes: integer('prefix_bytes').notNull(),
    suffixBytes: integer('suffix_bytes').notNull(),
    data: blob('data', { mode: 'buffer' }).notNull(),
  },
  (table) => [
    uniqueIndex('bodies_digest')
      .on(table.digest)
      .where(sql`digest is not null`),
    index('bodies_base')
      .on(table.base)
      .where(sql`base is not null`),
  ]
)

export const records = sqliteTable(
  'records',
  {
    // autoincrement: a sequence is a cursor, so a pruned one is never given again
    sequence: integer('sequence').primaryKey({ autoIncrement: true }),
    id: text('id').notNull().unique(),
    at: integer('at').notNull(),
    tenant: text('tenant').notNull(),
    model: text('model').notNull(),
    path: text('path').notNull(),
    streamed: integer('streamed', { mode: 'boolean' }).notNull(),
    status: integer('status').notNull(),
    firstByteMs: real('first_byte_ms'),
    durationMs: real('duration_ms').notNull(),
    /** null once pruned */
    requestBody: integer('request_body').references(() => bodies.id),
    responseBody: integer('response_body').references(() => bodies.id),
    usage: text('usage', { mode: 'json' }).$type<Usage>(),
    route: text('route', { mode: 'json' }).$type<RouteOutcome>(),
    templateVersion: text('template_version'),
  },
  (table) => [
    index('records_at').on(table.at),
    index('records_at_with_bodies')
      .on(table.at)
      .where(sql`request_body is not null`),
    index('records_template')
      .on(table.templateVersion, table.sequence)
      .where(sql`template_version is not null`),
    index('records_request_body').on(table.requestBody),
    index('records_response_body').on(table.responseBody),
  ]
)

/** Running totals, so that they cost nothing to read and outlive pruned records. */
export const templateTotals = sqliteTable('template_totals', {
  version: text('version').primaryKey(),
  requests: integer('requests').notNull().default(0),
  answered: integer('answered').notNull().default(0),
  fallbacks: integer('fallbacks').notNull().default(0),
  promptTokensSaved: integer('prompt_tokens_saved').notNull().default(0),
  savedUsd: real('saved_usd').notNull().default(0),
  lastSeen: integer('last_seen'),
})

export const templates = sqliteTable('templates', {
  version: text('version').primaryKey(),
  tenant: text('tenant').notNull(),
  template: text('template', { mode: 'json' }).$type<Template>().notNull(),
})

export const internalizations = sqliteTable(
  'internalizations',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    templateVersion: text('template_version').notNull(),
    stateName: text('state_name').$type<InternalizationState['name']>().notNull(),
    state: text('state', { mode: 'json' }).$type<InternalizationState>().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    plan: text('plan', { mode: 'json' }).$type<InternalizationPlan>(),
    verdict: text('verdict', { mode: 'json' }).$type<Verdict>(),
    revision: integer('revision').notNull(),
  },
  (table) => [
    index('internalizations_template').on(table.templateVersion),
    // one piece of work per template version, whoever starts it
    uniqueIndex('internalizations_in_work')
      .on(table.templateVersion)
      .where(sql`state_name in ('candidate', 'training', 'evaluating', 'approval')`),
  ]
)

export const history = sqliteTable(
  'history',
  {
    id: integer('id').primaryKey(),
    internalizationId: text('internalization_id')
      .notNull()
      .references(() => internalizations.id),
    at: integer('at').notNull(),
    from: text('from_state', { mode: 'json' }).$type<InternalizationState>(),
    to: text('to_state', { mode: 'json' }).$type<InternalizationState>().notNull(),
    by: text('caused_by').notNull(),
  },
  (table) => [index('history_internalization').on(table.internalizationId)]
)

export const evaluations = sqliteTable(
  'evaluations',
  {
    internalizationId: text('internalization_id')
      .notNull()
      .references(() => internalizations.id),
    arm: integer('arm').notNull(),
    recordId: text('record_id').notNull(),
    answer: text('answer').notNull(),
    logprobSum: real('logprob_sum').notNull(),
    logprobMin: real('logprob_min').notNull(),
    similarity: real('similarity').notNull(),
    upstreamAnswer: text('upstream_answer'),
    upstreamSimilarity: real('upstream_similarity'),
  },
  (table) => [primaryKey({ columns: [table.internalizationId, table.arm, table.recordId] })]
)

export const routes = sqliteTable('routes', {
  templateVersion: text('template_version').primaryKey(),
  route: text('route', { mode: 'json' }).$type<Route>().notNull(),
})

/** One row a kind of change, raised with it: how other processes notice. */
export const revisions = sqliteTable('revisions', {
  name: text('name').primaryKey(),
  value: integer('value').notNull(),
})

export const snapshots = sqliteTable('snapshots', {
  name: text('name').primaryKey(),
  value: blob('value', { mode: 'buffer' }).notNull(),
})
