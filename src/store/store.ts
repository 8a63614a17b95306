/**
 * The storage interface. Every method rejects with AppError `store-unavailable` when the database
 * cannot be read or written; further errors are named at the method.
 */
import type { FieldRule } from '../core/answer/field-rules.ts'
import type { HistoryEntry, Internalization } from '../core/internalization/internalization.ts'
import type { FreshAnswers } from '../core/gate/figures.ts'
import type { JudgedAnswers } from '../core/judge/verdict.ts'
import type { LongLogprobs } from '../core/route/confidence.ts'
import type { ExchangeBatch } from '../core/log/exchange-batch.ts'
import type { SliceAsk, SliceGrant } from '../core/keys/account.ts'
import type { IssuedKey, Spend } from '../core/keys/issued-key.ts'
import type {
  DrawnFeedback,
  Feedback,
  FeedbackCounts,
  FeedbackSource,
  StoredFeedback,
} from '../core/log/feedback.ts'
import type { KeptResponses } from '../core/log/kept-response.ts'
import type { StoredRecord } from '../core/log/record.ts'
import type { RecordFilter } from '../core/log/record-filter.ts'
import type { TrafficHour } from '../core/log/traffic-hours.ts'
import type { AuditCosts } from '../core/rollout/audit-part.ts'
import type { Pair, PairOutcome, Rating, ReadPair, StoredPair } from '../core/rollout/pair.ts'
import type { Route } from '../core/route/route.ts'
import type { Selection } from '../core/log/selection.ts'
import type { Template } from '../core/template/template.ts'
import type { UsageTotals } from '../core/log/usage-totals.ts'

export interface RecordQuery extends RecordFilter {
  templateVersion?: string
  /** newest first with `desc` */
  order?: 'asc' | 'desc'
  limit: number
  /** only records with a larger (asc) or smaller (desc) sequence */
  after?: number
  /** only records with status 2xx and a response */
  answeredOnly?: boolean
  /** false: without bodies, as if they were pruned; default true */
  bodies?: boolean
  /** true: adds `estimatedUsage` to records without usage; default false */
  estimates?: boolean
}

/** What a search found. */
export interface FoundRecords {
  data: StoredRecord[]
  /** `after` of a search that goes on; null at the end of the log */
  next: number | null
  /** true: as many records or bytes were read as one call may, and fewer than `limit` fit */
  isPartial: boolean
  /** records that were read one by one */
  searched: number
}

/** Asks for records of templates that a lora did not answer, with status 2xx. */
export interface SpreadQuery {
  templateVersions: readonly string[]
  /** times of the records, milliseconds since the epoch, inclusive */
  from: number
  until: number
  /** records at most */
  limit: number
  /** of the draw */
  seed: number
}

export interface SpreadRecords {
  /** in the order of the log */
  ids: string[]
  /** one of so many records that fit is there; 1: all are */
  every: number
}

