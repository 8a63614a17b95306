/**
 * Reads the log from a cursor on, feeds the detector, tags the records that known templates match and
 * stores new templates. Cursor and sketch are saved as one snapshot, so a crash can repeat reading
 * but cannot skip a record.
 */
import { Detector, type Candidate } from '../core/detect/detect.ts'
import { grownTemplate } from '../core/detect/growth.ts'
import { compileMatcher } from '../core/match/match.ts'
import { templateKeyOf } from '../core/template/template-key.ts'
import { areSiblings } from '../core/template/version.ts'
import { textOf } from '../core/answer/outcome.ts'
import type { StoredRecord } from '../core/log/record.ts'
import type { Template } from '../core/template/template.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { FoundRecords, Store } from '../store/store.ts'
import { CACHES } from '../savings/caches.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { WorkerDeps } from './deps.ts'
import { clearRequestOf } from '../core/log/record-bodies.ts'
import { outcomeOfLogged } from './exchanges/exchanges.ts'
import { isSuccess } from '../core/http-status.ts'

const SNAPSHOT = 'detector'
const BEGUN = 'detector-begun'
const UNTAGGED = 'detector-untagged'
const CURSOR_BYTES = 8
const PAGE_ROWS = 500
/** Making templates from the samples takes up to a second, too long for every new record. */
const JUDGE_EVERY_MS = 5_000
/** The sketch has megabytes. After a crash, records since the last saved sketch are read again. */
const SAVE_EVERY_MS = 60_000
const SAVE_EVERY_RECORDS = 5_000

interface DetectProgress {
  /** records of this step */
  read: number
  /** the stored templates are based on all that was read */
  settled: boolean
}

export interface DetectLoop {
  /** Reads one page of the log. @param isAwaited templates are searched as soon as the log is read */
  step(isAwaited: boolean): Promise<DetectProgress>
  /** Saves what was read since the last save. */
  save(): Promise<void>
}

const encodeSnapshot = (cursor: number, sketch: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(CURSOR_BYTES + sketch.length)
  new DataView(bytes.buffer).setFloat64(0, cursor)
  bytes.set(sketch, CURSOR_BYTES)
  return bytes
}

const decodeSnapshot = (bytes: Uint8Array): { cursor: number; sketch: Uint8Array } => ({
  cursor: new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0),
  sketch: bytes.subarray(CURSOR_BYTES),
})

/** A record whose request can be learned from. */
interface Asked {
  record: StoredRecord
  request: ChatRequest
}

const askedIn = (records: readonly StoredRecord[]): Asked[] =>
  records.flatMap((record) => {
    const request = clearRequestOf(record)
    return request === null ? [] : [{ record, request }]
  })

/**
 * Tags the records that one of the templates matches.
 * @returns those of which a template may be found: not those that a person has moved one to, or it would be found again
 */
const tagRecords = async (
  deps: WorkerDeps,
  templates: Template[],
  asked: readonly Asked[]
): Promise<Asked[]> => {
  const matcher = compileMatcher(templates)
  const idsByVersion = new Map<string, string[]>()
  const moved = new Set<StoredRecord>()
  for (const { record, request } of asked) {
    const match = matcher.match(templateKeyOf(request, record), request.messages)
    if (match === null) continue
    const ids = idsByVersion.get(match.template.version) ?? []
    ids.push(record.id)
    idsByVersion.set(match.template.version, ids)
    if (match.template.movedFrom !== undefined) moved.add(record)
  }
  for (const [version, ids] of idsByVersion) await deps.store.records.tagTemplate(ids, version)
  return asked.filter(({ record }) => record.bought === undefined && !moved.has(record))
}

/** The next page of the log: so many records, or fewer where their bodies are large. */
const readLog = ({ store }: WorkerDeps, after: number): Promise<FoundRecords> =>
  store.records.search({ order: 'asc', limit: PAGE_ROWS, after })

/** Tags records that were read before the templates were found, or before their examples were known. */
const tagEarlierRecords = async (
  deps: WorkerDeps,
  templates: Template[],
  upTo: number
): Promise<void> => {
  let after = 0
  while (after < upTo) {
    const { data, next } = await readLog(deps, after)
    await tagRecords(deps, templates, askedIn(data.filter((record) => record.sequence <= upTo)))
    if (next === null) return
    after = next
  }
}

/** Templates of which earlier records are not tagged yet, and the last of these records. */
interface Untagged {
  versions: string[]
  upTo: number
}

/** Until they are tagged, the store knows of them: a fault of the store or a kill leaves none without its tag. */
const settleUntagged = async (deps: WorkerDeps): Promise<void> => {
  const { store } = deps
  const untagged = await readJsonSnapshot<Untagged>(store, UNTAGGED)
  if (untagged === null) return
  const templates = (await store.templates.list()).filter(({ version }) =>
    untagged.versions.some((each) => areSiblings(each, version))
  )
  await tagEarlierRecords(deps, templates, untagged.upTo)
  await store.snapshots.remove(UNTAGGED)
}

