/**
 * A store on a thread of its own: each call is a message to the thread that owns the database. Several
 * stores, in one process or in many, may share a database.
 */
import { Worker } from 'node:worker_threads'
import { AppError } from '../../errors.ts'
import type { LocalOptions as PostgresLocalOptions } from '../postgres/local.ts'
import type { LocalOptions as SqliteLocalOptions } from '../sqlite/local.ts'
import type { Lease, OpenStore, Store } from '../store.ts'
import {
  fromWireError,
  type Area,
  type Call,
  type LocalStore,
  type Methods,
  type Opened,
  type ReplicaFault,
  type Reply,
} from './messages.ts'

interface ThreadOptions {
  /** bytes of records that may wait to be written; a further append is refused */
  maxPendingBytes?: number
  /** takes why the replica is not asked, once until it is asked again; nothing by default */
  onReplicaFault?: (error: AppError) => void
}

const DEFAULT_MAX_PENDING_BYTES = 256 * 2 ** 20

/** Node 20 cannot load TypeScript in a thread: when run from sources, tsx is registered first. */
const startThread = (local: LocalStore): Worker => {
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

const opened = (worker: Worker): Promise<Methods> =>
  new Promise((resolve, reject) => {
    worker.once('message', (message: Opened) => {
      if ('methods' in message) resolve(message.methods)
      else reject(fromWireError(message.error))
    })
    worker.once('error', (cause) => {
      reject(new AppError('store-unavailable', 'the store thread did not start', { cause }))
    })
  })

type CallThread = (
  area: Area | null,
  method: string,
  parameters: unknown[],
  lease?: Lease
) => Promise<unknown>

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: AppError) => void
}

const openChannel = (
  worker: Worker,
  onReplicaFault: (error: AppError) => void = () => {}
): CallThread => {
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let ended: AppError | null = null
  const end = (error: AppError): void => {
    ended ??= error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  worker.on('message', (reply: Reply | ReplicaFault) => {
    if ('replicaFault' in reply) return onReplicaFault(fromWireError(reply.replicaFault))
    const caller = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) caller?.reject(fromWireError(reply.error))
    else caller?.resolve(reply.value)
  })
  worker.on('error', (cause) => {
    end(new AppError('store-unavailable', 'the store thread failed: restart', { cause }))
  })
  worker.on('exit', () => end(new AppError('store-unavailable', 'the store is closed')))
  return (area, method, parameters, lease) =>
    new Promise((resolve, reject) => {
      if (ended !== null) return reject(ended)
      const call: Call = { id: nextId++, area, lease: lease ?? null, method, parameters }
      waiting.set(call.id, { resolve, reject })
      worker.postMessage(call, [])
      if (area === null) ended = new AppError('store-unavailable', 'the store is closed')
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
        `${pendingBytes} bytes of records wait to be written already`
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
  { maxPendingBytes = DEFAULT_MAX_PENDING_BYTES, onReplicaFault }: ThreadOptions
): Promise<OpenStore> => {
  const worker = startThread(local)
  const methods = await opened(worker)
  const call = openChannel(worker, onReplicaFault)
  const append = boundedAppend(call, maxPendingBytes)
  const areasUnder = (lease?: Lease): Areas => {
    const areas = remoteAreas(call, methods, lease)
    return { ...areas, records: { ...areas.records, append } }
  }
  let closing: Promise<void> | null = null
  return {
    ...areasUnder(),
    under: areasUnder,
    close: () => (closing ??= call(null, 'close', []).then(() => undefined)),
  }
}

/**
 * Opens or creates the database in the data directory and applies missing migrations.
 * @throws AppError `store-unavailable` when it cannot be opened or written, `invalid-config` when a
 * newer version wrote it
 */
export const openSqliteStore = (
  options: SqliteLocalOptions,
  threadOptions: Pick<ThreadOptions, 'maxPendingBytes'> = {}
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
