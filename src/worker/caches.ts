/**
 * Reads, once a day and when the traffic has doubled, why the provider's cache is not read: from the newest requests of
 * the log, all of them, because what a cache holds depends on the requests before. A scan reads a whole log by the
 * same rules. Tokens that the provider did not count are estimated from bytes.
 */
import { CacheScan } from '../core/cache/cache-scan.ts'
import type { CacheFinding } from '../core/cache/finding.ts'
import { DAY_MS } from '../core/days.ts'
import { clearRequestOf } from '../core/log/record-bodies.ts'
import type { StoredRecord } from '../core/log/record.ts'
import { compileMatcher, type Matcher } from '../core/match/match.ts'
import { templateKeyOf } from '../core/template/template-key.ts'
import { CACHES, type FoundCaches, type LoggedFinding } from '../savings/caches.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { WorkerDeps } from './deps.ts'

const CHECK_EVERY_MS = 60_000
/** Days by which requests a month are told where the log has more records than are read. */
const DAYS = 7
const MOST_RECORDS = 20_000
const MOST_BYTES = 256 * 2 ** 20
const PAGE_ROWS = 200
/** A kilobyte each in the store. */
const MOST_FINDINGS = 1000

type CacheDeps = Pick<WorkerDeps, 'store' | 'cacheRules' | 'retention' | 'now'>

/** What was read of the log, and when its records came. */
interface Reading {
  scan: CacheScan
  records: number
  oldest: number
  newest: number
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const addRecord = (reading: Reading, record: StoredRecord, matcher: Matcher): void => {
  const request = clearRequestOf(record)
  if (request === null) return
  reading.scan.add(record, request, matcher.match(templateKeyOf(request, record), request.messages))
}

/** So many that their requests, as long as the last ones, are within the bytes: reading begins with the oldest. */
const recordsWithin = (last: readonly StoredRecord[]): number => {
  const bytes = last.reduce((sum, { request }) => sum + request.length, 0)
  const mean = bytes / Math.max(1, last.length)
  return Math.min(MOST_RECORDS, Math.floor(MOST_BYTES / Math.max(1, mean)))
}

/** @returns the newest records, in the order of the log */
async function* newestRecords({ records }: CacheDeps['store']): AsyncGenerator<StoredRecord> {
  const { data: last } = await records.search({ order: 'desc', limit: PAGE_ROWS })
  let after: number | null = Math.max(0, (last[0]?.sequence ?? 0) - recordsWithin(last))
  let bytes = 0
  while (after !== null && bytes < MOST_BYTES) {
    const page = await records.search({ order: 'asc', limit: PAGE_ROWS, after })
    for (const record of page.data) {
      bytes += record.request.length
      yield record
    }
    after = page.next
  }
}

const readLog = async ({ store, retention, now }: CacheDeps): Promise<Reading> => {
  const templates = await store.templates.list()
  const matcher = compileMatcher(templates)
  const scan = new CacheScan(templates, true, null)
  const reading: Reading = { scan, records: 0, oldest: Infinity, newest: 0 }
  // so that its texts are renewed before they are older than a body may be
  const since = now() - Math.max(retention.bodiesMs / 2, retention.bodiesMs - DAY_MS)
  for await (const record of newestRecords(store)) {
    // answers that a move has bought filled the cache at another moment
    if (record.bought !== undefined || record.at > now() || record.at < since) continue
    reading.records++
    reading.oldest = Math.min(reading.oldest, record.at)
    reading.newest = Math.max(reading.newest, record.at)
    addRecord(reading, record, matcher)
  }
  return reading
}

/** Where more came than was read, each finding stands for the same share of all. */
const withWindow = async (
  { store }: CacheDeps,
  findings: readonly CacheFinding[],
  { records, newest }: Reading
): Promise<LoggedFinding[]> => {
  const hours = await store.records.traffic(newest - DAYS * DAY_MS, newest + 1)
  const all = hours.reduce((sum, { requests }) => sum + requests, 0)
  const first = hours[0]?.hour ?? newest
  return findings.map((finding) => ({
    ...finding,
    window:
      all > records
        ? { calls: (finding.requests * all) / records, from: first, to: newest }
        : { calls: finding.requests, from: finding.from, to: newest },
  }))
}

const taggedIn = async ({ templates }: CacheDeps['store']): Promise<number> =>
  (await templates.totals()).reduce((sum, { requests }) => sum + requests, 0)

const findCaches = async (deps: CacheDeps, tagged: number): Promise<FoundCaches> => {
  const reading = await readLog(deps)
  const findings: CacheFinding[] = []
  for (const found of reading.scan.findings(deps.cacheRules)) {
    findings.push(...found)
    await nextTurn()
  }
  const most = findings.toSorted((a, b) => b.requests - a.requests).slice(0, MOST_FINDINGS)
  const at = deps.now()
  return {
    at,
    oldest: Math.min(reading.oldest, at),
    tagged,
    findings: await withWindow(deps, most, reading),
  }
}

export interface Caches {
  /** Renews the findings if they are due. */
  step(): Promise<void>
}

/** @param deps with the store under the lease */
export const openCaches = async (deps: CacheDeps): Promise<Caches> => {
  const { store, retention, now } = deps
  let known: Pick<FoundCaches, 'at' | 'oldest' | 'tagged'> | null =
    await readJsonSnapshot<FoundCaches>(store, CACHES)
  let checkedAt = -Infinity
  const isDue = (tagged: number): boolean => {
    if (known === null) return true
    const isOld = Math.abs(now() - known.at) >= DAY_MS || now() - known.oldest >= retention.bodiesMs
    return isOld || (tagged > 0 && tagged >= 2 * known.tagged)
  }
  return {
    async step() {
      if (Math.abs(now() - checkedAt) < CHECK_EVERY_MS) return
      checkedAt = now()
      const tagged = await taggedIn(store)
      if (!isDue(tagged)) return
      const { findings, ...found } = await findCaches(deps, tagged)
      await saveJsonSnapshot(store, CACHES, { ...found, findings } satisfies FoundCaches)
      known = found
    },
  }
}
