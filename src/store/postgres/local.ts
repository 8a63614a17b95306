/** The store on the calling thread: `thread.ts` runs it for the product, tests open it directly. */
import { createRedactor } from '../../core/log/redact.ts'
import { recordWriter } from '../common/log/append.ts'
import { blankLost, type Upkeep } from '../common/log/prune.ts'
import { areasOf } from '../common/store.ts'
import { createAppender, type CaptureOptions } from '../log/appender.ts'
import { Dictionaries } from '../log/dictionaries.ts'
import type { OpenStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import { openPool, type Connection } from './base/database.ts'
import { migrate } from './base/migrate.ts'
import { placeOf, type ServerOptions } from './base/server-options.ts'
import { sliceRenewer } from './key-slices.ts'
import { createLeaseStore, fenced } from './leases.ts'

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

const LOG = ['records', 'bodies', 'dictionaries']
/** Tables that a forgetting deletes rows of, beside the log. */
const FORGOTTEN = ['evaluations', 'pairs', 'feedback', 'kept_responses', 'snapshots']

/**
 * Vacuums, so that deleted rows can no longer be read and their space is used again. What the server keeps beyond that
 * is the operator's: docs/postgres.md.
 */
const vacuum = async ({ alone }: Connection, tables: string[]): Promise<void> => {
  for (const table of tables) await alone(`vacuum promptintern.${table}`)
}

const upkeepOn = (connection: Connection, dictionaries: Dictionaries): Upkeep => ({
  dictionaries,
  giveBack: () => vacuum(connection, LOG),
  scrub: async () => {
    await blankLost(commonOf(connection))
    await vacuum(connection, [...LOG, ...FORGOTTEN])
  },
})

const storeOn = (connection: Connection, options: LocalOptions): OpenStore => {
  const { redact = null } = options
  const dictionaries = new Dictionaries()
  const redactor = redact === null ? null : createRedactor(redact)
  const writer = recordWriter(commonOf(connection), dictionaries)
  const { flush, ...appender } = createAppender(writer, options, redactor)
  const areas = (on: Connection) =>
    areasOf(commonOf(on), {
      appender,
      redactor,
      renew: sliceRenewer(on),
      upkeep: upkeepOn(on, dictionaries),
    })
  return {
    ...areas(connection),
    leases: createLeaseStore(connection),
    under: (lease) => areas(fenced(connection, lease)),
    close: () => flush().then(connection.close),
  }
}

/** @throws AppError like `migrate`, and `invalid-config` where the server refuses the user */
export const openLocalStore = async (options: LocalOptions): Promise<OpenStore> => {
  const store = storeOn(await openConnection(options), options)
  let closing: Promise<void> | null = null
  return { ...store, close: () => (closing ??= store.close()) }
}
