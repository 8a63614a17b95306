/**
 * The tables of the embedded database. They are those of PostgreSQL (`postgres/base/schema.ts`), with the same columns:
 * most statements are written once for both. JSON columns hold domain types unchanged.
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
import type { FieldKind } from '../../../core/answer/field-rules.ts'
import type { FreshAnswers } from '../../../core/gate/figures.ts'
import type { JudgedAnswers } from '../../../core/judge/verdict.ts'
import type { LongLogprobs } from '../../../core/route/confidence.ts'
import type { Verdict } from '../../../core/gate/gate.ts'
import type { InternalizationState } from '../../../core/internalization/internalization.ts'
import type {
  DrawnSide,
  FeedbackSource,
  StoredFeedback,
  Thumb,
} from '../../../core/log/feedback.ts'
import type { TrafficHour } from '../../../core/log/traffic-hours.ts'
import type { KeyLimits } from '../../../core/keys/issued-key.ts'
import type { PairOutcome, Rating } from '../../../core/rollout/pair.ts'
import type { Route } from '../../../core/route/route.ts'
import type { Template } from '../../../core/template/template.ts'
import type { RecordLists, StoredPlan } from '../../common/connection.ts'

/**
 * Bodies that others are stored as a difference to (`log/dictionaries.ts`), each the body of a record of its day.
 * @public read by drizzle-kit
 */
export const dictionaries = sqliteTable(
  'dictionaries',
  {
    // never given again: a process may still know a deleted one
    id: integer('id').primaryKey({ autoIncrement: true }),
    /** since the epoch, UTC */
    day: integer('day').notNull(),
    /** its record is forgotten: nothing new refers to it, and what does is stored anew */
    isRetired: integer('is_retired', { mode: 'boolean' }).notNull().default(false),
    /** raw deflate */
    data: blob('data', { mode: 'buffer' }).notNull(),
  },
  (table) => [index('dictionaries_day').on(table.day)]
)

/** The log: a row is an exchange without its bodies. */
export const records = sqliteTable(
  'records',
  {
    /** strictly increasing, and never given again */
    sequence: integer('sequence').primaryKey(),
    id: text('id').notNull().unique(),
    day: integer('day').notNull(),
    at: integer('at').notNull(),
    templateVersion: text('template_version'),
    // see `LookUpNumbers`
    tenantNumber: integer('tenant_number').notNull(),
    outcome: integer('outcome').notNull(),
    statusClass: integer('status_class').notNull(),
    opening: integer('opening'),
    /** JSON of the rest of the packed head, and of the usage */
    head: text('head').notNull(),
  },
  (table) => [
    index('records_day').on(table.day),
    index('records_template')
      .on(table.templateVersion, table.sequence)
      .where(sql`template_version is not null`),
    index('records_tenant').on(table.tenantNumber, table.sequence),
    index('records_outcome').on(table.outcome, table.sequence),
    // most are 2xx
    index('records_status')
      .on(table.statusClass, table.sequence)
      .where(sql`status_class <> 2`),
  ]
)

/**
 * The bodies of the records, in the forms of `log/dictionaries.ts`. Apart from them, because they are deleted earlier.
 * @public read by drizzle-kit
 */
export const bodies = sqliteTable(
  'bodies',
  {
    sequence: integer('sequence').primaryKey(),
    day: integer('day').notNull(),
    requestDictionary: integer('request_dictionary'),
    request: blob('request', { mode: 'buffer' }),
    responseDictionary: integer('response_dictionary'),
    response: blob('response', { mode: 'buffer' }),
  },
  (table) => [index('bodies_day').on(table.day)]
)

/**
 * One row: the sequence of the newest record.
 * @public read by drizzle-kit
 */
export const logEnd = sqliteTable('log_end', {
  id: integer('id').primaryKey(),
  sequence: integer('sequence').notNull(),
})