export interface RecordStore {
  /**
   * Resolves when the records are durable; the batch's bytes must not change until then. A record
   * whose id exists with the same time is skipped, so an append may be retried.
   */
  append(batch: ExchangeBatch): Promise<void>
  /** Totals of the records that were appended through this object. */
  usageTotals(): Promise<UsageTotals>
  /**
   * The first records of the query: fewer than `limit` where their bodies would exceed 16 MiB, and at least one.
   * `search` reads page by page.
   */
  list(query: Omit<RecordQuery, keyof RecordFilter>): Promise<StoredRecord[]>
  /**
   * By default newest first. Finds by indexes; only for a `text` and the turns of a `conversation` records are read
   * one by one, at most 5,000 a call. Restores at most 16 MiB of bodies a call, and at least one record.
   * @throws AppError `not-found` when the log has no record with the id `conversation`
   */
  search(query: RecordQuery): Promise<FoundRecords>
  /**
   * Figures by the hour, oldest first, of the hours that have records and a part in the time (ms); also of
   * pruned and forgotten records.
   */
  traffic(from: number, until: number): Promise<TrafficHour[]>
  /** One random record of each so many neighbours that fit, so that each has the same chance. Reads no body. */
  spread(query: SpreadQuery): Promise<SpreadRecords>
  /**
   * In the order of the ids, without ids that are not in the log. Ends before the bodies exceed 16 MiB: records
   * behind the last one are then missing, too (`readByIds` reads on).
   */
  byIds(ids: string[]): Promise<StoredRecord[]>
  /** Those of the ids that are in the log. */
  knownIds(ids: string[]): Promise<string[]>
  /** Skips ids that are not in the log. */
  tagTemplate(ids: string[], templateVersion: string): Promise<void>
  /**
   * Deletes bodies and records older than the given times (ms); returns how many. A store may count by
   * the day (UTC): then those of the day that holds the time stay, and nothing younger is deleted. A
   * record without bodies has the request '' and the response null; its evaluations lose their answers
   * and keep their figures. Figures by the hour are deleted only by their own time.
   */
  prune(before: {
    bodies: number
    records: number
    traffic?: number
  }): Promise<{ bodies: number; records: number }>
  /** Searches the next part of the log behind the cursor; 0 is the start. */
  select(selection: Selection, after: number): Promise<SelectedRecords>
  /**
   * Deletes the selected records with their evaluations, and every body that no record has. Finishes
   * an interrupted call. Records that are appended meanwhile may stay.
   * @throws AppError `conflict` when another call begins before this one ends
   */
  forget(selection: Selection): Promise<{ bodies: number; records: number }>
  /**
   * Removes the traces of deleted text from the files, as far as the database can. SQLite rewrites the
   * whole database, and appends wait meanwhile. PostgreSQL vacuums, which leaves bytes in free space,
   * write-ahead log and backups. @throws AppError `conflict` while another process reads SQLite's
   */
  scrub(): Promise<void>
}

export interface SelectedRecords {
  ids: string[]
  /** versions that the records are tagged with */
  templateVersions: string[]
  /** cursor; null at the end of the log */
  next: number | null
}

/** Running totals, with pruned and forgotten records. */
export interface TemplateStats {
  /** of clients */
  requests: number
  /** answers that a move has bought for it; no client's requests */
  bought: number
  answered: number
  forwarded: number
  promptTokensSaved: number
  lastSeen: number | null
}

export interface TemplateStore {
  upsert(templates: Template[]): Promise<void>
  get(version: string): Promise<Template | null>
  list(): Promise<Template[]>
  stats(version: string): Promise<TemplateStats>
  /** Totals of every version that was ever counted, also of removed ones. */
  totals(): Promise<({ version: string } & TemplateStats)[]>
  /** @param label null takes it away @throws AppError `not-found` when there is no such template */
  label(version: string, label: string | null): Promise<void>
  /** By version, of those that have one. */
  labels(): Promise<Map<string, string>>
  /** Rules for fields of the answers, by path. */
  fields(version: string): Promise<FieldRule[]>
  /** Replaces the rule of the same path. @throws AppError `not-found` when there is no such template */
  setField(version: string, rule: FieldRule): Promise<void>
  /** @throws AppError `not-found` when the path has no rule */
  removeField(version: string, path: string): Promise<void>
  /** Also removes its label and rules. Keeps the running totals. */
  remove(version: string): Promise<void>
}

/** A held-out record answered by one arm. Saved in batches, so a crash repeats few. */
export interface EvaluationRow {
  internalizationId: string
  arm: number
  recordId: string
  answer: string
  logprobSum: number
  logprobMin: number
  /** of a text that a judge compares; else null */
  longLogprobs: LongLogprobs | null
  /** with the logged answer; false when that is not plain text */
  agrees: boolean
  /** with the upstream's first answer of today; null where none was bought */
  agreesToday: boolean | null
  /** why a route defers at any confidence; null when it may give the answer */
  deferred: string | null
  /** the upstream's first answer of today, '' where it is no text; null when none was bought */
  upstreamAnswer: string | null
  /** the second one, in the same way */
  secondAnswer: string | null
  /** what its two answers of today say of it; only rows of the first arm have them */
  fresh: FreshAnswers | null
  /** by the judge, where one vouches for agreement; null before it was asked, and without one */
  judged: JudgedAnswers | null
}

/** A row of any history. */
export interface HistoryRow extends HistoryEntry {
  /** strictly increasing, and never used again; a cursor into all histories */
  place: number
  internalizationId: string
}

