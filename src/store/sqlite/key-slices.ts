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
import type { Connection } from './base/database.ts'
import { keyAccounts, keySlices } from './base/schema.ts'
import { bulkInsert, type SqlTransaction } from './base/statements.ts'
import { oneRow } from '../common/rows.ts'

const NOW = `select cast(unixepoch('subsec') * 1000 as integer) as now`

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

const setLevels = bulkInsert(keyAccounts, '', 'insert or replace')
const setSlices = bulkInsert(keySlices, '', 'insert or replace')

const REMOVE_SLICE = 'delete from key_slices where key_id = ? and holder = ?'

const addSpend = async (
  tx: SqlTransaction,
  holder: string,
  { keyId, spend: { requests, tokens, usd } }: SliceAsk,
  now: number
): Promise<void> => {
  const abandoned = [keyId, holder, now - ABANDONED_MS]
  await tx.execute({ sql: BOOK_ABANDONED, args: abandoned })
  await tx.execute({ sql: REMOVE_ABANDONED, args: abandoned })
  if (requests > 0)
    await tx.execute({ sql: ADD_SPEND, args: [keyId, dayOf(now), requests, tokens, usd] })
}

const levelIn = (value: unknown): number | null => (value === null ? null : Number(value))

const readAccount = async (
  tx: SqlTransaction,
  holder: string,
  { keyId, limits: { budget } }: SliceAsk,
  now: number
): Promise<Account> => {
  const firstDay = firstDayOf(budget?.period ?? 'day', now)
  const { rows } = await tx.execute({ sql: READ, args: [keyId, firstDay, holder] })
  const row = oneRow(rows)
  return {
    levels: { requests: levelIn(row['requests']), tokens: levelIn(row['tokens']) },
    filledAt: Number(row['filled_at'] ?? now),
    spentUsd: Number(row['spent']),
    heldUsd: Number(row['held']),
  }
}

const renewOne = async (
  tx: SqlTransaction,
  holder: string,
  ask: SliceAsk,
  now: number
): Promise<SliceGrant> => {
  const { keyId } = ask
  await addSpend(tx, holder, ask, now)
  const account = await readAccount(tx, holder, ask, now)
  const { grant, levels } = grantSlice(account, ask, now)
  await setLevels(tx, [{ keyId, ...levels, filledAt: now }])
  const usd = ask.keptUsd + grant.granted.usd
  if (usd > 0) await setSlices(tx, [{ keyId, holder, usd, renewedAt: now }])
  else await tx.execute({ sql: REMOVE_SLICE, args: [keyId, holder] })
  return grant
}

export const sliceRenewer =
  ({ writeSql }: Connection): KeyStore['renew'] =>
  (holder, asks) =>
    writeSql(async (tx) => {
      const { rows } = await tx.execute(NOW)
      const now = Number(oneRow(rows)['now'])
      const grants: SliceGrant[] = []
      for (const ask of asks) grants.push(await renewOne(tx, holder, ask, now))
      return grants
    })