/** Running totals: cheap to read, and kept when records are pruned. */
export const templateTotals = sqliteTable('template_totals', {
  version: text('version').primaryKey(),
  requests: integer('requests').notNull().default(0),
  bought: integer('bought').notNull().default(0),
  answered: integer('answered').notNull().default(0),
  forwarded: integer('forwarded').notNull().default(0),
  promptTokensSaved: integer('prompt_tokens_saved').notNull().default(0),
  lastSeen: integer('last_seen'),
})

/** Figures of the traffic, which have no text. Kept when records are pruned or forgotten. */
export const trafficHours = sqliteTable('traffic_hours', {
  /** milliseconds since the epoch, start */
  hour: integer('hour').primaryKey(),
  figures: text('figures', { mode: 'json' }).$type<TrafficHour>().notNull(),
})

export const templates = sqliteTable('templates', {
  version: text('version').primaryKey(),
  tenant: text('tenant').notNull(),
  template: text('template', { mode: 'json' }).$type<Template>().notNull(),
})

/** Names that people gave. Apart from the templates, which detection writes anew. */
export const templateLabels = sqliteTable('template_labels', {
  version: text('version').primaryKey(),
  label: text('label').notNull(),
})

/** What operators said of fields of the answers. */
export const fieldRules = sqliteTable(
  'field_rules',
  {
    version: text('version').notNull(),
    path: text('path').notNull(),
    rule: text('rule', { mode: 'json' }).$type<FieldKind>().notNull(),
    by: text('by').notNull(),
    why: text('why').notNull(),
    at: integer('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.version, table.path] })]
)

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
    plan: text('plan', { mode: 'json' }).$type<StoredPlan>(),
    /** of the plan; most of its size, and seldom read */
    recordLists: text('record_lists', { mode: 'json' }).$type<RecordLists>(),
    verdict: text('verdict', { mode: 'json' }).$type<Verdict>(),
    revision: integer('revision').notNull(),
  },
  (table) => [
    index('internalizations_template').on(table.templateVersion),
    // at most one internalization in work per template version
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
    note: text('note'),
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
    longLogprobs: text('long_logprobs', { mode: 'json' }).$type<LongLogprobs>(),
    agrees: integer('agrees', { mode: 'boolean' }).notNull(),
    agreesToday: integer('agrees_today', { mode: 'boolean' }),
    deferred: text('deferred'),
    upstreamAnswer: text('upstream_answer'),
    secondAnswer: text('second_answer'),
    fresh: text('fresh', { mode: 'json' }).$type<FreshAnswers>(),
    judged: text('judged', { mode: 'json' }).$type<JudgedAnswers>(),
  },
  (table) => [
    primaryKey({ columns: [table.internalizationId, table.arm, table.recordId] }),
    index('evaluations_record').on(table.recordId),
  ]
)

/** Audited requests: first they wait for the lora's answer, then they are pairs. */
export const pairs = sqliteTable(
  'pairs',
  {
    place: integer('place').primaryKey({ autoIncrement: true }),
    /** null after the record was forgotten */
    recordId: text('record_id').unique(),
    lora: text('lora').notNull(),
    at: integer('at').notNull(),
    /** part of its stage's audits that were made when it was drawn, in (0, 1] */
    drawn: real('drawn').notNull(),
    /** null while it waits */
    outcome: text('outcome').$type<PairOutcome>(),
    reason: text('reason'),
    conversation: text('conversation').notNull().default(''),
    answer: text('answer').notNull().default(''),
    parts: text('parts', { mode: 'json' }).$type<number[]>().notNull().default([]),
    isEqual: integer('is_equal', { mode: 'boolean' }).notNull().default(false),
    confidence: real('confidence'),
    upstreamAnswer: text('upstream_answer'),
    chars: integer('chars').notNull().default(0),
    isNewLabel: integer('is_new_label', { mode: 'boolean' }),
    upstreamModel: text('upstream_model'),
    costUsd: real('cost_usd'),
    rating: text('rating').$type<Rating>(),
    ratedAt: integer('rated_at'),
  },
  (table) => [
    index('pairs_lora').on(table.lora, table.place),
    index('pairs_waiting')
      .on(table.lora)
      .where(sql`outcome is null`),
    index('pairs_at').on(table.at),
    // the newest of one outcome, which may be rare
    index('pairs_outcome')
      .on(table.lora, table.outcome, table.place)
      .where(sql`outcome is not null`),
    // has all that a sum of costs reads
    index('pairs_cost')
      .on(table.at, table.costUsd, table.drawn)
      .where(sql`cost_usd is not null`),
    index('pairs_rated')
      .on(table.place)
      .where(sql`rating is not null`),
  ]
)

