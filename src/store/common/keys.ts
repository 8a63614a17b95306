/** Issued keys, their use by day, and the slices of their limits that processes hold. */
import { asc, eq, gte, sql as part, sum } from 'drizzle-orm'
import { DAY_MS, dayOf } from '../../core/days.ts'
import {
  ABANDONED_MS,
  grantSlice,
  type Account,
  type SliceAsk,
  type SliceGrant,
} from '../../core/keys/account.ts'
import { firstDayOf } from '../../core/keys/issued-key.ts'
import { valueIn } from '../../core/lists.ts'
import { AppError } from '../../errors.ts'
import type { KeyStore } from '../store.ts'
import type { CommonConnection, Sql } from './connection.ts'
import { raiseRevision, readRevision } from './counters.ts'

/**
 * Makes or locks the rows of the keys until the transaction ends: one process at a time cuts slices of a
 * key. In one order everywhere, or two transactions could each wait for a row of the other.
 */
const lockAt = (now: string, transaction: string): string =>
  `insert into promptintern.key_accounts (key_id, filled_at)
    select key_id, ${now} from unnest($1::text[]) as asked(key_id) where true order by key_id
    on conflict (key_id) do update set key_id = excluded.key_id
    returning key_id, requests, tokens, filled_at, ${now} as now, ${transaction} as transaction_id`

const ADD_SPEND = `insert into promptintern.key_spend as spent (key_id, day, requests, tokens, usd)
  select key_id, day, sum(requests), sum(tokens), sum(usd)
  from (
    select key_id, $2::int as day, requests, tokens, usd
    from unnest($1::text[], $3::bigint[], $4::float8[], $5::float8[])
      as added(key_id, requests, tokens, usd)
    where requests > 0
    union all
    select key_id, cast(renewed_at / ${DAY_MS} as int), 0, 0, usd from promptintern.key_slices
    where key_id = any($1::text[]) and holder <> $6 and renewed_at <= $7
  ) as more
  where true
  group by key_id, day
  order by key_id, day
  on conflict (key_id, day) do update set
    requests = spent.requests + excluded.requests,
    tokens = spent.tokens + excluded.tokens,
    usd = spent.usd + excluded.usd`

const REMOVE_ABANDONED = `delete from promptintern.key_slices
  where key_id = any($1::text[]) and holder <> $2 and renewed_at <= $3`

const READ = `select asked.key_id,
    (select coalesce(sum(usd), 0) from promptintern.key_spend as spent
      where spent.key_id = asked.key_id and day >= first_day) as spent,
    (select coalesce(sum(usd), 0) from promptintern.key_slices as slice
      where slice.key_id = asked.key_id and holder <> $3) as held
  from unnest($1::text[], $2::int[]) as asked(key_id, first_day)`

interface Locked {
  key_id: string
  requests: number | null
  tokens: number | null
  filled_at: number
  now: number
  transaction_id: string
}

const addSpend = async (sql: Sql, holder: string, asks: SliceAsk[], now: number): Promise<void> => {
  const keyIds = asks.map(({ keyId }) => keyId)
  const renewedBefore = now - ABANDONED_MS
  await sql(ADD_SPEND, [
    keyIds,
    dayOf(now),
    asks.map(({ spend }) => spend.requests),
    asks.map(({ spend }) => spend.tokens),
    asks.map(({ spend }) => spend.usd),
    holder,
    renewedBefore,
  ])
  await sql(REMOVE_ABANDONED, [keyIds, holder, renewedBefore])
}

const readAccounts = async (
  sql: Sql,
  { holder, asks, locked }: { holder: string; asks: SliceAsk[]; locked: Locked[] },
  now: number
): Promise<Map<string, Account>> => {
  const { rows } = await sql<{ key_id: string; spent: number; held: number }>(READ, [
    asks.map(({ keyId }) => keyId),
    asks.map(({ limits: { budget } }) => firstDayOf(budget?.period ?? 'day', now)),
    holder,
  ])
  const money = new Map(rows.map((row) => [row.key_id, row]))
  return new Map(
    locked.map(({ key_id: keyId, requests, tokens, filled_at: filledAt }) => {
      const { spent, held } = valueIn(money, keyId)
      return [keyId, { levels: { requests, tokens }, filledAt, spentUsd: spent, heldUsd: held }]
    })
  )
}

