/** Leases, and connections that write only while one is held. The clock is the database's. */
import { AppError } from '../../errors.ts'
import type { Lease, LeaseStore } from '../store.ts'
import type { CommonConnection, Sql } from './connection.ts'

const MAKE = `insert into promptintern.leases (name, epoch, holder, ends_at)
  values ($1, 0, '', 0) on conflict do nothing`

/**
 * Waits for no write under the lease, which holds `for key share`: as long as one runs, the lease cannot pass on,
 * and `skip locked` finds no row.
 */
const takeAt = (now: string): string => `update promptintern.leases
  set epoch = epoch + 1, holder = $2, ends_at = ${now} + $3
  where name = (
    select name from promptintern.leases where name = $1 and (ends_at <= ${now} or holder = $2)
    for update skip locked
  ) returning epoch`

const HELD = 'select 1 from promptintern.leases where name = $1 and epoch = $2 for key share'

export const createLeaseStore = ({ readSql, writeSql, now }: CommonConnection): LeaseStore => ({
  acquire: (name, holder, ttlMs) =>
    writeSql(async (sql) => {
      await sql(MAKE, [name])
      const { rows } = await sql<{ epoch: number }>(takeAt(now), [name, holder, ttlMs])
      return rows[0] === undefined ? null : { name, epoch: rows[0].epoch }
    }),
  // a change of a column that is no key waits for no write under the lease
  renew: ({ name, epoch }, ttlMs) =>
    writeSql(async (sql) => {
      const { changed } = await sql(
        `update promptintern.leases set ends_at = ${now} + $1 where name = $2 and epoch = $3`,
        [ttlMs, name, epoch]
      )
      return changed > 0
    }),
  release: ({ name, epoch }) =>
    writeSql(async (sql) => {
      await sql('update promptintern.leases set ends_at = 0 where name = $1 and epoch = $2', [
        name,
        epoch,
      ])
    }),
  holder: (name) =>
    readSql(async (sql) => {
      const { rows } = await sql<{ holder: string }>(
        `select holder from promptintern.leases where name = $1 and ends_at > ${now}`,
        [name]
      )
      return rows[0]?.holder ?? null
    }),
})

/** In the transaction of each write, so no holder can come in between. */
export const fenced = (connection: CommonConnection, { name, epoch }: Lease): CommonConnection => {
  const requireHeld = async (sql: Sql): Promise<void> => {
    const { rows } = await sql(HELD, [name, epoch])
    if (rows.length === 0)
      throw new AppError('conflict', `the lease ${name} has passed on to another process`)
  }
  const write: CommonConnection['write'] = (work) =>
    connection.write(async (tx, sql) => {
      await requireHeld(sql)
      return work(tx, sql)
    })
  return { ...connection, write, writeSql: (work) => write((_tx, sql) => work(sql)) }
}
