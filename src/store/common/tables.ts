/** The tables, described once for both databases. JSON columns hold domain types unchanged. */
import { sql } from 'drizzle-orm'
import type { FieldKind } from '../../core/answer/field-rules.ts'
import type { FreshAnswers } from '../../core/gate/figures.ts'
import type { JudgedAnswers } from '../../core/judge/verdict.ts'
import type { LongLogprobs } from '../../core/route/confidence.ts'
import type { Verdict } from '../../core/gate/gate.ts'
import type { KeyLimits } from '../../core/keys/issued-key.ts'
import type {
  InternalizationPlan,
  InternalizationState,
} from '../../core/internalization/internalization.ts'
import type { DrawnSide, FeedbackSource, StoredFeedback, Thumb } from '../../core/log/feedback.ts'
import type { TrafficHour } from '../../core/log/traffic-hours.ts'
import type { PairOutcome, Rating } from '../../core/rollout/pair.ts'
import type { Route } from '../../core/route/route.ts'
import type { Template } from '../../core/template/template.ts'

import type { Kit } from './kit.ts'

/** Ids of records in a plan. */
export const RECORD_LISTS = ['trainRecordIds', 'holdoutRecordIds', 'unseenRecordIds'] as const
export type RecordLists = Partial<Pick<InternalizationPlan, (typeof RECORD_LISTS)[number]>>
export type StoredPlan = Omit<InternalizationPlan, keyof RecordLists>

