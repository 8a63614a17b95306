/** Leases, and connections that write only while one is held. */
import { and, eq, gt, lte, or, sql } from 'drizzle-orm'
import type { Lease, LeaseStore } from '../store.ts'
import { lostLease } from '../lost-lease.ts'
import type { Connection } from './base/database.ts'
import { leases } from './base/schema.ts'

const HELD = 'select 1 from leases where name = ? and epoch = ?'

const isHeld = ({ name, epoch }: Lease) => and(eq(leases.name, name), eq(leases.epoch, epoch))

/** All that write on the file share a machine, so its clock is the database's. */
export const createLeaseStore = ({ read, write }: Connection, now: () => number): LeaseStore => {
  return {
    acquire: (name, holder, ttlMs) =>
      write(async (tx) => {
        const row = { holder, endsAt: now() + ttlMs }
        const [taken] = await tx
          .insert(leases)
          .values({ name, epoch: 1, ...row })
          .onConflictDoUpdate({
            target: leases.name,
            set: { ...row, epoch: sql`${leases.epoch} + 1` },
            setWhere: or(lte(leases.endsAt, now()), eq(leases.holder, holder)),
          })
          .returning({ epoch: leases.epoch })
        return taken === undefined ? null : { name, epoch: taken.epoch }
      }),
    renew: (lease, ttlMs) =>
      write(async (tx) => {
        const set = { endsAt: now() + ttlMs }
        const renewed = await tx.update(leases).set(set).where(isHeld(lease)).returning()
        return renewed.length > 0
      }),
    release: (lease) =>
      write(async (tx) => {
        await tx.update(leases).set({ endsAt: 0 }).where(isHeld(lease))
      }),
    holder: (name) =>
      read(async (db) => {
        const isTaken = and(eq(leases.name, name), gt(leases.endsAt, now()))
        const [row] = await db.select().from(leases).where(isTaken)
        return row?.holder ?? null
      }),
  }
}

/** In the transaction of each write, so no holder can come in between. */
export const fenced = (connection: Connection, lease: Lease): Connection => {
  const { name, epoch } = lease
  return {
    ...connection,
    write: (work) =>
      connection.write(async (tx) => {
        const held = await tx.all(
          sql`select 1 from ${leases} where ${leases.name} = ${name} and ${leases.epoch} = ${epoch}`
        )
        if (held.length === 0) throw lostLease(lease)
        return work(tx)
      }),
    writeSql: (work) =>
      connection.writeSql(async (tx) => {
        const { rows } = await tx.execute({ sql: HELD, args: [name, epoch] })
        if (rows.length === 0) throw lostLease(lease)
        return work(tx)
      }),
  }
}
