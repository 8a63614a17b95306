/**
 * The connections to the server. When it ends, stops answering or becomes read-only, they are given up, and the
 * next call connects again: the address may lead to another server then, as after a fail-over.
 */
import {
  Client,
  Pool,
  types,
  type ClientBase,
  type ClientConfig,
  type CustomTypesConfig,
  type PoolClient,
  type QueryConfig,
} from 'pg'
import { AppError } from '../../../errors.ts'
import { isLost, READ_ONLY, storeError } from './errors.ts'
import type { DatabaseServer } from '../../../config/database-url.ts'
import { connectionOf, placeOf } from './server-options.ts'

export interface PoolOptions {
  /** connections at most */
  size: number
  /** whether the server must take writes; a standby is enough for reads */
  writes: boolean
  /** for a connection, milliseconds */
  connectMs: number
  /** for a statement that has no limit of its own, milliseconds */
  queryMs: number
}

export interface ServerPool {
  /** @throws AppError `store-unavailable` or `invalid-config` where the server cannot be used */
  use: <T>(work: (pool: Pool) => Promise<T>) => Promise<T>
  /** Whether the server was reached once, so that the configuration was right. */
  hasConnected: () => boolean
  /** Call it when no work is running. */
  close: () => Promise<void>
}

/** A pool of connections that are given up together. */
interface Opened {
  config: ClientConfig
  requireWritable: (client: ClientBase) => Promise<void>
  pool: Pool
  clients: Set<PoolClient>
  running: number
  isRetired: boolean
  probe: Promise<void> | null
}

/** of an idle connection, so that a pooler or a firewall need not end it */
const IDLE_MS = 60_000
/** After this time of a call the server is asked over another connection whether it still answers. */
const SUSPICIOUS_MS = 5_000

const INT8 = 20

/** Numbers of 64 bits as numbers: all of ours are safe integers. */
const parsers: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text') =>
    oid === INT8 ? Number : types.getTypeParser(oid, format)) as CustomTypesConfig['getTypeParser'],
}

const IS_READ_ONLY = `select pg_is_in_recovery()
  or current_setting('transaction_read_only') = 'on' as "isReadOnly"`

/** The server is reached, and takes no writes. */
class ReadOnly extends AppError {}

/** Asks a new connection: an address may lead to another server than before. @throws ReadOnly */
const writableCheck =
  (place: string, { writes, connectMs }: PoolOptions) =>
  async (client: ClientBase): Promise<void> => {
    if (!writes) return
    const query = { text: IS_READ_ONLY, query_timeout: connectMs } as QueryConfig
    const { rows } = await client.query<{ isReadOnly: boolean }>(query)
    if (rows[0]?.isReadOnly !== true) return
    throw new ReadOnly('store-unavailable', `database ${place}: ${READ_ONLY}`)
  }

const openConnections = (server: DatabaseServer, options: PoolOptions): Opened => {
  const clients = new Set<PoolClient>()
  const { connectMs } = options
  const config = {
    ...connectionOf(server),
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
  }
  const requireWritable = writableCheck(placeOf(server), options)
  const pool = new Pool({
    ...config,
    max: options.size,
    idleTimeoutMillis: IDLE_MS,
    query_timeout: options.queryMs,
    types: parsers,
    onConnect: requireWritable,
  })
  // of an idle connection: the pool has dropped it, and the next call opens another one
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    clients.add(client)
    // of a connection that ends between two statements of a transaction: the next one fails
    client.on('error', () => {})
  })
  pool.on('remove', (client) => clients.delete(client))
  return { config, requireWritable, pool, clients, running: 0, isRetired: false, probe: null }
}

const endIfUnused = ({ pool, running, isRetired }: Opened): void => {
  if (isRetired && running === 0 && !pool.ending) void pool.end().catch(() => {})
}

/** No new call gets it; calls that run end as they do. */
const retire = (opened: Opened): void => {
  opened.isRetired = true
  endIfUnused(opened)
}

/** Ends the calls that run, which would wait for an answer until their own limits. */
const giveUp = (opened: Opened): void => {
  retire(opened)
  for (const client of opened.clients)
    void (client as PoolClient & Pick<Client, 'end'>).end().catch(() => {})
}

/** Connects once more. @throws what may show that the server is lost */
const probe = async ({ config, requireWritable }: Opened): Promise<void> => {
  const client = new Client(config)
  client.on('error', () => {})
  try {
    await client.connect()
    await requireWritable(client)
  } finally {
    void client.end().catch(() => {})
  }
}

const isGone = (error: unknown): boolean => error instanceof ReadOnly || isLost(error)

/** Asks the server while a call takes long, because a lost connection may never say so. */
const watch = (opened: Opened): (() => void) => {
  const timer = setInterval(() => {
    opened.probe ??= probe(opened)
      .catch((error: unknown) => {
        if (isGone(error)) giveUp(opened)
      })
      .finally(() => (opened.probe = null))
  }, SUSPICIOUS_MS)
  return () => clearInterval(timer)
}

/** Connects with the first call. */
export const openServerPool = (server: DatabaseServer, options: PoolOptions): ServerPool => {
  let opened: Opened | null = null
  let opening: Promise<Opened> | null = null
  let hasConnected = false

  const open = async (): Promise<Opened> => {
    const candidate = openConnections(server, options)
    try {
      const client = await candidate.pool.connect()
      client.release()
      hasConnected = true
      return candidate
    } catch (error) {
      retire(candidate)
      throw storeError(error, placeOf(server), hasConnected)
    }
  }

  const current = async (): Promise<Opened> => {
    if (opened !== null && !opened.isRetired) return opened
    opening ??= open().finally(() => (opening = null))
    opened = await opening
    return opened
  }

  return {
    use: async (work) => {
      const used = await current()
      used.running++
      const endWatch = watch(used)
      try {
        return await work(used.pool)
      } catch (error) {
        if (isGone(error)) retire(used)
        throw error
      } finally {
        endWatch()
        used.running--
        endIfUnused(used)
      }
    },
    hasConnected: () => hasConnected,
    close: async () => {
      if (opened?.pool.ending === false) await opened.pool.end()
    },
  }
}
