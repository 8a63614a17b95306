/** Issued keys, and their use by day. */
import { asc, eq, gte, sql, sum } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import type { KeyStore } from '../store.ts'
import type { CommonConnection } from './connection.ts'
import { raiseRevision, readRevision } from './counters.ts'

const REVISION = 'keys'

export const createKeyStore = (
  connection: CommonConnection,
  renew: KeyStore['renew']
): KeyStore => {
  const {
    read,
    write,
    orConflict,
    tables,
    tables: { keys, keySpend },
  } = connection
  return {
    create: (key) =>
      write(async (tx) => {
        // without the cause, which quotes the hash
        const conflict = () => new AppError('conflict', `key ${key.id} or its hash exists already`)
        await orConflict(tx.insert(keys).values(key), conflict)
        await raiseRevision(tx, tables, REVISION)
      }),
    list: () => read((db) => db.select().from(keys).orderBy(asc(keys.createdAt), asc(keys.id))),
    revoke: (id, at) =>
      write(async (tx) => {
        const [revoked] = await tx
          .update(keys)
          .set({ revokedAt: sql`coalesce(${keys.revokedAt}, cast(${at} as bigint))` })
          .where(eq(keys.id, id))
          .returning()
        if (revoked === undefined) throw new AppError('not-found', `key ${id} does not exist`)
        await raiseRevision(tx, tables, REVISION)
        return revoked
      }),
    revision: () => readRevision(connection, REVISION),
    renew,
    spend: (fromDay) =>
      read(async (db) => {
        const rows = await db
          .select({
            keyId: keySpend.keyId,
            requests: sum(keySpend.requests).mapWith(Number),
            tokens: sum(keySpend.tokens).mapWith(Number),
            usd: sum(sql`cast(${keySpend.usd} as numeric)`).mapWith(Number),
          })
          .from(keySpend)
          .where(gte(keySpend.day, fromDay))
          .groupBy(keySpend.keyId)
        return new Map(rows.map(({ keyId, ...spend }) => [keyId, spend]))
      }),
  }
}