// oxlint-disable-next-line max-lines-per-function -- a list
export const tablesOf = (kit: Kit) => {
  const internalizations = kit.table(
    'internalizations',
    {
      id: kit.text('id').primaryKey(),
      tenant: kit.text('tenant').notNull(),
      templateVersion: kit.text('template_version').notNull(),
      stateName: kit.text('state_name').$type<InternalizationState['name']>().notNull(),
      state: kit.json('state').$type<InternalizationState>().notNull(),
      createdAt: kit.whole('created_at').notNull(),
      updatedAt: kit.whole('updated_at').notNull(),
      plan: kit.json('plan').$type<StoredPlan>(),
      /** of the plan; most of its size, and seldom read */
      recordLists: kit.json('record_lists').$type<RecordLists>(),
      verdict: kit.json('verdict').$type<Verdict>(),
      revision: kit.integer('revision').notNull(),
    },
    (table) => [
      kit.index('internalizations_template').on(table.templateVersion),
      // at most one internalization in work per template version
      kit
        .uniqueIndex('internalizations_in_work')
        .on(table.templateVersion)
        .where(sql`state_name in ('candidate', 'training', 'evaluating', 'approval')`),
    ]
  )
  return {
    /**
     * Bodies that others are stored as a difference to (`log/dictionaries.ts`), each the body of a record of its day.
     */
    dictionaries: kit.table(
      'dictionaries',
      {
        id: kit.numbered('id'),
        day: kit.integer('day').notNull(),
        /** its record is forgotten: nothing new refers to it, and what does is stored anew */
        isRetired: kit.flag('is_retired').notNull().default(false),
        /** raw deflate */
        data: kit.bytes('data').notNull(),
      },
      (table) => [
        kit.index('dictionaries_day').on(table.day),
        kit
          .index('dictionaries_retired')
          .on(table.day)
          .where(sql`is_retired`),
      ]
    ),
    /** The log: a row is an exchange without its bodies. */
    records: kit.table(
      'records',
      {
        /** strictly increasing, and never given again */
        sequence: kit.whole('sequence').primaryKey(),
        id: kit.text('id').notNull().unique(),
        day: kit.integer('day').notNull(),
        at: kit.whole('at').notNull(),
        templateVersion: kit.text('template_version'),
        // see `LookUpNumbers`
        tenantNumber: kit.integer('tenant_number').notNull(),
        outcome: kit.small('outcome').notNull(),
        statusClass: kit.small('status_class').notNull(),
        opening: kit.small('opening'),
        /** JSON of the rest of the packed head, and of the usage */
        head: kit.text('head').notNull(),
      },
      (table) => [
        kit.index('records_day').on(table.day, table.sequence),
        kit
          .index('records_template')
          .on(table.templateVersion, table.sequence)
          .where(sql`template_version is not null`),
        kit.index('records_tenant').on(table.tenantNumber, table.sequence),
        kit.index('records_outcome').on(table.outcome, table.sequence),
        // most are 2xx
        kit
          .index('records_status')
          .on(table.statusClass, table.sequence)
          .where(sql`status_class <> 2`),
      ]
    ),
    /**
     * The bodies of the records, in the forms of `log/dictionaries.ts`. Apart from them, because they are deleted earlier.
     */
    bodies: kit.table(
      'bodies',
      {
        sequence: kit.whole('sequence').primaryKey(),
        day: kit.integer('day').notNull(),
        requestDictionary: kit.whole('request_dictionary'),
        request: kit.bytes('request'),
        responseDictionary: kit.whole('response_dictionary'),
        response: kit.bytes('response'),
      },
      (table) => [kit.index('bodies_day').on(table.day, table.sequence)]
    ),
    /**
     * One row: the sequence of the newest record. An append holds the lock of the row until it commits, so sequences
     * become visible in their order. A sequence of the server would give them in another order than that of the commits,
     * and a reader that follows the log would pass a record by.
     */
    logEnd: kit.table('log_end', {
      id: kit.integer('id').primaryKey(),
      sequence: kit.whole('sequence').notNull(),
    }),
    /** Running totals: cheap to read, and kept when records are pruned. */
    templateTotals: kit.table('template_totals', {
      version: kit.text('version').primaryKey(),
      requests: kit.whole('requests').notNull().default(0),
      bought: kit.whole('bought').notNull().default(0),
      answered: kit.whole('answered').notNull().default(0),
      forwarded: kit.whole('forwarded').notNull().default(0),
      promptTokensSaved: kit.real('prompt_tokens_saved').notNull().default(0),
      lastSeen: kit.whole('last_seen'),
    }),
    /** Figures of the traffic, which have no text. Kept when records are pruned or forgotten. */
    trafficHours: kit.table('traffic_hours', {
      /** milliseconds since the epoch, start */
      hour: kit.whole('hour').primaryKey(),
      figures: kit.json('figures').$type<TrafficHour>().notNull(),
    }),
    templates: kit.table('templates', {
      version: kit.text('version').primaryKey(),
      tenant: kit.text('tenant').notNull(),
      template: kit.json('template').$type<Template>().notNull(),
    }),
    /** Names that people gave. Apart from the templates, which detection writes anew. */
    templateLabels: kit.table('template_labels', {
      version: kit.text('version').primaryKey(),
      label: kit.prose('label').notNull(),
    }),
    /** What operators said of fields of the answers. */
    fieldRules: kit.table(
      'field_rules',
      {
        version: kit.text('version').notNull(),
        path: kit.text('path').notNull(),
        rule: kit.json('rule').$type<FieldKind>().notNull(),
        by: kit.text('by').notNull(),
        why: kit.prose('why').notNull(),
        at: kit.whole('at').notNull(),
      },
      (table) => [kit.primaryKey({ columns: [table.version, table.path] })]
    ),
    internalizations,
    history: kit.table(
      'history',
      {
        id: kit.numbered('id'),
        internalizationId: kit
          .text('internalization_id')
          .notNull()
          .references(() => internalizations.id),
        at: kit.whole('at').notNull(),
        from: kit.json('from_state').$type<InternalizationState>(),
        to: kit.json('to_state').$type<InternalizationState>().notNull(),
        by: kit.text('caused_by').notNull(),
        note: kit.prose('note'),
      },
      (table) => [kit.index('history_internalization').on(table.internalizationId)]
    ),
    evaluations: kit.table(
      'evaluations',
      {
        internalizationId: kit
          .text('internalization_id')
          .notNull()
          .references(() => internalizations.id),
        arm: kit.integer('arm').notNull(),
        recordId: kit.text('record_id').notNull(),
        answer: kit.prose('answer').notNull(),
        logprobSum: kit.real('logprob_sum').notNull(),
        logprobMin: kit.real('logprob_min').notNull(),
        longLogprobs: kit.json('long_logprobs').$type<LongLogprobs>(),
        agrees: kit.flag('agrees').notNull(),
        agreesToday: kit.flag('agrees_today'),
        deferred: kit.prose('deferred'),
        upstreamAnswer: kit.prose('upstream_answer'),
        secondAnswer: kit.prose('second_answer'),
        fresh: kit.json('fresh').$type<FreshAnswers>(),
        judged: kit.json('judged').$type<JudgedAnswers>(),
      },
      (table) => [
        kit.primaryKey({ columns: [table.internalizationId, table.arm, table.recordId] }),
        kit.index('evaluations_record').on(table.recordId),
      ]
    ),
    /** Audited requests: first they wait for the lora's answer, then they are pairs. */
    pairs: kit.table(
      'pairs',
      {
        place: kit.numbered('place'),
        /** null after the record was forgotten */
        recordId: kit.text('record_id').unique(),
        lora: kit.text('lora').notNull(),
        at: kit.whole('at').notNull(),
        /** part of its stage's audits that were made when it was drawn, in (0, 1] */
        drawn: kit.real('drawn').notNull(),
        /** null while it waits */
        outcome: kit.text('outcome').$type<PairOutcome>(),
        reason: kit.prose('reason'),
        conversation: kit.text('conversation').notNull().default(''),
        answer: kit.prose('answer').notNull().default(''),
        parts: kit.json('parts').$type<number[]>().notNull().default([]),
        isEqual: kit.flag('is_equal').notNull().default(false),
        confidence: kit.real('confidence'),
        upstreamAnswer: kit.prose('upstream_answer'),
        chars: kit.integer('chars').notNull().default(0),
        isNewLabel: kit.flag('is_new_label'),
        upstreamModel: kit.prose('upstream_model'),
        costUsd: kit.real('cost_usd'),
        rating: kit.text('rating').$type<Rating>(),
        ratedAt: kit.whole('rated_at'),
      },
      (table) => [
        kit.index('pairs_lora').on(table.lora, table.place),
        kit
          .index('pairs_waiting')
          .on(table.lora)
          .where(sql`outcome is null`),
        kit.index('pairs_at').on(table.at),
        // the newest of one outcome, which may be rare
        kit
          .index('pairs_outcome')
          .on(table.lora, table.outcome, table.place)
          .where(sql`outcome is not null`),
        // has all that a sum of costs reads
        kit
          .index('pairs_cost')
          .on(table.at, table.costUsd, table.drawn)
          .where(sql`cost_usd is not null`),
        kit
          .index('pairs_rated')
          .on(table.place)
          .where(sql`rating is not null`),
      ]
    ),
    /** Ratings of the answers that clients got. Deleted with their records. */
    feedback: kit.table(
      'feedback',
      {
        place: kit.numbered('place'),
        recordId: kit.text('record_id').notNull(),
        /** of the record */
        day: kit.integer('day').notNull(),
        by: kit.text('given_by').$type<FeedbackSource>().notNull(),
        /** of the live route that the request matched */
        lora: kit.text('lora'),
        answeredBy: kit.text('answered_by').$type<StoredFeedback['answeredBy']>().notNull(),
        /** that the record was drawn for; this, the conversation and the time are null where it was for none */
        side: kit.text('side').$type<DrawnSide>(),
        conversation: kit.text('conversation'),
        /** when the record was first rated */
        firstAt: kit.whole('first_at'),
        rating: kit.text('rating').$type<Thumb>().notNull(),
        comment: kit.prose('comment'),
        at: kit.whole('at').notNull(),
      },
      (table) => [
        kit.uniqueIndex('feedback_record').on(table.recordId, table.by),
        kit.index('feedback_day').on(table.day),
        kit
          .index('feedback_lora')
          .on(table.lora, table.place)
          .where(sql`lora is not null`),
      ]
    ),
    /** Answers of loras by the Responses API, under the ids of their records. Bodies are exact: as bytes. */
    keptResponses: kit.table(
      'kept_responses',
      {
        id: kit.text('id').primaryKey(),
        tenant: kit.text('tenant').notNull(),
        at: kit.whole('at').notNull(),
        /** of both bodies */
        bytes: kit.integer('bytes').notNull(),
        request: kit.bytes('request').notNull(),
        response: kit.bytes('response').notNull(),
      },
      (table) => [
        kit.index('kept_responses_tenant').on(table.tenant, table.at, table.id, table.bytes),
        kit.index('kept_responses_at').on(table.at),
      ]
    ),
    routes: kit.table('routes', {
      templateVersion: kit.text('template_version').primaryKey(),
      internalizationId: kit.text('internalization_id').notNull(),
      lora: kit.text('lora').notNull(),
      route: kit.json('route').$type<Route>().notNull(),
    }),
    /** Issued keys; revoked keys stay. */
    keys: kit.table('keys', {
      id: kit.text('id').primaryKey(),
      name: kit.prose('name').notNull(),
      /** SHA-256 of the secret, hex digits */
      hash: kit.text('hash').notNull().unique(),
      tenant: kit.text('tenant').notNull(),
      limits: kit.json('limits').$type<KeyLimits>().notNull(),
      createdAt: kit.whole('created_at').notNull(),
      revokedAt: kit.whole('revoked_at'),
    }),
    /** Use of a key on a day. Not a foreign key: spending stays when the key is removed. */
    keySpend: kit.table(
      'key_spend',
      {
        keyId: kit.text('key_id').notNull(),
        day: kit.integer('day').notNull(),
        requests: kit.whole('requests').notNull(),
        tokens: kit.real('tokens').notNull(),
        usd: kit.real('usd').notNull(),
      },
      (table) => [kit.primaryKey({ columns: [table.keyId, table.day] })]
    ),
    /** What is left of a key's rates for all proxies. Its row is the lock of the key's slices. */
    keyAccounts: kit.table('key_accounts', {
      keyId: kit.text('key_id').primaryKey(),
      /** levels of the buckets; null: full, or without a limit */
      requests: kit.real('requests'),
      tokens: kit.real('tokens'),
      filledAt: kit.whole('filled_at').notNull(),
    }),
    /** Money that a proxy holds for running requests and for further ones. */
    keySlices: kit.table(
      'key_slices',
      {
        keyId: kit.text('key_id').notNull(),
        holder: kit.text('holder').notNull(),
        usd: kit.real('usd').notNull(),
        renewedAt: kit.whole('renewed_at').notNull(),
      },
      (table) => [kit.primaryKey({ columns: [table.keyId, table.holder] })]
    ),
    /** A counter for each kind of change, which other processes poll. */
    revisions: kit.table('revisions', {
      name: kit.text('name').primaryKey(),
      value: kit.whole('value').notNull(),
    }),
    snapshots: kit.table('snapshots', {
      name: kit.text('name').primaryKey(),
      value: kit.bytes('value').notNull(),
    }),
    /**
     * Who may do which work, until when. Rows stay, so that an epoch is never given twice.
     */
    leases: kit.table('leases', {
      name: kit.text('name').primaryKey(),
      epoch: kit.whole('epoch').notNull(),
      holder: kit.text('holder').notNull(),
      /** by the clock of the database */
      endsAt: kit.whole('ends_at').notNull(),
    }),
  }
}

export type Tables = ReturnType<typeof tablesOf>
