/** The thread that owns the database, so that neither compression nor a wait for the disk blocks a request. */
import { parentPort, workerData } from 'node:worker_threads'
import type { OpenStore } from '../store.ts'
import {
  methodsOf,
  toWireError,
  type Call,
  type LocalStore,
  type Opened,
  type Reply,
} from './messages.ts'

type AnyMethod = (...parameters: unknown[]) => Promise<unknown>

const port = parentPort!

/** Loads only the driver that is needed. */
const openLocal = async ({ kind, options }: LocalStore): Promise<OpenStore> =>
  kind === 'sqlite'
    ? (await import('../sqlite/local.ts')).openLocalStore(options)
    : (await import('../postgres/local.ts')).openLocalStore(options)

const run = (store: OpenStore, { area, lease, method, parameters }: Call): Promise<unknown> => {
  if (area === null) return store.close()
  const areas = lease === null ? store : { ...store, ...store.under(lease) }
  return (areas[area] as unknown as Record<string, AnyMethod>)[method]!(...parameters)
}

const answer = async (store: OpenStore, call: Call): Promise<Reply> => {
  try {
    return { id: call.id, value: await run(store, call) }
  } catch (error) {
    return { id: call.id, error: toWireError(error) }
  }
}

const report = (opened: Opened): void => port.postMessage(opened)

try {
  const store = await openLocal(workerData as LocalStore)
  port.on('message', async (call: Call) => {
    port.postMessage(await answer(store, call))
    if (call.area === null) port.close()
  })
  report({ methods: methodsOf(store) })
} catch (error) {
  report({ error: toWireError(error) })
  port.close()
}
