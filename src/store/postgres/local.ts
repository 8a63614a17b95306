/** The store on the calling thread: `thread.ts` runs it for the product, tests open it directly. */
import { createRedactor } from '../../core/log/redact.ts'
import type { OpenStore, Store } from '../store.ts'
import { openPool, type Connection } from './base/database.ts'
import { migrate } from './base/migrate.ts'
import { placeOf, type ServerOptions } from './base/server-options.ts'
import { createAppender, type CaptureOptions } from '../log/appender.ts'
import { createFeedbackStore } from './feedback.ts'
import { createInternalizationStore } from './internalizations.ts'
import { createKeyStore } from './keys.ts'
import { createLeaseStore, fenced } from './leases.ts'
import { recordWriter } from './log/append.ts'
import { systemTimer } from '../../timers.ts'
import { BaseCache } from '../log/base-cache.ts'
import { createRecordStore } from './log/records.ts'
import { createKeptResponseStore } from './kept-responses.ts'
import { createPairStore } from './pairs.ts'
import { createRouteStore } from './routes.ts'
import { createReplica } from './replica.ts'
import { createSnapshotStore } from './snapshots.ts'
import { createTemplateStore } from './templates.ts'

export interface LocalOptions extends CaptureOptions {
  server: ServerOptions
  /** connections at most, to each server */
  poolSize: number
  /** only reads, also from a standby; nothing is migrated */
  readOnly?: boolean
  /** a standby, for the reads in `withReplica`; none by default */
  replica?: ServerOptions | null
}

const openConnection = async ({
  server,
  poolSize,
  readOnly = false,
}: LocalOptions): Promise<Connection> => {
  const connection = openPool(server, poolSize, readOnly ? 'any' : 'primary')
  try {
    await migrate(connection, placeOf(server), { readOnly })
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** Milliseconds, by a clock that cannot be set back. */
const monotonicNow = (): number => performance.now()

/**
 * The store with reads by the replica: those that read many records or sums of the whole log, and decide
 * nothing. What is forgotten through this store is not shown again.
 */
const withReplica = (
  store: OpenStore,
  { primary, standby }: { primary: Connection; standby: Connection },
  report: (error: unknown) => void
): OpenStore => {
  const replica = createReplica({
    primary,
    standby,
    now: monotonicNow,
    setTimer: systemTimer,
    report,
  })
  const records = createRecordStore(standby, new BaseCache(monotonicNow))
  const pairs = createPairStore(standby)
  const forgetting = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } finally {
      // also a call that failed may have deleted
      replica.noteWrite()
    }
  }
  const either =
    <Parameters extends unknown[], Result>(
      ofStandby: (...parameters: Parameters) => Promise<Result>,
      ofPrimary: (...parameters: Parameters) => Promise<Result>
    ) =>
    (...parameters: Parameters): Promise<Result> =>
      replica.read(
        () => ofStandby(...parameters),
        () => ofPrimary(...parameters)
      )
  return {
    ...store,
    records: {
      ...store.records,
      list: either(records.list, store.records.list),
      search: either(records.search, store.records.search),
      traffic: either(records.traffic, store.records.traffic),
      forget: (selection) => forgetting(store.records.forget(selection)),
    },
    pairs: { ...store.pairs, spent: either(pairs.spent, store.pairs.spent) },
  }
}

/** The store on the primary alone. */
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
    templates: createTemplateStore(on),
    internalizations: createInternalizationStore(on),
    pairs: createPairStore(on),
    feedback: createFeedbackStore(on, redactor),
    keptResponses: createKeptResponseStore(on),
    routes: createRouteStore(on),
    keys: createKeyStore(on),
    snapshots: createSnapshotStore(on),
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
  now: () => number,
  onReplicaFault: (error: unknown) => void = () => {}
): Promise<OpenStore> => {
  const primary = await openConnection(options)
  const own = storeOn(primary, options, now)
  // connects with the first read, so that a replica that is away stops no start
  const standby =
    options.replica == null ? null : openPool(options.replica, options.poolSize, 'standby')
  const store = standby === null ? own : withReplica(own, { primary, standby }, onReplicaFault)
  const close = async (): Promise<void> => {
    await own.close()
    await standby?.close()
  }
  let closing: Promise<void> | null = null
  return { ...store, close: () => (closing ??= close()) }
}