export interface InternalizationStore {
  /**
   * Also writes the first history row. @param by cause in the history, default `worker`
   * @param note in that row
   * @throws AppError `conflict` when the id exists, or another internalization of the template
   * version is in work (candidate, training, evaluating or approval)
   */
  create(internalization: Internalization, by?: string, note?: string): Promise<void>
  get(id: string): Promise<Internalization | null>
  /**
   * Oldest first. @param options.recordIds false: plans without their lists of records, which are most of a
   * row's size and read as empty; default true
   */
  list(options?: { recordIds?: boolean }): Promise<Internalization[]>
  /**
   * Writes state, plan and verdict, and a history row when the state changed. A state other than live takes
   * its route away in the same transaction. Returns the row with its new revision and `updatedAt`.
   * @param note in the history row @throws AppError `conflict` when `revision` is stale, `not-found` when
   * the id is unknown
   */
  save(
    internalization: Internalization,
    by: string,
    at: number,
    note?: string
  ): Promise<Internalization>
  history(id: string): Promise<HistoryEntry[]>
  /** The next rows of all histories behind a place, in the order in which they were written. */
  historySince(place: number, limit: number): Promise<HistoryRow[]>
  /** Place of the newest history row; 0 without one. */
  historyEnd(): Promise<number>
  /** Changes with every `create`, `save` and `addEvaluations`. */
  revision(): Promise<number>
  /** Replaces an existing row of the same internalization, arm and record. */
  addEvaluations(rows: EvaluationRow[]): Promise<void>
  /** @param arm of this arm only; by default of all */
  evaluations(id: string, arm?: number): Promise<EvaluationRow[]>
  /** Number of evaluations by arm; an arm without one is missing. */
  evaluationCounts(id: string): Promise<Map<number, number>>
}

/** An audited request that waits for the lora's answer. */
export interface WaitingAudit {
  place: number
  recordId: string
  /** milliseconds since the epoch, when the request arrived */
  at: number
}

export interface PairQuery {
  lora: string
  /** only pairs before this place */
  before?: number
  outcomes?: readonly PairOutcome[]
  limit: number
}

/**
 * Audited requests by lora. Appending an audited record adds it in the same transaction; at most
 * `MAX_WAITING_AUDITS` of a lora wait, and further ones are dropped and counted.
 */
export interface PairStore {
  /** oldest first */
  waiting(lora: string, limit: number): Promise<WaitingAudit[]>
  /** How many wait, and how many were dropped because too many did. */
  backlog(lora: string): Promise<{ waiting: number; dropped: number }>
  /** Writes what became of waiting requests. Others are left as they are, so none is judged twice. */
  judge(pairs: Pair[]): Promise<void>
  /** The next judged pairs behind a place, in the order of places. */
  since(lora: string, place: number, limit: number): Promise<ReadPair[]>
  /** Judged pairs, newest first. */
  list(query: PairQuery): Promise<StoredPair[]>
  /** Null for a record that was not audited, or waits. */
  ofRecord(recordId: string): Promise<StoredPair | null>
  /**
   * Replaces an earlier rating. @param rating null takes it back @param at milliseconds since the epoch
   * @throws AppError `not-found` when the record is not an audited one that was judged
   */
  rate(recordId: string, rating: Rating | null, at: number): Promise<StoredPair>
  /** Rated pairs of all loras behind a place, in the order of places, with their template version. */
  rated(place: number, limit: number): Promise<RatedPair[]>
  /** Changes with every rating. */
  revision(): Promise<number>
  /** Cost of the audits of the requests from a time (ms) until another one, over all loras. */
  spent(from: number, until: number): Promise<AuditCosts>
}

export interface RatedPair extends StoredPair {
  lora: string
  /** null after the record was deleted */
  templateVersion: string | null
  rating: Rating
  /** when it was rated last, milliseconds since the epoch */
  ratedAt: number
}

