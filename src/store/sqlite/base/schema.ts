/**
 * The tables of the embedded database. The log is written with every request, so it is cheap: the
 * records of one write are one row of `segments`, a text that recurs is one row of `bodies`, and a
 * record of its own has only what it is looked up by. Columns in JSON hold the domain types as they
 * are.
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
} from 'drizzle-orm/sqlite-core'
import type { Verdict } from '../../../core/gate/gate.ts'
import type {
  InternalizationPlan,
  InternalizationState,
} from '../../../core/lifecycle/internalization.ts'
import type { KeyLimits } from '../../../core/keys/issued-key.ts'
import type { Route } from '../../../core/route/route.ts'
import type { Template } from '../../../core/template/template.ts'

/** Whole texts, each once: what the segments' texts are, or are differences to. */
export const bodies = sqliteTable(
  'bodies',
  {
    id: integer('id').primaryKey(),
    /** SHA-256 of the text */
    digest: blob('digest', { mode: 'buffer' }).notNull().unique(),
    /** when the newest record was that needs it */
    newestAt: integer('newest_at').notNull(),
    /** raw deflate */
    data: blob('data', { mode: 'buffer' }).notNull(),
  },
  (table) => [index('bodies_newest_at').on(table.newestAt)]
)

/** The log itself: a row holds the records of one write (`segment-codec.ts`). */
export const segments = sqliteTable(
  'segments',
  {
    // autoincrement: sequences are made of it, so a pruned one is never given again
    id: integer('id').primaryKey({ autoIncrement: true }),
    oldestAt: integer('oldest_at').notNull(),
    /** of the records whose bodies are there; null when none are */
    oldestBodyAt: integer('oldest_body_at'),
    data: blob('data', { mode: 'buffer' }).notNull(),
  },
  (table) => [
    index('segments_oldest_at').on(table.oldestAt),
    index('segments_oldest_body_at')
      .on(table.oldestBodyAt)
      .where(sql`oldest_body_at is not null`),
  ]
)

/** What records are looked up by. */
export const records = sqliteTable(
  'records',
  {
    /** segment and place in it (`segment-codec.ts`) */
    sequence: integer('sequence').primaryKey(),
    id: text('id').notNull().unique(),
    at: integer('at').notNull(),
    /** status 2xx and a response that is there */
    answered: integer('answered', { mode: 'boolean' }).notNull(),
    templateVersion: text('template_version'),
  },
  (table) => [
    index('records_template')
      .on(table.templateVersion, table.sequence)
      .where(sql`template_version is not null`),
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
    deferred: text('deferred'),
    upstreamAnswer: text('upstream_answer'),
    upstreamSimilarity: real('upstream_similarity'),
  },
  (table) => [primaryKey({ columns: [table.internalizationId, table.arm, table.recordId] })]
)

export const routes = sqliteTable('routes', {
  templateVersion: text('template_version').primaryKey(),
  route: text('route', { mode: 'json' }).$type<Route>().notNull(),
})

/** Keys that the proxy issued; revoked ones stay. */
export const keys = sqliteTable('keys', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  /** SHA-256 of the secret, hex digits */
  hash: text('hash').notNull().unique(),
  tenant: text('tenant').notNull(),
  limits: text('limits', { mode: 'json' }).$type<KeyLimits>().notNull(),
  createdAt: integer('created_at').notNull(),
  revokedAt: integer('revoked_at'),
})

/** What a key used in a day. No reference: what was spent counts, whatever becomes of its key. */
export const keySpend = sqliteTable(
  'key_spend',
  {
    keyId: text('key_id').notNull(),
    /** since the epoch, UTC */
    day: integer('day').notNull(),
    requests: integer('requests').notNull(),
    tokens: integer('tokens').notNull(),
    usd: real('usd').notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyId, table.day] })]
)

/** One row a kind of change, raised with it: how other processes notice. */
export const revisions = sqliteTable('revisions', {
  name: text('name').primaryKey(),
  value: integer('value').notNull(),
})

export const snapshots = sqliteTable('snapshots', {
  name: text('name').primaryKey(),
  value: blob('value', { mode: 'buffer' }).notNull(),
})
