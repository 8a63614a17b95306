/**
 * What is run on the connections to the server: transactions with their limits, and errors with advice. Nothing
 * lives longer than a transaction on a connection (no setting, no lock, no prepared statement), so a pooler
 * may hand each transaction to another one. Knows no table.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Pool, PoolClient, QueryConfig } from 'pg'
import { AppError } from '../../../errors.ts'
import { codeOf, isOfServer, storeError } from './errors.ts'
import type { DatabaseServer } from '../../../config/database-url.ts'
import { placeOf } from './server-options.ts'
import { openServerPool } from './server-pool.ts'

/** The query builder, and as `$client` what runs plain SQL. */
export type Database = NodePgDatabase & { $client: Pool | PoolClient }
export type Transaction = NodePgDatabase & { $client: PoolClient }

/** How long a statement may take, wait for a lock, or leave a transaction idle, milliseconds. */
interface Limits {
  statementMs: number
  lockMs: number
}

export interface Connection {
  /** Each statement by itself. */
  read: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  /** All statements see the log as it was at the first one. */
  readTogether: <T>(work: (db: Database) => Promise<T>) => Promise<T>
  /** In one transaction, which is repeated where others are in the way. */
  write: <T>(work: (tx: Transaction) => Promise<T>, limits?: Limits) => Promise<T>
  /** One statement that runs outside of a transaction, however long it takes. */
  alone: (sql: string) => Promise<void>
  close: () => Promise<void>
}

const LIMITS: Limits = { statementMs: 60_000, lockMs: 20_000 }
/** A proxy that stands still in a transaction holds up the appends of the others for no longer. */
const IDLE_IN_TRANSACTION_MS = 15_000
/** of the server's limit, after which the connection counts as lost */
const GRACE_MS = 5_000
const LONG_MS = 24 * 60 * 60 * 1000
const ATTEMPTS = 4

/** serialization failure, deadlock */
const IN_THE_WAY = new Set(['40001', '40P01'])

/** `set local`: in force until the end of the transaction. */
const limitsSql = ({ statementMs, lockMs }: Limits): string =>
  `set local statement_timeout = ${statementMs}; set local lock_timeout = ${lockMs}; ` +
  `set local idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`

/** An acknowledged record survives a crash of the server, also where the role has it otherwise. */
const DURABLE = `select set_config('synchronous_commit', 'on', true)
  where current_setting('synchronous_commit') = 'off'`

/**
 * Ends a failed transaction. After an error that is neither the server's nor one of ours the connection may
 * still wait for an answer, and is given up. @returns whether the connection can be used again
 */
const rolledBack = async (client: PoolClient, error: unknown): Promise<boolean> => {
  if (!(error instanceof AppError) && !isOfServer(error)) return false
  try {
    await client.query('rollback')
    return true
  } catch {
    return false
  }
}

const inTransaction = async <T>(
  pool: Pool,
  begin: string,
  work: (tx: Transaction) => Promise<T>
): Promise<T> => {
  const client = await pool.connect()
  try {
    await client.query(begin)
    const result = await work(drizzle(client) as Transaction)
    await client.query('commit')
    client.release()
    return result
  } catch (error) {
    client.release(!(await rolledBack(client, error)))
    throw error
  }
}

const repeated = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === ATTEMPTS || !IN_THE_WAY.has(codeOf(error))) throw error
      await delay(10 * attempt)
    }
  }
}

const alone = async (pool: Pool, sql: string): Promise<void> => {
  const client = await pool.connect()
  let isLost = true
  try {
    await client.query({ text: sql, query_timeout: LONG_MS } as QueryConfig)
    isLost = false
  } finally {
    client.release(isLost)
  }
}

/** how long a connection may take, milliseconds */
const CONNECT_MS = 10_000

/** Connects with the first call. @param poolSize connections at most @param writes false: a standby is enough */
export const openPool = (server: DatabaseServer, poolSize: number, writes = true): Connection => {
  const place = placeOf(server)
  const { use, hasConnected, close } = openServerPool(server, {
    size: poolSize,
    writes,
    connectMs: CONNECT_MS,
    queryMs: LIMITS.statementMs + GRACE_MS,
  })
  const running = new Set<Promise<unknown>>()
  let isClosed = false
  const advised = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isClosed) throw new AppError('store-unavailable', 'the store is closed')
    const result = work()
    running.add(result)
    try {
      return await result
    } catch (error) {
      throw storeError(error, place, hasConnected())
    } finally {
      running.delete(result)
    }
  }
  const reading = `begin isolation level repeatable read read only; ${limitsSql(LIMITS)}`
  return {
    read: (work) => advised(() => use((pool) => work(drizzle(pool) as Database))),
    readTogether: (work) => advised(() => use((pool) => inTransaction(pool, reading, work))),
    write: (work, limits = LIMITS) =>
      advised(() => {
        const begin = `begin; ${limitsSql(limits)}; ${DURABLE}`
        return repeated(() => use((pool) => inTransaction(pool, begin, work)))
      }),
    alone: (sql) => advised(() => use((pool) => alone(pool, sql))),
    close: async () => {
      isClosed = true
      // the pool would forget those that wait for a connection
      await Promise.allSettled(running)
      await close()
    },
  }
}
