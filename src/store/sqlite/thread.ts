/** The thread that owns the database, so that waiting for the disk never blocks a request. */
import { parentPort, workerData } from 'node:worker_threads'
import type { DatabaseOptions } from './database.ts'
import { openLocalStore, type LocalStore } from './local.ts'
import { toWireError, type Call, type Opened, type Reply } from './messages.ts'
import type { PackedRecords } from './packed-records.ts'

type AnyMethod = (...parameters: unknown[]) => Promise<unknown>

const port = parentPort!

const run = (store: LocalStore, { area, method, parameters }: Call): Promise<unknown> => {
  if (area === null) return store.close()
  if (area === 'records' && method === 'append') {
    return store.appendPacked(parameters[0] as PackedRecords)
  }
  return (store[area] as unknown as Record<string, AnyMethod>)[method]!(...parameters)
}

const answer = async (store: LocalStore, call: Call): Promise<Reply> => {
  try {
    return { id: call.id, value: await run(store, call) }
  } catch (error) {
    return { id: call.id, error: toWireError(error) }
  }
}

const serve = (store: LocalStore): void => {
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
