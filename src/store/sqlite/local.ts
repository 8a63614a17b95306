/** The store on the calling thread: `thread.ts` runs it for the product, tests open it directly. */
import { createRedactor } from '../../core/log/redact.ts'
import { createKeyStore } from '../common/keys.ts'
import { createSnapshotStore } from '../common/snapshots.ts'
import { createTemplateStore } from '../common/templates.ts'
import type { OpenStore, Store } from '../store.ts'
import { commonOf } from './base/common.ts'
import { openDatabase, orConflict, type Connection, type DatabaseOptions } from './base/database.ts'
import { createAppender, type CaptureOptions } from '../log/appender.ts'
import { createFeedbackStore } from './feedback.ts'
import { createInternalizationStore } from './internalizations.ts'
import { sliceRenewer } from './key-slices.ts'
import { createLeaseStore, fenced } from './leases.ts'
import { recordWriter } from './log/append.ts'
import { BaseCache } from '../log/base-cache.ts'
import { createRecordStore } from './log/records.ts'
import { createKeptResponseStore } from './kept-responses.ts'
import { createPairStore } from './pairs.ts'
import { createRouteStore } from './routes.ts'

export interface LocalOptions extends DatabaseOptions, CaptureOptions {}

/**
 * Two stores on one file that write at the same time need a thread each: SQLite blocks the thread
 * that waits for the lock, and the other store could never release it.
 * @throws AppError like `openDatabase`
 */
export const openLocalStore = async (
  { redact = null, ...options }: LocalOptions,
  now: () => number
): Promise<OpenStore> => {
  const connection = await openDatabase(options)
  const cache = new BaseCache(now)
  const redactor = redact === null ? null : createRedactor(redact)
  const { flush, ...appender } = createAppender(recordWriter(connection, cache), options, redactor)
  const areasOf = (on: Connection): Store => ({
    records: {
      ...createRecordStore(on, cache),
      ...appender,
    },
    templates: createTemplateStore(commonOf(on)),
    internalizations: createInternalizationStore(on),
    pairs: createPairStore(on),
    feedback: createFeedbackStore(on, redactor),
    keptResponses: createKeptResponseStore(on),
    routes: createRouteStore(on),
    keys: createKeyStore(commonOf(on), { renew: sliceRenewer(on), orConflict }),
    snapshots: createSnapshotStore(commonOf(on)),
  })
  let closing: Promise<void> | null = null
  return {
    ...areasOf(connection),
    leases: createLeaseStore(connection, now),
    under: (lease) => areasOf(fenced(connection, lease)),
    close: () => (closing ??= flush().then(connection.close)),
  }
}
