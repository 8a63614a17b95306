/**
 * The connections to the one server that is wanted: of several hosts the primary, or for a replica a standby.
 * All hosts are asked at the same time, and the first that is what is wanted is taken. When it ends, stops
 * answering or becomes read-only, its connections are given up, and the next call asks all hosts again.
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
import { isLost, storeError } from './errors.ts'
import { connectionOf, placeOf, type Host, type ServerOptions } from './server-options.ts'

export interface PoolOptions {
  /** connections at most */
  size: number
  /** of a server that may be written to, of one that follows it, or of either, to read only */
  role: 'primary' | 'standby' | 'any'
  /** for a connection, milliseconds */
  connectMs: number
  /** for a statement that has no limit of its own, milliseconds */
  queryMs: number
}

export interface ServerPool {
  /** @throws AppError `store-unavailable` or `invalid-config` where no host is what is wanted */
  use: <T>(work: (pool: Pool) => Promise<T>) => Promise<T>
  /** Whether a server was reached once, so that the configuration was right. */
  hasConnected: () => boolean
  /** Call it when no work is running. */
  close: () => Promise<void>
}

/** A pool of one host. */
interface Opened {
  config: ClientConfig
  requireRole: (client: ClientBase) => Promise<void>
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

const ROLE = `select pg_is_in_recovery() as "isStandby",
  current_setting('transaction_read_only') = 'on' as "isReadOnly"`

const READ_ONLY =
  'it is read-only: connect to the primary, and check default_transaction_read_only of the role'
const NO_STANDBY = 'it is not a standby: DATABASE_REPLICA_URL is for one that follows the primary'

/** The host is reached, and has the other role. */
class WrongRole extends AppError {}

const problemOf = (
  role: PoolOptions['role'],
  { isStandby, isReadOnly }: { isStandby: boolean; isReadOnly: boolean }
): string | null => {
  if (role === 'any') return null
  if (role === 'standby') return isStandby ? null : NO_STANDBY
  return isStandby || isReadOnly ? READ_ONLY : null
}

/** Asks a new connection: an address may lead to another server than before. @throws WrongRole */
const roleCheck =
  (place: string, { role, connectMs }: PoolOptions) =>
  async (client: ClientBase): Promise<void> => {
    const query = { text: ROLE, query_timeout: connectMs } as QueryConfig
    const { rows } = await client.query<{ isStandby: boolean; isReadOnly: boolean }>(query)
    const problem = problemOf(role, rows[0]!)
    if (problem !== null) throw new WrongRole('store-unavailable', `database ${place}: ${problem}`)
  }

const openHost = (place: string, connection: ClientConfig, options: PoolOptions): Opened => {
  const clients = new Set<PoolClient>()
  const config = { ...connection, connectionTimeoutMillis: options.connectMs, keepAlive: true }
  const requireRole = roleCheck(place, options)
  const pool = new Pool({
    ...config,
    max: options.size,
    idleTimeoutMillis: IDLE_MS,
    query_timeout: options.queryMs,
    types: parsers,
    onConnect: requireRole,
  })
  // of an idle connection: the pool has dropped it, and the next call opens another one
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    clients.add(client)
    // of a connection that ends between two statements of a transaction: the next one fails
    client.on('error', () => {})
  })
  pool.on('remove', (client) => clients.delete(client))
  return { config, requireRole, pool, clients, running: 0, isRetired: false, probe: null }
}

/** Why no host can be used. That one is a standby says little while another one is down. */
const reasonOf = (server: ServerOptions, { role }: PoolOptions, errors: unknown[]): unknown => {
  const failed = errors.find((error) => !(error instanceof WrongRole))
  if (failed !== undefined || errors.length === 1) return failed ?? errors[0]
  const problem = `none of the hosts is ${role === 'primary' ? 'a primary: promote one' : 'a standby'}`
  return new AppError('store-unavailable', `database ${placeOf(server)}: ${problem}`)
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
const probe = async ({ config, requireRole }: Opened): Promise<void> => {
  const client = new Client(config)
  client.on('error', () => {})
  try {
    await client.connect()
    await requireRole(client)
  } finally {
    void client.end().catch(() => {})
  }
}

const isGone = (error: unknown): boolean => error instanceof WrongRole || isLost(error)

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
export const openServerPool = (server: ServerOptions, options: PoolOptions): ServerPool => {
  let opened: Opened | null = null
  let looking: Promise<Opened> | null = null
  let hasConnected = false

  const tryHost = async (host: Host): Promise<Opened> => {
    const place = placeOf({ hosts: [host], database: server.database })
    const candidate = openHost(place, connectionOf(server, host), options)
    try {
      const client = await candidate.pool.connect()
      client.release()
      hasConnected = true
      return candidate
    } catch (error) {
      retire(candidate)
      throw storeError(error, place, hasConnected)
    }
  }

  const look = async (): Promise<Opened> => {
    const tries = server.hosts.map(tryHost)
    try {
      const found = await Promise.any(tries)
      for (const other of tries)
        void other.then((candidate) => candidate !== found && retire(candidate)).catch(() => {})
      return found
    } catch (error) {
      throw reasonOf(server, options, (error as AggregateError).errors)
    }
  }

  const current = async (): Promise<Opened> => {
    if (opened !== null && !opened.isRetired) return opened
    looking ??= look().finally(() => (looking = null))
    opened = await looking
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
