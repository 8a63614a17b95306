/** Issued keys, and their use by day. */
import { asc, eq, gte, sql, sum } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import type { KeyStore } from '../store.ts'
import { raiseRevision, readRevision } from './base/counters.ts'
import type { Connection } from './base/database.ts'
import { orConflict } from './base/errors.ts'
import { keys, keySpend } from './base/schema.ts'
import { sliceRenewer } from './key-slices.ts'

const REVISION = 'keys'

export const createKeyStore = (connection: Connection): KeyStore => ({
  create: (key) =>
    connection.write(async (tx) => {
      // without the cause, which quotes the hash
      const conflict = () => new AppError('conflict', `key ${key.id} or its hash exists already`)
      await orConflict(tx.insert(keys).values(key), conflict)
      await raiseRevision(tx, REVISION)
    }),
  list: () =>
    connection.read((db) => db.select().from(keys).orderBy(asc(keys.createdAt), asc(keys.id))),
  revoke: (id, at) =>
    connection.write(async (tx) => {
      const [revoked] = await tx
        .update(keys)
        .set({ revokedAt: sql`coalesce(${keys.revokedAt}, ${at}::bigint)` })
        .where(eq(keys.id, id))
        .returning()
      if (revoked === undefined) throw new AppError('not-found', `key ${id} does not exist`)
      await raiseRevision(tx, REVISION)
      return revoked
    }),
  revision: () => connection.read((db) => readRevision(db, REVISION)),
  renew: sliceRenewer(connection),
  spend: (fromDay) =>
    connection.read(async (db) => {
      const rows = await db
        .select({
          keyId: keySpend.keyId,
          requests: sum(keySpend.requests).mapWith(Number),
          tokens: sum(keySpend.tokens).mapWith(Number),
          usd: sum(sql`${keySpend.usd}::numeric`).mapWith(Number),
        })
        .from(keySpend)
        .where(gte(keySpend.day, fromDay))
        .groupBy(keySpend.keyId)
      return new Map(rows.map(({ keyId, ...spend }) => [keyId, spend]))
    }),
})
