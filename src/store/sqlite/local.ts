/** The store on the calling thread. `thread.ts` runs it; `open.ts` is what the product uses. */
import type { Store } from '../store.ts'
import { createBatcher } from './batcher.ts'
import { BaseCache } from './body-codec.ts'
import { openDatabase, type DatabaseOptions } from './database.ts'
import { createInternalizationStore } from './internalizations.ts'
import { createRecordStore, recordWriter } from './records.ts'
import { createRouteStore } from './routes.ts'
import { createSnapshotStore } from './snapshots.ts'
import { createTemplateStore } from './templates.ts'

/**
 * Two of them on one file need a thread each: one that waits for the other's lock blocks its thread.
 * @throws AppError as `openDatabase`
 */
export const openLocalStore = async (
  options: DatabaseOptions,
  now: () => number
): Promise<Store> => {
  const connection = await openDatabase(options)
  const cache = new BaseCache(now)
  const batcher = createBatcher(recordWriter(connection, cache))
  let closing: Promise<void> | null = null
  return {
    records: createRecordStore(connection, cache, batcher.add),
    templates: createTemplateStore(connection),
    internalizations: createInternalizationStore(connection),
    routes: createRouteStore(connection),
    snapshots: createSnapshotStore(connection),
    close: () => (closing ??= batcher.flush().then(connection.close)),
  }
}
