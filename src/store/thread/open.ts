/**
 * A store on a thread of its own: each call is a message to the thread that owns the database. Several
 * stores, in one process or in many, may share a database. A thread that ends is started again.
 */
import { Worker } from 'node:worker_threads'
import { AppError } from '../../errors.ts'
import type { LocalOptions as PostgresLocalOptions } from '../postgres/local.ts'
import type { LocalOptions as SqliteLocalOptions } from '../sqlite/local.ts'
import type { Lease, OpenStore, Store } from '../store.ts'
import { openChannel, type CallThread } from './channel.ts'
import { keepOpen, type KeeperEvents } from './keeper.ts'
import type { Area, LocalStore, Methods } from './messages.ts'

export interface ThreadOptions extends Partial<KeeperEvents> {
  /** bytes of records that may wait to be written; a further append is refused */
  maxPendingBytes?: number
  /** starts the thread */
  spawn?: (local: LocalStore) => Worker
}

const DEFAULT_MAX_PENDING_BYTES = 256 * 2 ** 20

/** Node 20 cannot load TypeScript in a thread: when run from sources, tsx is registered first. */
export const startThread = (local: LocalStore): Worker => {
  const fromSources = import.meta.url.endsWith('.ts')
  if (!fromSources) {
    return new Worker(new URL('./thread.js', import.meta.url), { workerData: local })
  }
  const entry = new URL('./thread.ts', import.meta.url)
  const tsx = import.meta.resolve('tsx/esm/api')
  const script = `import { register } from '${tsx}'; register(); await import(${JSON.stringify(entry.href)})`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: local,
  })
}

type Areas = Pick<OpenStore, Area>

const remoteAreas = (call: CallThread, methods: Methods, lease?: Lease): Areas =>
  Object.fromEntries(
    Object.entries(methods).map(([area, names]) => [
      area,
      Object.fromEntries(
        names.map((name) => [
          name,
          (...parameters: unknown[]) => call(area as Area, name, parameters, lease),
        ])
      ),
    ])
  ) as unknown as Areas

/** Refuses an append when the bytes of waiting appends would exceed the limit. */
const boundedAppend = (call: CallThread, maxPendingBytes: number): Store['records']['append'] => {
  let pendingBytes = 0
  return async (batch) => {
    const bytes = batch.byteLength
    if (pendingBytes > 0 && pendingBytes + bytes > maxPendingBytes)
      throw new AppError(
        'overloaded',
        `${pendingBytes} bytes of records are already waiting to be written`
      )
    pendingBytes += bytes
    try {
      await call('records', 'append', [batch])
    } finally {
      pendingBytes -= bytes
    }
  }
}

const openOnThread = async (
  local: LocalStore,
  {
    maxPendingBytes = DEFAULT_MAX_PENDING_BYTES,
    onDown = () => {},
    onUp = () => {},
    spawn = startThread,
  }: ThreadOptions
): Promise<OpenStore> => {
  const { first, call, close } = await keepOpen((onDeath) => openChannel(spawn(local), onDeath), {
    onDown,
    onUp,
  })
  const append = boundedAppend(call, maxPendingBytes)
  const areasUnder = (lease?: Lease): Areas => {
    const areas = remoteAreas(call, first.methods, lease)
    return { ...areas, records: { ...areas.records, append } }
  }
  let closing: Promise<void> | null = null
  return {
    ...areasUnder(),
    under: areasUnder,
    close: () => (closing ??= close()),
  }
}

/**
 * Opens or creates the database in the data directory and applies missing migrations.
 * @throws AppError `store-unavailable` when it cannot be opened or written, `invalid-config` when a
 * newer version wrote it
 */
export const openSqliteStore = (
  options: SqliteLocalOptions,
  threadOptions: ThreadOptions = {}
): Promise<OpenStore> => openOnThread({ kind: 'sqlite', options }, threadOptions)

/**
 * Connects to the server and applies missing migrations.
 * @throws AppError `store-unavailable` when the server cannot be reached or is read-only, `invalid-config` when
 * it refuses the user, or when the database is of a newer version, of another program, of another encoding or
 * without rights
 */
export const openPostgresStore = (
  options: PostgresLocalOptions,
  threadOptions: ThreadOptions = {}
): Promise<OpenStore> => openOnThread({ kind: 'postgres', options }, threadOptions)
