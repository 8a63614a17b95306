/** Small blobs by name. */
import { asc, eq, sql, type SQL } from 'drizzle-orm'
import type { SnapshotStore } from '../store.ts'
import type { CommonConnection } from './connection.ts'
import type { Tables } from './tables.ts'

/** The databases count characters, and `prefix.length` UTF-16 units. */
const beginsWith = ({ name }: Tables['snapshots'], prefix: string): SQL =>
  sql`substr(${name}, 1, ${[...prefix].length}) = ${prefix}`

export const createSnapshotStore = ({
  read,
  write,
  tables: { snapshots },
}: CommonConnection): SnapshotStore => ({
  get: (name) =>
    read(async (db) => {
      const [row] = await db.select().from(snapshots).where(eq(snapshots.name, name))
      return row === undefined ? null : Uint8Array.from(row.value)
    }),
  put: (name, bytes) =>
    write(async (tx) => {
      const value = Buffer.from(bytes)
      await tx
        .insert(snapshots)
        .values({ name, value })
        .onConflictDoUpdate({ target: snapshots.name, set: { value } })
    }),
  remove: (name) =>
    write(async (tx) => {
      await tx.delete(snapshots).where(eq(snapshots.name, name))
    }),
  all: (prefix) =>
    read(async (db) => {
      const rows = await db
        .select()
        .from(snapshots)
        .where(beginsWith(snapshots, prefix))
        .orderBy(asc(snapshots.name))
      return new Map(rows.map(({ name, value }) => [name, Uint8Array.from(value)]))
    }),
})
