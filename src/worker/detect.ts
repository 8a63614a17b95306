/**
 * Reads the log behind a cursor, feeds the detector, tags what known templates recognize and stores
 * new templates. Cursor and sketch are one snapshot, so a crash repeats reading and never skips.
 */
import { Detector, type Candidate } from '../core/detect/detect.ts'
import { compileMatcher } from '../core/match/match.ts'
import { templateKeyOf } from '../core/template/template-key.ts'
import { textOf } from '../core/answer/outcome.ts'
import type { StoredRecord } from '../core/log/record.ts'
import type { Template } from '../core/template/template.ts'
import type { Store } from '../store/store.ts'
import type { WorkerDeps } from './deps.ts'
import { outcomeOfText, requestOf } from './internalize/exchanges.ts'

const SNAPSHOT = 'detector'
const BEGUN = 'detector-begun'
const CURSOR_BYTES = 8
const PAGE_ROWS = 500
/** Making templates of samples costs up to a second: not for every record that comes in. */
const JUDGE_EVERY_MS = 5_000
/** The sketch takes megabytes; after a crash the records behind the last one are read again. */
const SAVE_EVERY_MS = 60_000
const SAVE_EVERY_RECORDS = 5_000

export interface DetectLoop {
  /** Reads one page of the log. `settled`: the stored templates know everything that was read. */
  step(): Promise<{ read: number; settled: boolean }>
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

/** Tags every record of `records` that one of `templates` recognizes. */
const tagRecords = async (
  deps: WorkerDeps,
  templates: Template[],
  records: StoredRecord[]
): Promise<void> => {
  const matcher = compileMatcher(templates)
  const idsByVersion = new Map<string, string[]>()
  for (const record of records) {
    const request = requestOf(record)
    if (request === null) continue
    const match = matcher.match(templateKeyOf(request, record.tenant), request.messages)
    if (match === null) continue
    const ids = idsByVersion.get(match.template.version) ?? []
    ids.push(record.id)
    idsByVersion.set(match.template.version, ids)
  }
  for (const [version, ids] of idsByVersion) await deps.store.records.tagTemplate(ids, version)
}

/** Looks through the log that was read before `templates` were known. */
const tagEarlierRecords = async (
  deps: WorkerDeps,
  templates: Template[],
  upTo: number
): Promise<void> => {
  let after = 0
  while (after < upTo) {
    const page = await deps.store.records.list({ order: 'asc', limit: PAGE_ROWS, after })
    await tagRecords(
      deps,
      templates,
      page.filter((record) => record.sequence <= upTo)
    )
    if (page.length < PAGE_ROWS) return
    after = page.at(-1)!.sequence
  }
}

const observe = (detector: Detector, record: StoredRecord): void => {
  const request = requestOf(record)
  if (request === null) return
  const answer = textOf(outcomeOfText(record.response))
  detector.observe({
    key: templateKeyOf(request, record.tenant),
    messages: request.messages,
    at: record.at,
    ...(answer === null ? {} : { response: answer }),
  })
}

/** The template alone: what the sample says about its frequency changes with every page. */
const withoutEvidence = ({
  sessions: _sessions,
  samples: _samples,
  firstSeen: _firstSeen,
  lastSeen: _lastSeen,
  ...template
}: Candidate): Template => template

/**
 * Stores new versions, and what the growing sample taught about the slots of versions on which no
 * internalization has begun: from then on a template is what the lora was trained for.
 */
const storeTemplates = async (
  deps: WorkerDeps,
  detector: Detector,
  known: Template[],
  upTo: number
): Promise<void> => {
  const versions = new Set(known.map((template) => template.version))
  const begun = new Set(
    (await deps.store.internalizations.list()).map((row) => row.templateVersion)
  )
  const candidates = detector
    .candidates()
    .map(withoutEvidence)
    .filter((template) => !begun.has(template.version))
  if (candidates.length === 0) return
  await deps.store.templates.upsert(candidates)
  const fresh = candidates.filter((template) => !versions.has(template.version))
  if (fresh.length > 0) await tagEarlierRecords(deps, fresh, upTo)
  for (const template of fresh)
    deps.log({
      level: 'info',
      message: 'template found',
      data: { version: template.version, tenant: template.tenant, model: template.model },
    })
}

/** The sketch holds samples of the log's text. */
export const dropSketch = async (store: Store): Promise<void> => {
  await store.snapshots.remove(SNAPSHOT)
  await store.snapshots.remove(BEGUN)
}

/**
 * Drops a sketch that was begun longer ago than bodies are kept: what it samples is of the log as it
 * is. @returns whether it did
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
  // records since templates were last looked for, and since the sketch was last saved
  let unjudged = 0
  let unsaved = 0
  let judgedAt = 0
  let savedAt = deps.now()

  const read = async (): Promise<number> => {
    const page = await deps.store.records.list({ order: 'asc', limit: PAGE_ROWS, after: cursor })
    if (page.length === 0) return 0
    for (const record of page) observe(detector, record)
    cursor = page.at(-1)!.sequence
    unjudged += page.length
    unsaved += page.length
    await tagRecords(deps, await deps.store.templates.list(), page)
    return page.length
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
    async step() {
      const count = await read()
      const caughtUp = count < PAGE_ROWS
      if (caughtUp && unjudged > 0 && deps.now() - judgedAt >= JUDGE_EVERY_MS) await judge()
      const isOld = deps.now() - savedAt >= SAVE_EVERY_MS
      if (unsaved >= SAVE_EVERY_RECORDS || (unsaved > 0 && isOld)) await save()
      return { read: count, settled: unjudged === 0 }
    },
  }
}
