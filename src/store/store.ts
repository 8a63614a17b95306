/**
 * The one storage interface. Every method rejects with AppError `store-unavailable` when the
 * database cannot be reached or written; the errors a method adds are named beside it.
 */
import type { HistoryEntry, Internalization } from '../core/lifecycle/internalization.ts'
import type { ExchangeBatch } from '../core/log/exchange-batch.ts'
import type { DailySpend, IssuedKey, Spend } from '../core/keys/issued-key.ts'
import type { StoredRecord } from '../core/log/record.ts'
import type { Route } from '../core/route/route.ts'
import type { Selection } from '../core/log/selection.ts'
import type { Template } from '../core/template/template.ts'
import type { UsageTotals } from '../core/log/usage-totals.ts'

export interface RecordQuery {
  templateVersion?: string
  /** newest first with `desc` */
  order?: 'asc' | 'desc'
  limit: number
  /** only records behind (asc) or before (desc) this sequence */
  after?: number
  /** only records with a 2xx response body */
  answeredOnly?: boolean
  /** false: leaves the bodies out, as if they were pruned; default true */
  bodies?: boolean
  /** true: records without usage get `estimatedUsage`; default false */
  estimates?: boolean
}

export interface RecordStore {
  /**
   * Durable when it resolves. An id that exists already is skipped, so a retry is harmless. The
   * batch's bytes must stay as they are until then.
   */
  append(batch: ExchangeBatch): Promise<void>
  /** Of the records that were appended here since the store was opened. */
  usageTotals(): Promise<UsageTotals>
  list(query: RecordQuery): Promise<StoredRecord[]>
  /** In the order of the ids; those that are not in the log are left out. */
  byIds(ids: string[]): Promise<StoredRecord[]>
  /** Ids that are not in the log are skipped. */
  tagTemplate(ids: string[], templateVersion: string): Promise<void>
  /**
   * Deletes bodies and records older than the given times (ms); returns how many. A record
   * whose bodies are gone has the request '' and the response null; its evaluations keep their
   * figures and lose their answers.
   */
  prune(before: { bodies: number; records: number }): Promise<{ bodies: number; records: number }>
  /** Looks through the next part of the log behind the cursor; start with 0. */
  select(selection: Selection, after: number): Promise<SelectedRecords>
  /**
   * Deletes what the selection fits, with its evaluations; then no text is left that is not of a
   * record in the log. Begun again it ends what an interrupted one began. What is appended meanwhile
   * may stay. @throws AppError `conflict` when another one is begun before this one has ended
   */
  forget(selection: Selection): Promise<{ bodies: number; records: number }>
  /**
   * Leaves nothing of deleted text in the files. Takes as long as writing the database anew; appends
   * wait. @throws AppError `conflict` while another process reads
   */
  scrub(): Promise<void>
}

export interface SelectedRecords {
  ids: string[]
  /** those that the records are tagged with */
  templateVersions: string[]
  /** cursor; null at the end of the log */
  next: number | null
}

/** Running totals: pruned and forgotten records stay counted. */
export interface TemplateStats {
  requests: number
  answered: number
  fallbacks: number
  promptTokensSaved: number
  savedUsd: number
  lastSeen: number | null
}

export interface TemplateStore {
  upsert(templates: Template[]): Promise<void>
  get(version: string): Promise<Template | null>
  list(): Promise<Template[]>
  stats(version: string): Promise<TemplateStats>
  /** Of every version that was ever counted, also those that are removed. */
  totals(): Promise<({ version: string } & TemplateStats)[]>
  /** Its running totals stay. */
  remove(version: string): Promise<void>
}

/** One row answered by one arm: saved one by one so that a crash repeats none. */
export interface EvaluationRow {
  internalizationId: string
  arm: number
  recordId: string
  answer: string
  logprobSum: number
  logprobMin: number
  /** of the adapted answer to the logged one, 0 to 1; 0 where the logged outcome is no plain text */
  similarity: number
  /** why a route would not give the answer, whatever its confidence; null where it may */
  deferred: string | null
  /** a fresh answer of the upstream to the same request, when one was bought */
  upstreamAnswer: string | null
  upstreamSimilarity: number | null
}

export interface InternalizationStore {
  /**
   * Also writes the first history row. @param by who caused it, `worker` if not given
   * @throws AppError `conflict` when the id exists, or when another internalization of the same
   * template version is in work (candidate, training, evaluating or approval)
   */
  create(internalization: Internalization, by?: string): Promise<void>
  get(id: string): Promise<Internalization | null>
  /** oldest first */
  list(): Promise<Internalization[]>
  /**
   * Writes state, plan and verdict, and one history row when the state changed. Returns the row
   * with its new revision and `updatedAt`. @throws AppError `conflict` when `revision` is stale,
   * `not-found` when the id is unknown
   */
  save(internalization: Internalization, by: string, at: number): Promise<Internalization>
  history(id: string): Promise<HistoryEntry[]>
  /** A row that exists (same internalization, arm and record) is replaced. */
  addEvaluations(rows: EvaluationRow[]): Promise<void>
  evaluations(id: string): Promise<EvaluationRow[]>
}

export interface RouteStore {
  list(): Promise<Route[]>
  put(route: Route): Promise<void>
  remove(templateVersion: string): Promise<void>
  /** Changes whenever a route is put or removed; cheap enough to poll every second. */
  revision(): Promise<number>
}

export interface KeyStore {
  /** @throws AppError `conflict` when the id or the hash exists */
  create(key: IssuedKey): Promise<void>
  /** oldest first, with those that were revoked */
  list(): Promise<IssuedKey[]>
  /**
   * Harmless to repeat: the first time stays. Returns the key as it is now.
   * @throws AppError `not-found` when the id is unknown
   */
  revoke(id: string, at: number): Promise<IssuedKey>
  /** Changes whenever a key is created or revoked; cheap enough to poll every second. */
  revision(): Promise<number>
  /** Added to what is there. */
  addSpend(rows: DailySpend[]): Promise<void>
  /** Sums by key, from a day (since the epoch) on; keys that used nothing are left out. */
  spend(fromDay: number): Promise<Map<string, Spend>>
}

/** Small blobs by name: the detector's sketch with the log cursor, what is being forgotten. */
export interface SnapshotStore {
  get(name: string): Promise<Uint8Array | null>
  put(name: string, value: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  /** those that begin so, in order */
  names(prefix: string): Promise<string[]>
}

export interface Store {
  records: RecordStore
  templates: TemplateStore
  internalizations: InternalizationStore
  routes: RouteStore
  keys: KeyStore
  snapshots: SnapshotStore
  /** Flushes and closes; every later call is refused with `store-unavailable`. */
  close(): Promise<void>
}
