/** Leases, and connections that write only while one is held. */
import type { Lease, LeaseStore } from '../store.ts'
import { lostLease } from '../lost-lease.ts'
import type { Connection, Database, Transaction } from './base/database.ts'

const MAKE = `insert into promptintern.leases (name, epoch, holder, ends_at)
  values ($1, 0, '', to_timestamp(0)) on conflict do nothing`

/**
 * Waits for no write under the lease, which holds `for key share`: as long as one runs, the lease cannot pass on,
 * and `skip locked` finds no row.
 */
const TAKE = `update promptintern.leases set epoch = epoch + 1, holder = $2,
    ends_at = clock_timestamp() + $3 * interval '1 millisecond'
  where name = (
    select name from promptintern.leases
    where name = $1 and (ends_at <= clock_timestamp() or holder = $2)
    for update skip locked
  ) returning epoch`

/** A change of a column that is no key waits for no write under the lease. */
const RENEW = `update promptintern.leases set ends_at = clock_timestamp() + $3 * interval '1 millisecond'
  where name = $1 and epoch = $2 returning 1`

const RELEASE = `update promptintern.leases set ends_at = to_timestamp(0) where name = $1 and epoch = $2`

const HOLDER = `select holder from promptintern.leases where name = $1 and ends_at > clock_timestamp()`

const HELD = `select 1 from promptintern.leases where name = $1 and epoch = $2 for key share`

const query = async <T>(
  { $client }: Database | Transaction,
  text: string,
  values: unknown[]
): Promise<T[]> => (await $client.query(text, values)).rows as T[]

export const createLeaseStore = ({ read, write }: Connection): LeaseStore => ({
  acquire: (name, holder, ttlMs) =>
    write(async (tx) => {
      await query(tx, MAKE, [name])
      const [taken] = await query<{ epoch: number }>(tx, TAKE, [name, holder, ttlMs])
      return taken === undefined ? null : { name, epoch: taken.epoch }
    }),
  renew: ({ name, epoch }, ttlMs) =>
    write(async (tx) => (await query(tx, RENEW, [name, epoch, ttlMs])).length > 0),
  release: ({ name, epoch }) =>
    write(async (tx) => {
      await query(tx, RELEASE, [name, epoch])
    }),
  holder: (name) =>
    read(async (db) => (await query<{ holder: string }>(db, HOLDER, [name]))[0]?.holder ?? null),
})

/** In the transaction of each write, so no holder can come in between. */
export const fenced = (connection: Connection, lease: Lease): Connection => ({
  ...connection,
  write: (work, options) =>
    connection.write(async (tx, first) => {
      const held = await query(tx, HELD, [lease.name, lease.epoch])
      if (held.length === 0) throw lostLease(lease)
      return work(tx, first)
    }, options),
})
