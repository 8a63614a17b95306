/** Counters by kind of change, which other processes watch. */
import { eq, sql } from 'drizzle-orm'
import type { Database, Transaction } from './database.ts'
import { revisions } from './schema.ts'

/** In the transaction of the change. */
export const raiseRevision = async (tx: Transaction, name: string): Promise<void> => {
  await tx
    .insert(revisions)
    .values({ name, value: 1 })
    .onConflictDoUpdate({
      target: revisions.name,
      set: { value: sql`${revisions.value} + 1` },
    })
}

/** @returns 0 before the first change */
export const readRevision = async (db: Database, name: string): Promise<number> => {
  const [row] = await db.select().from(revisions).where(eq(revisions.name, name))
  return row?.value ?? 0
}