const observe = (detector: Detector, { record, request }: Asked): void => {
  // what the upstream refused is no traffic to learn from: anyone can send it, without a valid key
  if (!isSuccess(record.status)) return
  const answer = textOf(outcomeOfLogged(record))
  detector.observe({
    key: templateKeyOf(request, record),
    messages: request.messages,
    at: record.at,
    ...(answer === null ? {} : { response: answer }),
  })
}

/** Without the figures of frequency, which change with every page and would save the template again. */
const withoutFrequency = ({
  sessions: _sessions,
  samples: _samples,
  ...template
}: Candidate): Template => template

/**
 * Stores new versions, and updates the slots and known examples of known versions as the sample grows. A version
 * with an internalization is not updated, because its lora is trained for the template as it was.
 */
const storeTemplates = async (
  deps: WorkerDeps,
  detector: Detector,
  known: Template[],
  upTo: number
): Promise<void> => {
  const stored = new Map(known.map((template) => [template.version, template]))
  const begun = new Set(
    (await deps.store.internalizations.list()).map((row) => row.templateVersion)
  )
  const found = detector
    .candidates()
    .map(withoutFrequency)
    .filter((template) => !begun.has(template.version))
    .map((template) => grownTemplate(template, stored.get(template.version)))
  if (found.length === 0) return
  const candidates = found.map(({ template }) => template)
  const fresh = candidates.filter((template) => !stored.has(template.version))
  const versions = found.flatMap(({ template, isWider }) => (isWider ? [template.version] : []))
  if (versions.length > 0) {
    const untagged: Untagged = { versions, upTo }
    await saveJsonSnapshot(deps.store, UNTAGGED, untagged)
  }
  await deps.store.templates.upsert(candidates)
  await settleUntagged(deps)
  for (const template of fresh)
    deps.log({
      level: 'info',
      message: 'template found',
      data: { version: template.version, tenant: template.tenant, model: template.model },
    })
}

/** For forgetting: the sketch and the findings about caches have samples of the log's text. */
export const dropSketch = async (store: Store): Promise<void> => {
  await store.snapshots.remove(CACHES)
  await store.snapshots.remove(SNAPSHOT)
  await store.snapshots.remove(BEGUN)
}

/**
 * Drops a sketch that is older than bodies may be, because its samples may be of deleted bodies.
 * @returns whether it was dropped
 */
export const dropOldSketch = async ({ store, now, retention }: WorkerDeps): Promise<boolean> => {
  const begun = await store.snapshots.get(BEGUN)
  if (begun === null) {
    await store.snapshots.put(BEGUN, new TextEncoder().encode(String(now())))
    return false
  }
  const age = now() - Number(new TextDecoder().decode(begun))
  if (age < retention.bodiesMs) return false
  await dropSketch(store)
  return true
}

export const createDetectLoop = async (deps: WorkerDeps): Promise<DetectLoop> => {
  const detector = new Detector({ minSessions: deps.config.minSessions })
  const saved = await deps.store.snapshots.get(SNAPSHOT)
  let cursor = 0
  if (saved !== null) {
    const snapshot = decodeSnapshot(saved)
    detector.restore(snapshot.sketch)
    cursor = snapshot.cursor
  }
  // records since the last search for templates, which the last worker may not have made, and since the sketch was saved
  let unjudged = saved === null ? 0 : 1
  let unsaved = 0
  let judgedAt = 0
  let savedAt = deps.now()

  const read = async (): Promise<{ count: number; isEnd: boolean }> => {
    const { data, next } = await readLog(deps, cursor)
    const isEnd = next === null
    const last = data.at(-1)
    if (last === undefined) return { count: 0, isEnd }
    // what fails is read again, and must not be observed twice
    const asked = askedIn(data)
    const unmoved = await tagRecords(deps, await deps.store.templates.list(), asked)
    for (const each of unmoved) observe(detector, each)
    cursor = last.sequence
    unjudged += data.length
    unsaved += data.length
    return { count: data.length, isEnd }
  }

  const judge = async (): Promise<void> => {
    await storeTemplates(deps, detector, await deps.store.templates.list(), cursor)
    unjudged = 0
    judgedAt = deps.now()
  }

  const save = async (): Promise<void> => {
    await deps.store.snapshots.put(SNAPSHOT, encodeSnapshot(cursor, detector.snapshot()))
    unsaved = 0
    savedAt = deps.now()
  }

  return {
    async step(isAwaited) {
      await settleUntagged(deps)
      const { count, isEnd } = await read()
      // also after the clock was set back
      const isDue = isAwaited || Math.abs(deps.now() - judgedAt) >= JUDGE_EVERY_MS
      if (isEnd && unjudged > 0 && isDue) await judge()
      const isOld = Math.abs(deps.now() - savedAt) >= SAVE_EVERY_MS
      if (unsaved >= SAVE_EVERY_RECORDS || (unsaved > 0 && isOld)) await save()
      return { read: count, settled: unjudged === 0 }
    },
    async save() {
      if (unsaved > 0) await save()
    },
  }
}
