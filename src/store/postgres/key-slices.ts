/** Spend of issued keys, and the slices of their limits that processes hold. */
import { DAY_MS, dayOf } from '../../core/days.ts'
import { setTimeout as delay } from 'node:timers/promises'
import {
  ABANDONED_MS,
  grantSlice,
  type Account,
  type SliceAsk,
  type SliceGrant,
} from '../../core/keys/account.ts'
import { firstDayOf } from '../../core/keys/issued-key.ts'
import type { KeyStore } from '../store.ts'
import type { CommonConnection, Sql } from '../common/connection.ts'
import { oneRow } from '../common/rows.ts'
import { valueIn } from '../../core/lists.ts'

/**
 * Makes or locks the rows of the keys until the transaction ends: one process at a time cuts slices of a
 * key. In one order everywhere, or two transactions could each wait for a row of the other.
 */
const lockAt = (now: string): string => `insert into promptintern.key_accounts (key_id, filled_at)
  select key_id, ${now} from unnest($1::text[]) as asked(key_id) order by key_id
  on conflict (key_id) do update set key_id = excluded.key_id
  returning key_id, requests, tokens, filled_at, ${now} as now, pg_current_xact_id()::text as xid`

const ADD_SPEND = `with abandoned as (
    delete from promptintern.key_slices
    where key_id = any($1) and holder <> $6 and renewed_at <= $7
    returning key_id, usd, renewed_at
  )
  insert into promptintern.key_spend as spent (key_id, day, requests, tokens, usd)
  select key_id, day, sum(requests), sum(tokens), sum(usd)
  from (
    select key_id, $2::int as day, requests, tokens, usd
    from unnest($1::text[], $3::bigint[], $4::float8[], $5::float8[])
      as added(key_id, requests, tokens, usd)
    where requests > 0
    union all
    select key_id, (renewed_at / ${DAY_MS})::int, 0, 0, usd from abandoned
  ) as more
  group by key_id, day
  order by key_id, day
  on conflict (key_id, day) do update set
    requests = spent.requests + excluded.requests,
    tokens = spent.tokens + excluded.tokens,
    usd = spent.usd + excluded.usd`

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
  xid: string
}

const addSpend = async (sql: Sql, holder: string, asks: SliceAsk[], now: number): Promise<void> => {
  await sql(ADD_SPEND, [
    asks.map(({ keyId }) => keyId),
    dayOf(now),
    asks.map(({ spend }) => spend.requests),
    asks.map(({ spend }) => spend.tokens),
    asks.map(({ spend }) => spend.usd),
    holder,
    now - ABANDONED_MS,
  ])
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

const REMOVE_SLICES = 'delete from promptintern.key_slices where key_id = any($1) and holder = $2'

const SET_SLICES = `insert into promptintern.key_slices (key_id, holder, usd, renewed_at)
  select key_id, $3, usd, $4 from unnest($1::text[], $2::float8[]) as held(key_id, usd)
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
  xid: string
  grants: SliceGrant[]
}

const renewAll = async (
  sql: Sql,
  { holder, asks, clock }: { holder: string; asks: SliceAsk[]; clock: string }
): Promise<Renewal> => {
  const { rows: locked } = await sql<Locked>(lockAt(clock), [asks.map(({ keyId }) => keyId)])
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
  return { xid: locked[0]!.xid, grants: decided.map(({ grant }) => grant) }
}

const STATUS = 'select pg_xact_status($1::xid8) as status'
const STATUS_ATTEMPTS = 10
const STATUS_PAUSE_MS = 200

/** Whether a transaction whose commit was not answered has been committed; false where that cannot be told. */
const isCommitted = async (
  { readSql }: Pick<CommonConnection, 'readSql'>,
  xid: string
): Promise<boolean> => {
  for (let attempt = 1; attempt <= STATUS_ATTEMPTS; attempt++) {
    const { rows } = await readSql((sql) => sql<{ status: string | null }>(STATUS, [xid]))
    // the server may not know yet that the connection is lost
    const { status } = oneRow(rows)
    if (status !== 'in progress') return status === 'committed'
    await delay(STATUS_PAUSE_MS)
  }
  return false
}

/** Spend is added, so a renewal that was committed must not be repeated: a lost answer is asked for. */
export const sliceRenewer =
  (connection: CommonConnection): KeyStore['renew'] =>
  async (holder, asks) => {
    if (asks.length === 0) return []
    let done = null as Renewal | null
    try {
      return await connection.writeSql(async (sql) => {
        done = null
        done = await renewAll(sql, { holder, asks, clock: connection.now })
        return done.grants
      })
    } catch (error) {
      if (done === null || !(await isCommitted(connection, done.xid).catch(() => false)))
        throw error
      return done.grants
    }
  }