/** At most one feedback of a record and a source. Feedback is deleted with its record. */
export interface FeedbackStore {
  /**
   * Replaces the earlier one of the source. @param tenant of the record; null: any
   * @throws AppError `not-found` when the log has no such record of the tenant
   */
  put(feedback: Feedback, tenant: string | null): Promise<void>
  /** Takes the feedback of a source back, if there is one. @throws AppError like `put` */
  remove(recordId: string, by: FeedbackSource, tenant: string | null): Promise<void>
  /** Behind a place, in the order of places. */
  list(place: number, limit: number): Promise<StoredFeedback[]>
  /** At most one of each source. */
  ofRecord(recordId: string): Promise<Feedback[]>
  /** Counts what applications sent for requests that matched the lora's route. */
  counts(lora: string): Promise<FeedbackCounts>
  /** What applications sent for requests of the lora's route that were drawn for a side, as `list`. */
  drawn(lora: string, place: number, limit: number): Promise<DrawnFeedback[]>
  /** Changes when feedback on the lora's route is replaced or deleted, not when it is first given. */
  revision(lora: string): Promise<number>
}

export interface RouteStore {
  list(): Promise<Route[]>
  /** Does nothing when its internalization is not live any more. */
  put(route: Route): Promise<void>
  /** Does nothing while an internalization of the template version is live. */
  remove(templateVersion: string): Promise<void>
  /** Changes with every put and removal; cheap enough to poll every second. */
  revision(): Promise<number>
}

export interface KeyStore {
  /** @throws AppError `conflict` when the id or the hash exists */
  create(key: IssuedKey): Promise<void>
  /** oldest first, with revoked keys */
  list(): Promise<IssuedKey[]>
  /**
   * May be repeated: the first time stays. Returns the revoked key.
   * @throws AppError `not-found` when the id is unknown
   */
  revoke(id: string, at: number): Promise<IssuedKey>
  /** Changes with every new or revoked key; cheap enough to poll every second. */
  revision(): Promise<number>
  /**
   * Adds the spend to the day that it is by the database's clock, and sets the holder's slices anew, in one
   * transaction. Slices that were not renewed for `ABANDONED_MS` become spend.
   * @param holder unique name of a process @param asks at most one of a key
   * @returns a grant for each ask
   */
  renew(holder: string, asks: SliceAsk[]): Promise<SliceGrant[]>
  /** Sums by key from a day (since the epoch) on, without keys that spent nothing. */
  spend(fromDay: number): Promise<Map<string, Spend>>
}

/** Small blobs by name, such as the detector's sketch and the tasks of forgetting. */
export interface SnapshotStore {
  get(name: string): Promise<Uint8Array | null>
  put(name: string, value: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  /** Those whose names begin with the prefix, by name, sorted. */
  all(prefix: string): Promise<Map<string, Uint8Array>>
}

/** A right to do some work. It passes on to another holder when it has ended. */
export interface Lease {
  name: string
  /** grows with every holder */
  epoch: number
}

/**
 * Leases end by the clock of the database, so the clocks of their holders do not matter. What counts is the epoch:
 * writes `under` a lease that has passed on are refused, however late they come.
 */
export interface LeaseStore {
  /**
   * Takes a lease that is free, has ended, or is the holder's own (as after a crash), with a new epoch.
   * @param ttlMs from now on @returns null while another one holds it
   */
  acquire(name: string, holder: string, ttlMs: number): Promise<Lease | null>
  /** @returns false when it has passed on */
  renew(lease: Lease, ttlMs: number): Promise<boolean>
  /** Ends it, unless it has passed on. */
  release(lease: Lease): Promise<void>
  /** Null when it is free. */
  holder(name: string): Promise<string | null>
}

/** Everything that is stored, by kind. */
export interface Store {
  records: RecordStore
  templates: TemplateStore
  internalizations: InternalizationStore
  pairs: PairStore
  feedback: FeedbackStore
  keptResponses: KeptResponses
  routes: RouteStore
  keys: KeyStore
  snapshots: SnapshotStore
}

/** The store with what belongs to the process that opened it. */
export interface OpenStore extends Store {
  leases: LeaseStore
  /**
   * The same store, with writes that reject with `conflict` and change nothing once the lease has passed on. Only
   * appends of records are not bound to it.
   */
  under(lease: Lease): Store
  /** Waits for pending writes and closes. Every later call rejects with `store-unavailable`. */
  close(): Promise<void>
}
