/** The store on the calling thread: `thread.ts` runs it for the product, tests open it directly. */
import { createRedactor } from '../../core/log/redact.ts'
import { createKeyStore } from '../common/keys.ts'
import { createSnapshotStore } from '../common/snapshots.ts'
import { createTemplateStore } from '../common/templates.ts'
import type { OpenStore, Store } from '../store.ts'
import { commonOf } from './base/common.ts'
import { openPool, type Connection } from './base/database.ts'
import { orConflict } from './base/errors.ts'
import { migrate } from './base/migrate.ts'
import { placeOf, type ServerOptions } from './base/server-options.ts'
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

export interface LocalOptions extends CaptureOptions {
  server: ServerOptions
  /** connections at most */
  poolSize: number
  /** only reads, also from a standby; nothing is migrated */
  readOnly?: boolean
}

const openConnection = async ({
  server,
  poolSize,
  readOnly = false,
}: LocalOptions): Promise<Connection> => {
  const connection = openPool(server, poolSize, !readOnly)
  try {
    await migrate(connection, placeOf(server), { readOnly })
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

const storeOn = (connection: Connection, options: LocalOptions, now: () => number): OpenStore => {
  const { redact = null } = options
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
  return {
    ...areasOf(connection),
    leases: createLeaseStore(connection),
    under: (lease) => areasOf(fenced(connection, lease)),
    close: () => flush().then(connection.close),
  }
}

/** @throws AppError like `migrate`, and `invalid-config` where the server refuses the user */
export const openLocalStore = async (
  options: LocalOptions,
  now: () => number
): Promise<OpenStore> => {
  const store = storeOn(await openConnection(options), options, now)
  let closing: Promise<void> | null = null
  return { ...store, close: () => (closing ??= store.close()) }
}
