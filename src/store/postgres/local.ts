/** The store on the calling thread: `thread.ts` runs it for the product, tests open it directly. */
import { openStoreOn } from '../common/store.ts'
import type { CaptureOptions } from '../log/appender.ts'
import type { OpenStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import { openPool, type Connection } from './base/database.ts'
import { migrate } from './base/migrate.ts'
import type { DatabaseServer } from '../../config/database-url.ts'
import { placeOf } from './base/server-options.ts'

export interface LocalOptions extends CaptureOptions {
  server: DatabaseServer
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

/** @throws AppError like `migrate`, and `invalid-config` where the server refuses the user */
export const openLocalStore = async (options: LocalOptions): Promise<OpenStore> => {
  const opened = await openConnection(options)
  return openStoreOn(
    {
      connection: commonOf(opened),
      giveBack: () => vacuum(opened, LOG),
      scrub: () => vacuum(opened, [...LOG, ...FORGOTTEN]),
      close: opened.close,
    },
    options
  )
}