/** The rows are there, and locked. */
const SET_LEVELS = `update promptintern.key_accounts as account
  set requests = left_over.requests, tokens = left_over.tokens, filled_at = $4
  from unnest($1::text[], $2::float8[], $3::float8[]) as left_over(key_id, requests, tokens)
  where account.key_id = left_over.key_id`

const REMOVE_SLICES =
  'delete from promptintern.key_slices where key_id = any($1::text[]) and holder = $2'

const SET_SLICES = `insert into promptintern.key_slices (key_id, holder, usd, renewed_at)
  select key_id, $3, usd, $4 from unnest($1::text[], $2::float8[]) as held(key_id, usd)
  where true
  on conflict (key_id, holder) do update set
    usd = excluded.usd, renewed_at = excluded.renewed_at`

const setSlices = async (
  sql: Sql,
  holder: string,
  slices: { keyId: string; usd: number }[],
  now: number
): Promise<void> => {
  const held = slices.filter(({ usd }) => usd > 0)
  const empty = slices.filter(({ usd }) => usd <= 0).map(({ keyId }) => keyId)
  if (empty.length > 0) await sql(REMOVE_SLICES, [empty, holder])
  if (held.length > 0)
    await sql(SET_SLICES, [held.map(({ keyId }) => keyId), held.map(({ usd }) => usd), holder, now])
}

/** All of its statements were run. */
interface Renewal {
  transactionId: string
  grants: SliceGrant[]
}

const renewAll = async (
  sql: Sql,
  { now: clock, transactionId }: Pick<CommonConnection, 'now' | 'transactionId'>,
  { holder, asks }: { holder: string; asks: SliceAsk[] }
): Promise<Renewal> => {
  const { rows: locked } = await sql<Locked>(lockAt(clock, transactionId), [
    asks.map(({ keyId }) => keyId),
  ])
  const now = Math.max(...locked.map((row) => row.now))
  await addSpend(sql, holder, asks, now)
  const accounts = await readAccounts(sql, { holder, asks, locked }, now)
  const decided = asks.map((ask) => ({
    ...grantSlice(valueIn(accounts, ask.keyId), ask, now),
    keptUsd: ask.keptUsd,
  }))
  await sql(SET_LEVELS, [
    decided.map(({ grant }) => grant.keyId),
    decided.map(({ levels }) => levels.requests),
    decided.map(({ levels }) => levels.tokens),
    now,
  ])
  const slices = decided.map(({ grant, keptUsd }) => ({
    keyId: grant.keyId,
    usd: keptUsd + grant.granted.usd,
  }))
  await setSlices(sql, holder, slices, now)
  return { transactionId: locked[0]!.transaction_id, grants: decided.map(({ grant }) => grant) }
}

/** Spend is added, so a renewal that was committed must not be repeated: a lost answer is asked for. */
const sliceRenewer =
  (connection: CommonConnection): KeyStore['renew'] =>
  async (holder, asks) => {
    if (asks.length === 0) return []
    let done = null as Renewal | null
    try {
      return await connection.writeSql(async (sql) => {
        done = null
        done = await renewAll(sql, connection, { holder, asks })
        return done.grants
      })
    } catch (error) {
      if (done === null) throw error
      if (!(await connection.isCommitted(done.transactionId).catch(() => false))) throw error
      return done.grants
    }
  }

const REVISION = 'keys'

export const createKeyStore = (connection: CommonConnection): KeyStore => {
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
          .set({ revokedAt: part`coalesce(${keys.revokedAt}, cast(${at} as bigint))` })
          .where(eq(keys.id, id))
          .returning()
        if (revoked === undefined) throw new AppError('not-found', `key ${id} does not exist`)
        await raiseRevision(tx, tables, REVISION)
        return revoked
      }),
    revision: () => readRevision(connection, REVISION),
    renew: sliceRenewer(connection),
    spend: (fromDay) =>
      read(async (db) => {
        const rows = await db
          .select({
            keyId: keySpend.keyId,
            requests: sum(keySpend.requests).mapWith(Number),
            tokens: sum(keySpend.tokens).mapWith(Number),
            usd: sum(part`cast(${keySpend.usd} as numeric)`).mapWith(Number),
          })
          .from(keySpend)
          .where(gte(keySpend.day, fromDay))
          .groupBy(keySpend.keyId)
        return new Map(rows.map(({ keyId, ...spend }) => [keyId, spend]))
      }),
  }
}
