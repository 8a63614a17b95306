/**
 * The tables in PostgreSQL, all in a schema of their own. They are those of the embedded database
 * (`sqlite/base/schema.ts`), with the same columns. JSON is of type `json`, because `jsonb` refuses U+0000.
 */
import { sql } from 'drizzle-orm'
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
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { FieldKind } from '../../../core/answer/field-rules.ts'
import type { FreshAnswers } from '../../../core/gate/figures.ts'
import type { JudgedAnswers } from '../../../core/judge/verdict.ts'
import type { LongLogprobs } from '../../../core/route/confidence.ts'
import type { Verdict } from '../../../core/gate/gate.ts'
import type { KeyLimits } from '../../../core/keys/issued-key.ts'
import type { InternalizationState } from '../../../core/internalization/internalization.ts'
import type {
  DrawnSide,
  FeedbackSource,
  StoredFeedback,
  Thumb,
} from '../../../core/log/feedback.ts'
import type { TrafficHour } from '../../../core/log/traffic-hours.ts'
import type { PairOutcome, Rating } from '../../../core/rollout/pair.ts'
import type { Route } from '../../../core/route/route.ts'
import type { Template } from '../../../core/template/template.ts'
import type { RecordLists, StoredPlan } from '../../common/connection.ts'

export const SCHEMA_NAME = 'promptintern'

const schema = pgSchema(SCHEMA_NAME)

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })

/** Text that a model or a person wrote. PostgreSQL's text has no U+0000: it becomes U+FFFD. */
const prose = customType<{ data: string; driverData: string }>({
  dataType: () => 'text',
  toDriver: (value) => value.replaceAll('\0', '\uFFFD'),
})

/** A safe integer, such as milliseconds since the epoch. */
const whole = (name: string) => bigint(name, { mode: 'number' })

/** Days since the epoch, UTC. */
const dayOf = () => integer('day').notNull()

/**
 * Bodies that others are stored as a difference to (`log/dictionaries.ts`), each the body of a record of its day.
 * @public read by drizzle-kit
 */
export const dictionaries = schema.table(
  'dictionaries',
  {
    id: whole('id').primaryKey().generatedAlwaysAsIdentity(),
    day: dayOf(),
    /** its record is forgotten: nothing new refers to it, and what does is stored anew */
    isRetired: boolean('is_retired').notNull().default(false),
    /** raw deflate */
    data: bytea('data').notNull(),
  },
  (table) => [
    index('dictionaries_day').on(table.day),
    index('dictionaries_retired')
      .on(table.day)
      .where(sql`is_retired`),
  ]
)

