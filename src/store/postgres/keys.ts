/** Issued keys, and their use by day. */
import { asc, eq, gte, sql, sum } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import type { KeyStore } from '../store.ts'
import { raiseRevision, readRevision } from './base/counters.ts'
import type { Connection } from './base/database.ts'
import { orConflict } from './base/errors.ts'
import { keys, keySpend } from './base/schema.ts'

const REVISION = 'keys'

const ADD_SPEND = `insert into promptintern.key_spend as spent (key_id, day, requests, tokens, usd)
  select key_id, day, sum(requests), sum(tokens), sum(usd)
  from unnest($1::text[], $2::int[], $3::bigint[], $4::float8[], $5::float8[])
    as added(key_id, day, requests, tokens, usd)
  group by key_id, day
  -- in one order everywhere, or two transactions could each wait for a row of the other
  order by key_id, day
  on conflict (key_id, day) do update set
    requests = spent.requests + excluded.requests,
    tokens = spent.tokens + excluded.tokens,
    usd = spent.usd + excluded.usd`

export const createKeyStore = ({ read, write }: Connection): KeyStore => ({
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
        .set({ revokedAt: sql`coalesce(${keys.revokedAt}, ${at}::bigint)` })
        .where(eq(keys.id, id))
        .returning()
      if (revoked === undefined) throw new AppError('not-found', `key ${id} does not exist`)
      await raiseRevision(tx, REVISION)
      return revoked
    }),
  revision: () => read((db) => readRevision(db, REVISION)),
  addSpend: (rows) =>
    write(async ({ $client }) => {
      await $client.query(ADD_SPEND, [
        rows.map(({ keyId }) => keyId),
        rows.map(({ day }) => day),
        rows.map(({ requests }) => requests),
        rows.map(({ tokens }) => tokens),
        rows.map(({ usd }) => usd),
      ])
    }),
  spend: (fromDay) =>
    read(async (db) => {
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
