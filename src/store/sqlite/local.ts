/** The store on the calling thread. `thread.ts` runs it; `open.ts` is what the product uses. */
import { readBatch } from '../../core/log/exchange-batch.ts'
import { createRedactor, type RedactOptions } from '../../core/log/redact.ts'
import { addUsage, noUsage } from '../../core/log/usage-totals.ts'
import type { Store } from '../store.ts'
import { exchangeWriter } from './log/append.ts'
import { createBatcher } from './batcher.ts'
import { BaseCache } from './log/base-cache.ts'
import { openDatabase, type DatabaseOptions } from './base/database.ts'
import { createInternalizationStore } from './internalizations.ts'
import { createKeyStore } from './keys.ts'
import { createRecordStore } from './log/records.ts'
import { createRouteStore } from './routes.ts'
import { createSnapshotStore } from './snapshots.ts'
import { createTemplateStore } from './templates.ts'

export interface LocalOptions extends DatabaseOptions {
  /** of a request and of a decoded answer; a larger one is left out of its record */
  maxTextBytes?: number
  /** what is taken out of bodies before they are written; null or absent is nothing */
  redact?: RedactOptions | null
}

const DEFAULT_MAX_TEXT_BYTES = 4 * 2 ** 20

/**
 * Two of them on one file need a thread each: one that waits for the other's lock blocks its thread.
 * @throws AppError as `openDatabase`
 */
export const openLocalStore = async (
  { maxTextBytes = DEFAULT_MAX_TEXT_BYTES, redact = null, ...options }: LocalOptions,
  now: () => number
): Promise<Store> => {
  const connection = await openDatabase(options)
  const cache = new BaseCache(now)
  const totals = noUsage()
  const batcher = createBatcher(
    exchangeWriter(connection, cache, {
      maxTextBytes,
      redact: redact === null ? null : createRedactor(redact),
      onWritten: (records) => {
        for (const record of records) addUsage(totals, record)
      },
    })
  )
  let closing: Promise<void> | null = null
  return {
    records: {
      ...createRecordStore(connection, cache),
      append: (batch) => batcher.add(readBatch(batch)),
      usageTotals: () => Promise.resolve(structuredClone(totals)),
    },
    templates: createTemplateStore(connection),
    internalizations: createInternalizationStore(connection),
    routes: createRouteStore(connection),
    keys: createKeyStore(connection),
    snapshots: createSnapshotStore(connection),
    close: () => (closing ??= batcher.flush().then(connection.close)),
  }
}
