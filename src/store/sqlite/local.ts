/** The store on the calling thread. `thread.ts` runs it; `open.ts` is what the product uses. */
import type { ExchangeRecord } from '../../core/record.ts'
import type { Store } from '../store.ts'
import { recordWriter } from './append.ts'
import { createBatcher } from './batcher.ts'
import { BaseCache } from './base-cache.ts'
import { openDatabase, type DatabaseOptions } from './database.ts'
import { createInternalizationStore } from './internalizations.ts'
import { unpackRecords, type PackedRecords, type RecordBytes } from './packed-records.ts'
import { createRecordStore } from './records.ts'
import { createRouteStore } from './routes.ts'
import { createSnapshotStore } from './snapshots.ts'
import { createTemplateStore } from './templates.ts'

export interface LocalStore extends Store {
  /** `records.append` of what `packRecords` has made */
  appendPacked: (packed: PackedRecords) => Promise<void>
}

const toBytes = ({ request, response, ...row }: ExchangeRecord): RecordBytes => ({
  ...row,
  request: Buffer.from(request),
  response: response === null ? null : Buffer.from(response),
})

/**
 * Two of them on one file need a thread each: one that waits for the other's lock blocks its thread.
 * @throws AppError as `openDatabase`
 */
export const openLocalStore = async (
  options: DatabaseOptions,
  now: () => number
): Promise<LocalStore> => {
  const connection = await openDatabase(options)
  const cache = new BaseCache(now)
  const batcher = createBatcher(recordWriter(connection, cache))
  let closing: Promise<void> | null = null
  return {
    records: createRecordStore(connection, cache, (added) => batcher.add(added.map(toBytes))),
    templates: createTemplateStore(connection),
    internalizations: createInternalizationStore(connection),
    routes: createRouteStore(connection),
    snapshots: createSnapshotStore(connection),
    appendPacked: (packed) => batcher.add(unpackRecords(packed)),
    close: () => (closing ??= batcher.flush().then(connection.close)),
  }
}
