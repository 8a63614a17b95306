/** The thread that owns the database file, so that waiting for the disk never blocks a request. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Store } from '../store.ts'
import { openLocalStore, type LocalOptions } from './local.ts'
import { methodsOf, toWireError, type Call, type Opened, type Reply } from './messages.ts'

type AnyMethod = (...parameters: unknown[]) => Promise<unknown>

const port = parentPort!

const run = (store: Store, { area, method, parameters }: Call): Promise<unknown> => {
  if (area === null) return store.close()
  return (store[area] as unknown as Record<string, AnyMethod>)[method]!(...parameters)
}

const answer = async (store: Store, call: Call): Promise<Reply> => {
  try {
    return { id: call.id, value: await run(store, call) }
  } catch (error) {
    return { id: call.id, error: toWireError(error) }
  }
}

const report = (opened: Opened): void => port.postMessage(opened)

try {
  const store = await openLocalStore(workerData as LocalOptions, Date.now)
  port.on('message', async (call: Call) => {
    port.postMessage(await answer(store, call))
    if (call.area === null) port.close()
  })
  report({ methods: methodsOf(store) })
} catch (error) {
  report({ error: toWireError(error) })
  port.close()
}
