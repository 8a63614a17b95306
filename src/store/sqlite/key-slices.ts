/** Spend of issued keys, and the slices of their limits that processes hold. */
import { DAY_MS, dayOf } from '../../core/days.ts'
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

const ADD_SPEND = `insert into key_spend (key_id, day, requests, tokens, usd) values (?, ?, ?, ?, ?)
  on conflict (key_id, day) do update set
    requests = requests + excluded.requests,
    tokens = tokens + excluded.tokens,
    usd = usd + excluded.usd`

const BOOK_ABANDONED = `insert into key_spend (key_id, day, requests, tokens, usd)
  select key_id, renewed_at / ${DAY_MS}, 0, 0, usd from key_slices
  where key_id = ?1 and holder <> ?2 and renewed_at <= ?3
  on conflict (key_id, day) do update set usd = usd + excluded.usd`

const REMOVE_ABANDONED =
  'delete from key_slices where key_id = ?1 and holder <> ?2 and renewed_at <= ?3'

const READ = `select
  (select coalesce(sum(usd), 0) from key_spend where key_id = ?1 and day >= ?2) as spent,
  (select coalesce(sum(usd), 0) from key_slices where key_id = ?1 and holder <> ?3) as held,
  requests, tokens, filled_at
  from (select 1) left join key_accounts on key_id = ?1`

const SET_LEVELS = `insert or replace into key_accounts (key_id, requests, tokens, filled_at)
  values (?, ?, ?, ?)`

const SET_SLICE = `insert or replace into key_slices (key_id, holder, usd, renewed_at)
  values (?, ?, ?, ?)`

const REMOVE_SLICE = 'delete from key_slices where key_id = ? and holder = ?'

const addSpend = async (
  sql: Sql,
  holder: string,
  { keyId, spend: { requests, tokens, usd } }: SliceAsk,
  now: number
): Promise<void> => {
  const abandoned = [keyId, holder, now - ABANDONED_MS]
  await sql(BOOK_ABANDONED, abandoned)
  await sql(REMOVE_ABANDONED, abandoned)
  if (requests > 0) await sql(ADD_SPEND, [keyId, dayOf(now), requests, tokens, usd])
}

const levelIn = (value: unknown): number | null => (value === null ? null : Number(value))

const readAccount = async (
  sql: Sql,
  holder: string,
  { keyId, limits: { budget } }: SliceAsk,
  now: number
): Promise<Account> => {
  const firstDay = firstDayOf(budget?.period ?? 'day', now)
  const { rows } = await sql(READ, [keyId, firstDay, holder])
  const row = oneRow(rows)
  return {
    levels: { requests: levelIn(row['requests']), tokens: levelIn(row['tokens']) },
    filledAt: Number(row['filled_at'] ?? now),
    spentUsd: Number(row['spent']),
    heldUsd: Number(row['held']),
  }
}

const renewOne = async (
  sql: Sql,
  holder: string,
  ask: SliceAsk,
  now: number
): Promise<SliceGrant> => {
  const { keyId } = ask
  await addSpend(sql, holder, ask, now)
  const account = await readAccount(sql, holder, ask, now)
  const { grant, levels } = grantSlice(account, ask, now)
  await sql(SET_LEVELS, [keyId, levels.requests, levels.tokens, now])
  const usd = ask.keptUsd + grant.granted.usd
  if (usd > 0) await sql(SET_SLICE, [keyId, holder, usd, now])
  else await sql(REMOVE_SLICE, [keyId, holder])
  return grant
}

export const sliceRenewer =
  ({ writeSql, now: clock }: CommonConnection): KeyStore['renew'] =>
  (holder, asks) =>
    writeSql(async (sql) => {
      const { rows } = await sql(`select ${clock} as now`)
      const now = Number(oneRow(rows)['now'])
      const grants: SliceGrant[] = []
      for (const ask of asks) grants.push(await renewOne(sql, holder, ask, now))
      return grants
    })