/** The log: a row is an exchange without its bodies. */
export const records = schema.table(
  'records',
  {
    /** strictly increasing, and never given again */
    sequence: whole('sequence').primaryKey(),
    id: text('id').notNull().unique(),
    day: dayOf(),
    at: whole('at').notNull(),
    templateVersion: text('template_version'),
    // see `LookUpNumbers`
    tenantNumber: integer('tenant_number').notNull(),
    outcome: smallint('outcome').notNull(),
    statusClass: smallint('status_class').notNull(),
    opening: smallint('opening'),
    /** JSON of the rest of the packed head, and of the usage */
    head: text('head').notNull(),
  },
  (table) => [
    index('records_day').on(table.day, table.sequence),
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
export const bodies = schema.table(
  'bodies',
  {
    sequence: whole('sequence').primaryKey(),
    day: dayOf(),
    requestDictionary: whole('request_dictionary'),
    request: bytea('request'),
    responseDictionary: whole('response_dictionary'),
    response: bytea('response'),
  },
  (table) => [index('bodies_day').on(table.day, table.sequence)]
)

/**
 * One row: the sequence of the newest record. An append holds the lock of the row until it commits, so sequences
 * become visible in their order. A sequence of the server would give them in another order than that of the commits,
 * and a reader that follows the log would pass a record by.
 * @public read by drizzle-kit
 */
export const logEnd = schema.table('log_end', {
  id: integer('id').primaryKey(),
  sequence: whole('sequence').notNull(),
})

/** Running totals: cheap to read, and kept when records are pruned. */
export const templateTotals = schema.table('template_totals', {
  version: text('version').primaryKey(),
  requests: whole('requests').notNull().default(0),
  bought: whole('bought').notNull().default(0),
  answered: whole('answered').notNull().default(0),
  forwarded: whole('forwarded').notNull().default(0),
  promptTokensSaved: doublePrecision('prompt_tokens_saved').notNull().default(0),
  lastSeen: whole('last_seen'),
})

/** Figures of the traffic, which have no text. Kept when records are pruned or forgotten. */
export const trafficHours = schema.table('traffic_hours', {
  /** milliseconds since the epoch, start */
  hour: whole('hour').primaryKey(),
  figures: json('figures').$type<TrafficHour>().notNull(),
})

export const templates = schema.table('templates', {
  version: text('version').primaryKey(),
  tenant: text('tenant').notNull(),
  template: json('template').$type<Template>().notNull(),
})

/** Names that people gave. Apart from the templates, which detection writes anew. */
export const templateLabels = schema.table('template_labels', {
  version: text('version').primaryKey(),
  label: prose('label').notNull(),
})

/** What operators said of fields of the answers. */
export const fieldRules = schema.table(
  'field_rules',
  {
    version: text('version').notNull(),
    path: text('path').notNull(),
    rule: json('rule').$type<FieldKind>().notNull(),
    by: text('by').notNull(),
    why: prose('why').notNull(),
    at: whole('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.version, table.path] })]
)

export const internalizations = schema.table(
  'internalizations',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    templateVersion: text('template_version').notNull(),
    stateName: text('state_name').$type<InternalizationState['name']>().notNull(),
    state: json('state').$type<InternalizationState>().notNull(),
    createdAt: whole('created_at').notNull(),
    updatedAt: whole('updated_at').notNull(),
    plan: json('plan').$type<StoredPlan>(),
    /** of the plan; most of its size, and seldom read */
    recordLists: json('record_lists').$type<RecordLists>(),
    verdict: json('verdict').$type<Verdict>(),
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

export const history = schema.table(
  'history',
  {
    id: whole('id').primaryKey().generatedAlwaysAsIdentity(),
    internalizationId: text('internalization_id')
      .notNull()
      .references(() => internalizations.id),
    at: whole('at').notNull(),
    from: json('from_state').$type<InternalizationState>(),
    to: json('to_state').$type<InternalizationState>().notNull(),
    by: text('caused_by').notNull(),
    note: prose('note'),
  },
  (table) => [index('history_internalization').on(table.internalizationId)]
)

export const evaluations = schema.table(
  'evaluations',
  {
    internalizationId: text('internalization_id')
      .notNull()
      .references(() => internalizations.id),
    arm: integer('arm').notNull(),
    recordId: text('record_id').notNull(),
    answer: prose('answer').notNull(),
    logprobSum: doublePrecision('logprob_sum').notNull(),
    logprobMin: doublePrecision('logprob_min').notNull(),
    longLogprobs: json('long_logprobs').$type<LongLogprobs>(),
    agrees: boolean('agrees').notNull(),
    agreesToday: boolean('agrees_today'),
    deferred: prose('deferred'),
    upstreamAnswer: prose('upstream_answer'),
    secondAnswer: prose('second_answer'),
    fresh: json('fresh').$type<FreshAnswers>(),
    judged: json('judged').$type<JudgedAnswers>(),
  },
  (table) => [
    primaryKey({ columns: [table.internalizationId, table.arm, table.recordId] }),
    index('evaluations_record').on(table.recordId),
  ]
)

/** Audited requests: first they wait for the lora's answer, then they are pairs. */
export const pairs = schema.table(
  'pairs',
  {
    place: whole('place').primaryKey().generatedAlwaysAsIdentity(),
    /** null after the record was forgotten */
    recordId: text('record_id').unique(),
    lora: text('lora').notNull(),
    at: whole('at').notNull(),
    /** part of its stage's audits that were made when it was drawn, in (0, 1] */
    drawn: doublePrecision('drawn').notNull(),
    /** null while it waits */
    outcome: text('outcome').$type<PairOutcome>(),
    reason: prose('reason'),
    conversation: text('conversation').notNull().default(''),
    answer: prose('answer').notNull().default(''),
    parts: json('parts').$type<number[]>().notNull().default([]),
    isEqual: boolean('is_equal').notNull().default(false),
    confidence: doublePrecision('confidence'),
    upstreamAnswer: prose('upstream_answer'),
    chars: integer('chars').notNull().default(0),
    isNewLabel: boolean('is_new_label'),
    upstreamModel: prose('upstream_model'),
    costUsd: doublePrecision('cost_usd'),
    rating: text('rating').$type<Rating>(),
    ratedAt: whole('rated_at'),
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
export const feedback = schema.table(
  'feedback',
  {
    place: whole('place').primaryKey().generatedAlwaysAsIdentity(),
    recordId: text('record_id').notNull(),
    /** of the record */
    day: dayOf(),
    by: text('given_by').$type<FeedbackSource>().notNull(),
    /** of the live route that the request matched */
    lora: text('lora'),
    answeredBy: text('answered_by').$type<StoredFeedback['answeredBy']>().notNull(),
    /** that the record was drawn for; this, the conversation and the time are null where it was for none */
    side: text('side').$type<DrawnSide>(),
    conversation: text('conversation'),
    /** when the record was first rated */
    firstAt: whole('first_at'),
    rating: text('rating').$type<Thumb>().notNull(),
    comment: prose('comment'),
    at: whole('at').notNull(),
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
export const keptResponses = schema.table(
  'kept_responses',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    at: whole('at').notNull(),
    /** of both bodies */
    bytes: integer('bytes').notNull(),
    request: bytea('request').notNull(),
    response: bytea('response').notNull(),
  },
  (table) => [
    index('kept_responses_tenant').on(table.tenant, table.at, table.id, table.bytes),
    index('kept_responses_at').on(table.at),
  ]
)

export const routes = schema.table('routes', {
  templateVersion: text('template_version').primaryKey(),
  internalizationId: text('internalization_id').notNull(),
  lora: text('lora').notNull(),
  route: json('route').$type<Route>().notNull(),
})

/** Issued keys; revoked keys stay. */
export const keys = schema.table('keys', {
  id: text('id').primaryKey(),
  name: prose('name').notNull(),
  /** SHA-256 of the secret, hex digits */
  hash: text('hash').notNull().unique(),
  tenant: text('tenant').notNull(),
  limits: json('limits').$type<KeyLimits>().notNull(),
  createdAt: whole('created_at').notNull(),
  revokedAt: whole('revoked_at'),
})

/** Use of a key on a day. Not a foreign key: spending stays when the key is removed. */
export const keySpend = schema.table(
  'key_spend',
  {
    keyId: text('key_id').notNull(),
    day: dayOf(),
    requests: whole('requests').notNull(),
    tokens: doublePrecision('tokens').notNull(),
    usd: doublePrecision('usd').notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyId, table.day] })]
)

/** What is left of a key's rates for all proxies. Its row is the lock of the key's slices. */
export const keyAccounts = schema.table('key_accounts', {
  keyId: text('key_id').primaryKey(),
  /** levels of the buckets; null: full, or without a limit */
  requests: doublePrecision('requests'),
  tokens: doublePrecision('tokens'),
  filledAt: whole('filled_at').notNull(),
})

/** Money that a proxy holds for running requests and for further ones. */
export const keySlices = schema.table(
  'key_slices',
  {
    keyId: text('key_id').notNull(),
    holder: text('holder').notNull(),
    usd: doublePrecision('usd').notNull(),
    renewedAt: whole('renewed_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyId, table.holder] })]
)

/** A counter for each kind of change, which other processes poll. */
export const revisions = schema.table('revisions', {
  name: text('name').primaryKey(),
  value: whole('value').notNull(),
})

export const snapshots = schema.table('snapshots', {
  name: text('name').primaryKey(),
  value: bytea('value').notNull(),
})

/**
 * Who may do which work, until when. Rows stay, so that an epoch is never given twice.
 * @public for the migrations; the statements are plain SQL
 */
export const leases = schema.table('leases', {
  name: text('name').primaryKey(),
  epoch: whole('epoch').notNull(),
  holder: text('holder').notNull(),
  /** by the clock of the server */
  endsAt: timestamp('ends_at', { withTimezone: true }).notNull(),
})
