/** Issued keys, and their use by day. */
import { asc, eq, gte, sql, sum } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import type { KeyStore } from '../store.ts'
import { raiseRevision, readRevision } from './base/counters.ts'
import { orConflict, type Connection } from './base/database.ts'
import { keys, keySpend } from './base/schema.ts'
import { bulkInsert } from './base/statements.ts'

const REVISION = 'keys'

const insertSpend = bulkInsert(
  keySpend,
  `on conflict (key_id, day) do update set
    requests = requests + excluded.requests,
    tokens = tokens + excluded.tokens,
    usd = usd + excluded.usd`
)

export const createKeyStore = ({ read, write, writeSql }: Connection): KeyStore => ({
  create: (key) =>
    write(async (tx) => {
      // without the cause, which quotes the hash
      const conflict = () => new AppError('conflict', `key ${key.id} or its hash exists already`)
      await orConflict(tx.insert(keys).values(key), conflict)
      await raiseRevision(tx, REVISION)
    }),
  list: () => read((db) => db.select().from(keys).orderBy(asc(keys.createdAt), asc(keys.id))),
  revoke: (id, at) =>
    write(async (tx) => {
      const [revoked] = await tx
        .update(keys)
        .set({ revokedAt: sql`coalesce(${keys.revokedAt}, ${at})` })
        .where(eq(keys.id, id))
        .returning()
      if (revoked === undefined) throw new AppError('not-found', `key ${id} does not exist`)
      await raiseRevision(tx, REVISION)
      return revoked
    }),
  revision: () => read((db) => readRevision(db, REVISION)),
  addSpend: (rows) => writeSql((tx) => insertSpend(tx, rows)),
  spend: (fromDay) =>
    read(async (db) => {
      const rows = await db
        .select({
          keyId: keySpend.keyId,
          requests: sum(keySpend.requests).mapWith(Number),
          tokens: sum(keySpend.tokens).mapWith(Number),
          usd: sum(keySpend.usd).mapWith(Number),
        })
        .from(keySpend)
        .where(gte(keySpend.day, fromDay))
        .groupBy(keySpend.keyId)
      return new Map(rows.map(({ keyId, ...spend }) => [keyId, spend]))
    }),
})
