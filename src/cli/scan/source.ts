/**
 * The log of a scan: a file, whose lines may have different formats, a data directory or a database,
 * which other processes may be writing. All can be read again and again, and none is written.
 */
import { existsSync, statSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import type { ExchangeRecord } from '../../core/log/record.ts'
import { UNKNOWN_TIME } from '../../core/scan/log-scan.ts'
import type { LogSource } from '../../core/scan/scan.ts'
import type { Template } from '../../core/template/template.ts'
import { AppError } from '../../errors.ts'
import { databasePath } from '../../store/sqlite/base/database-path.ts'
import { placeOf } from '../../store/postgres/base/server-options.ts'
import type { OpenStore } from '../../store/store.ts'
import { openPostgresStore, openSqliteStore } from '../../store/thread/open.ts'
import { readLog } from '../log-file/read-log.ts'
import { openFile } from '../read-lines.ts'
import { expectedTenant } from './import-tenant.ts'
import { NO_TENANT, type SourceKind } from './words.ts'

/** A line that is not a chat exchange. */
export interface UnreadLine {
  line: number
  reason: string
}

export interface ScanSource extends LogSource {
  kind: SourceKind
  /** path of the file or the folder; host, port and name of the database */
  place: string
  /** templates of a data directory or a database */
  known: readonly Template[]
  /** that people gave them, by version */
  labels: ReadonlyMap<string, string>
  /** lines of a file that were not read, in the last pass, and the first ones of them */
  unread: () => { count: number; first: UnreadLine[] }
  close: () => Promise<void>
}

/** @param pass from 1 @param share of the log that is read, 0 to 1 */
export type OnRead = (pass: number, share: number) => void

const NAMED_LINES = 5
/** Progress is told so often. */
const TOLD_ENTRIES = 100
const PAGE_ROWS = 500

interface FileOptions {
  /** of lines that name none */
  model: string
  /** of all lines */
  tenant: string
  maxBodyBytes: number
}

/** @throws AppError `invalid-request` for a pipe, which can be read only once */
const requireFile = (path: string): void => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found !== undefined && !found.isFile())
    throw new AppError(
      'invalid-request',
      `${path} is not a file: a scan reads a log twice, so write it to a file first`
    )
}

const fileSource = (path: string, options: FileOptions, onRead: OnRead): ScanSource => {
  requireFile(path)
  let [count, first, pass]: [number, UnreadLine[], number] = [0, [], 0]
  async function* read(): AsyncGenerator<ExchangeRecord> {
    ;[count, first, pass] = [0, [], pass + 1]
    let entries = 0
    const file = await openFile(path)
    try {
      for await (const entry of readLog(file.chunks, options, () => UNKNOWN_TIME)) {
        for (const one of entry.found) {
          if ('record' in one) yield one.record
          else {
            count++
            if (first.length < NAMED_LINES) first.push({ line: entry.number, reason: one.reason })
          }
        }
        entries++
        if (entries % TOLD_ENTRIES === 0) onRead(pass, entry.bytes / Math.max(1, file.size))
      }
      onRead(pass, 1)
    } finally {
      await file.close()
    }
  }
  return {
    kind: 'file',
    place: path,
    known: [],
    labels: new Map(),
    read,
    unread: () => ({ count, first }),
    close: async () => {},
  }
}

const storeSource = async (
  store: OpenStore,
  { kind, place }: Pick<ScanSource, 'kind' | 'place'>,
  onRead: OnRead
): Promise<ScanSource> => {
  const [newest] = await store.records.list({ order: 'desc', limit: 1, bodies: false })
  const end = newest?.sequence ?? 0
  let pass = 0
  async function* read(): AsyncGenerator<ExchangeRecord> {
    pass++
    let after = 0
    for (;;) {
      const { data, next } = await store.records.search({ order: 'asc', limit: PAGE_ROWS, after })
      // records that came after the scan began would be in one pass only; what a move has bought is no traffic
      yield* data.filter(({ sequence, bought }) => sequence <= end && bought === undefined)
      after = Math.min(next ?? end, end)
      onRead(pass, after / Math.max(1, end))
      if (after === end) return
    }
  }
  return {
    kind,
    place,
    known: await store.templates.list(),
    labels: await store.templates.labels(),
    read,
    unread: () => ({ count: 0, first: [] }),
    close: store.close,
  }
}

/** @throws AppError `not-found` without a database; `store-unavailable`, `invalid-state` */
const directorySource = async (path: string, onRead: OnRead): Promise<ScanSource> => {
  if (!existsSync(databasePath(path)))
    throw new AppError(
      'not-found',
      `${path} is not a data directory of promptintern: it has no ${databasePath(path)}`
    )
  const store = await openSqliteStore({ dataDir: path, readOnly: true })
  return storeSource(store, { kind: 'data directory', place: path }, onRead)
}

/** @throws AppError like `openPostgresStore`; `not-found` and `invalid-state` too, since it only reads */
const databaseSource = async (
  database: NonNullable<Config['database']>,
  onRead: OnRead
): Promise<ScanSource> => {
  const store = await openPostgresStore({ ...database, readOnly: true })
  return storeSource(store, { kind: 'database', place: placeOf(database.server) }, onRead)
}

/**
 * @param path a file in JSONL, or a data directory; undefined: the configured database
 * @throws AppError `not-found`, `invalid-request`, `store-unavailable`
 */
export const openSource = async (
  path: string | undefined,
  { model, tenant, config }: { model: string; tenant: string | null; config: Config },
  onRead: OnRead
): Promise<ScanSource> => {
  if (path === undefined) {
    if (config.database !== null) return databaseSource(config.database, onRead)
    throw new AppError(
      'invalid-request',
      'name a log: a file in JSONL or a data directory; without one, set DATABASE_URL'
    )
  }
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  if (isFolder) return directorySource(path, onRead)
  const maxBodyBytes = config.proxy.captureMaxBytes
  const ofFile = tenant ?? (await expectedTenant(config)) ?? NO_TENANT
  return fileSource(path, { model, tenant: ofFile, maxBodyBytes }, onRead)
}
