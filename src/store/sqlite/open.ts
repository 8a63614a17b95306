/**
 * The embedded store: every call is a message to the thread that owns the database file. Several
 * stores, in one process or many, may share a file.
 */
import { Worker } from 'node:worker_threads'
import { AppError } from '../../errors.ts'
import type { Store } from '../store.ts'
import type { LocalOptions } from './local.ts'
import {
  fromWireError,
  METHODS,
  type Area,
  type Call,
  type Opened,
  type Reply,
} from './messages.ts'

export interface SqliteOptions extends LocalOptions {
  /** records that may wait to be written; an append beyond it is refused */
  maxPendingBytes?: number
}

const DEFAULT_MAX_PENDING_BYTES = 256 * 2 ** 20

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: AppError) => void
}

/** Node 20 cannot load TypeScript in a thread by itself: from sources, tsx is registered first. */
const startThread = (options: LocalOptions): Worker => {
  const fromSources = import.meta.url.endsWith('.ts')
  if (!fromSources) {
    return new Worker(new URL('./thread.js', import.meta.url), { workerData: options })
  }
  const entry = new URL('./thread.ts', import.meta.url)
  const tsx = import.meta.resolve('tsx/esm/api')
  const script = `import { register } from '${tsx}'; register(); await import(${JSON.stringify(entry.href)})`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: options,
  })
}

const opened = (worker: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    worker.once('message', ({ error }: Opened) => {
      if (error === null) resolve()
      else reject(fromWireError(error))
    })
    worker.once('error', (cause) => {
      reject(new AppError('store-unavailable', 'the store thread did not start', { cause }))
    })
  })

interface Channel {
  call: (area: Area | null, method: string, parameters: unknown[]) => Promise<unknown>
}

const openChannel = (worker: Worker): Channel => {
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let ended: AppError | null = null
  const end = (error: AppError): void => {
    ended ??= error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  worker.on('message', (reply: Reply) => {
    const caller = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) caller?.reject(fromWireError(reply.error))
    else caller?.resolve(reply.value)
  })
  worker.on('error', (cause) => {
    end(new AppError('store-unavailable', 'the store thread failed: restart', { cause }))
  })
  worker.on('exit', () => end(new AppError('store-unavailable', 'the store is closed')))
  return {
    call: (area, method, parameters) =>
      new Promise((resolve, reject) => {
        if (ended !== null) return reject(ended)
        const call: Call = { id: nextId++, area, method, parameters }
        waiting.set(call.id, { resolve, reject })
        worker.postMessage(call, [])
        if (area === null) ended = new AppError('store-unavailable', 'the store is closed')
      }),
  }
}

const areaOf = <A extends Area>({ call }: Channel, area: A): Store[A] =>
  Object.fromEntries(
    Object.keys(METHODS[area]).map((method) => [
      method,
      (...parameters: unknown[]) => call(area, method, parameters),
    ])
  ) as unknown as Store[A]

/** Refuses what would let waiting appends fill the memory. */
const boundedAppend = ({ call }: Channel, maxPendingBytes: number): Store['records']['append'] => {
  let pendingBytes = 0
  return async (batch) => {
    const bytes = batch.byteLength
    if (pendingBytes > 0 && pendingBytes + bytes > maxPendingBytes) {
      throw new AppError('overloaded', `${pendingBytes} bytes wait to be logged already`)
    }
    pendingBytes += bytes
    try {
      await call('records', 'append', [batch])
    } finally {
      pendingBytes -= bytes
    }
  }
}

/**
 * Opens or creates the database in the data directory and brings its schema up to date.
 * @throws AppError `store-unavailable` when it cannot be opened or written, `invalid-config` when a
 * newer version wrote it
 */
export const openSqliteStore = async ({
  maxPendingBytes = DEFAULT_MAX_PENDING_BYTES,
  ...options
}: SqliteOptions): Promise<Store> => {
  const worker = startThread(options)
  await opened(worker)
  const channel = openChannel(worker)
  let closing: Promise<void> | null = null
  return {
    records: { ...areaOf(channel, 'records'), append: boundedAppend(channel, maxPendingBytes) },
    templates: areaOf(channel, 'templates'),
    internalizations: areaOf(channel, 'internalizations'),
    routes: areaOf(channel, 'routes'),
    keys: areaOf(channel, 'keys'),
    snapshots: areaOf(channel, 'snapshots'),
    close: () => (closing ??= channel.call(null, 'close', []).then(() => undefined)),
  }
}
