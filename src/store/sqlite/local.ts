/** The store on the calling thread: `thread.ts` runs it for the product, tests open it directly. */
import { readBatch } from '../../core/log/exchange-batch.ts'
import { createRedactor, type RedactOptions } from '../../core/log/redact.ts'
import { addUsage, noUsage } from '../../core/log/usage-totals.ts'
import type { Store } from '../store.ts'
import { openDatabase, type DatabaseOptions } from './base/database.ts'
import { Batcher } from '../log/batcher.ts'
import { createFeedbackStore } from './feedback.ts'
import { createInternalizationStore } from './internalizations.ts'
import { createKeyStore } from './keys.ts'
import { recordWriter } from './log/append.ts'
import { BaseCache } from '../log/base-cache.ts'
import { exchangeWriter } from '../log/record-bytes.ts'
import { createRecordStore } from './log/records.ts'
import { createKeptResponseStore } from './kept-responses.ts'
import { createPairStore } from './pairs.ts'
import { createRouteStore } from './routes.ts'
import { createSnapshotStore } from './snapshots.ts'
import { createTemplateStore } from './templates.ts'

export interface LocalOptions extends DatabaseOptions {
  /** of a request and of a decoded answer; a larger one is left out of its record */
  maxBodyBytes?: number
  /** replaces secrets in bodies and comments before they are written; null: off */
  redact?: RedactOptions | null
}

const DEFAULT_MAX_BODY_BYTES = 4 * 2 ** 20

/**
 * Two stores on one file that write at the same time need a thread each: SQLite blocks the thread
 * that waits for the lock, and the other store could never release it.
 * @throws AppError like `openDatabase`
 */
export const openLocalStore = async (
  { maxBodyBytes = DEFAULT_MAX_BODY_BYTES, redact = null, ...options }: LocalOptions,
  now: () => number
): Promise<Store> => {
  const connection = await openDatabase(options)
  const cache = new BaseCache(now)
  const totals = noUsage()
  const redactor = redact === null ? null : createRedactor(redact)
  const batcher = new Batcher(
    exchangeWriter(recordWriter(connection, cache), {
      maxBodyBytes,
      redact: redactor,
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
    pairs: createPairStore(connection),
    feedback: createFeedbackStore(connection, redactor),
    keptResponses: createKeptResponseStore(connection),
    routes: createRouteStore(connection),
    keys: createKeyStore(connection),
    snapshots: createSnapshotStore(connection),
    close: () => (closing ??= batcher.flush().then(connection.close)),
  }
}