/** Ratings of the answers that clients got. Deleted with their records. */
export const feedback = sqliteTable(
  'feedback',
  {
    place: integer('place').primaryKey({ autoIncrement: true }),
    recordId: text('record_id').notNull(),
    /** of the record */
    day: integer('day').notNull(),
    by: text('given_by').$type<FeedbackSource>().notNull(),
    /** of the live route that the request matched */
    lora: text('lora'),
    answeredBy: text('answered_by').$type<StoredFeedback['answeredBy']>().notNull(),
    /** that the record was drawn for; this, the conversation and the time are null where it was for none */
    side: text('side').$type<DrawnSide>(),
    conversation: text('conversation'),
    /** when the record was first rated */
    firstAt: integer('first_at'),
    rating: text('rating').$type<Thumb>().notNull(),
    comment: text('comment'),
    at: integer('at').notNull(),
  },
  (table) => [
    uniqueIndex('feedback_record').on(table.recordId, table.by),
    index('feedback_day').on(table.day),
    index('feedback_lora')
      .on(table.lora, table.place)
      .where(sql`lora is not null`),
  ]
)

/** Answers of loras by the Responses API, under the ids of their records. Bodies are exact: as bytes. */
export const keptResponses = sqliteTable(
  'kept_responses',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    at: integer('at').notNull(),
    /** of both bodies */
    bytes: integer('bytes').notNull(),
    request: blob('request', { mode: 'buffer' }).notNull(),
    response: blob('response', { mode: 'buffer' }).notNull(),
  },
  (table) => [
    index('kept_responses_tenant').on(table.tenant, table.at, table.id, table.bytes),
    index('kept_responses_at').on(table.at),
  ]
)

export const routes = sqliteTable('routes', {
  templateVersion: text('template_version').primaryKey(),
  internalizationId: text('internalization_id').notNull(),
  lora: text('lora').notNull(),
  route: text('route', { mode: 'json' }).$type<Route>().notNull(),
})

/** Issued keys; revoked keys stay. */
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

/** Use of a key on a day. Not a foreign key: spending stays when the key is removed. */
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

/** What is left of a key's rates for all proxies. */
export const keyAccounts = sqliteTable('key_accounts', {
  keyId: text('key_id').primaryKey(),
  /** levels of the buckets; null: full, or without a limit */
  requests: real('requests'),
  tokens: real('tokens'),
  /** milliseconds since the epoch */
  filledAt: integer('filled_at').notNull(),
})

/** Money that a proxy holds for running requests and for further ones. */
export const keySlices = sqliteTable(
  'key_slices',
  {
    keyId: text('key_id').notNull(),
    holder: text('holder').notNull(),
    usd: real('usd').notNull(),
    /** milliseconds since the epoch */
    renewedAt: integer('renewed_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyId, table.holder] })]
)

/** A counter for each kind of change, which other processes poll. */
export const revisions = sqliteTable('revisions', {
  name: text('name').primaryKey(),
  value: integer('value').notNull(),
})

export const snapshots = sqliteTable('snapshots', {
  name: text('name').primaryKey(),
  value: blob('value', { mode: 'buffer' }).notNull(),
})

/** Who may do which work, until when. Rows stay, so that an epoch is never given twice. */
export const leases = sqliteTable('leases', {
  name: text('name').primaryKey(),
  epoch: integer('epoch').notNull(),
  holder: text('holder').notNull(),
  /** milliseconds since the epoch */
  endsAt: integer('ends_at').notNull(),
})
