/** The thread that owns the database, so that waiting for the disk never blocks a request. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Store } from '../store.ts'
import type { DatabaseOptions } from './database.ts'
import { openLocalStore } from './local.ts'
import { toWireError, type Call, type Opened, type Reply } from './messages.ts'

type AnyMethod = (...parameters: unknown[]) => Promise<unknown>

const port = parentPort!

const methodOf = (store: Store, { area, method }: Call): AnyMethod =>
  area === null ? store.close : (store[area] as unknown as Record<string, AnyMethod>)[method]!

const answer = async (store: Store, call: Call): Promise<Reply> => {
  try {
    return { id: call.id, value: await methodOf(store, call)(...call.parameters) }
  } catch (error) {
    return { id: call.id, error: toWireError(error) }
  }
}

const serve = (store: Store): void => {
  port.on('message', async (call: Call) => {
    port.postMessage(await answer(store, call))
    if (call.area === null) port.close()
  })
}

const report = (opened: Opened): void => port.postMessage(opened)

try {
  serve(await openLocalStore(workerData as DatabaseOptions, Date.now))
  report({ error: null })
} catch (error) {
  report({ error: toWireError(error) })
  port.close()
}
