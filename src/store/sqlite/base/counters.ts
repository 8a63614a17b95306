/**
 * Counters that are written in the transaction of the change that they count: running totals of a
 * template version, and revisions that other processes poll.
 */
import { sql } from 'drizzle-orm'
import type { Totals } from '../../log/counts.ts'
import type { Transaction } from './database.ts'
import { revisions, templateTotals } from './schema.ts'
import { bulkInsert, type SqlTransaction } from './statements.ts'
import { oneRow } from '../../common/rows.ts'

const insertTotals = bulkInsert(
  templateTotals,
  `on conflict (version) do update set
    requests = requests + excluded.requests,
    bought = bought + excluded.bought,
    answered = answered + excluded.answered,
    forwarded = forwarded + excluded.forwarded,
    prompt_tokens_saved = prompt_tokens_saved + excluded.prompt_tokens_saved,
    saved_usd = saved_usd + excluded.saved_usd,
    last_seen = max(coalesce(last_seen, excluded.last_seen), coalesce(excluded.last_seen, last_seen))`
)

export const addTotals = (tx: SqlTransaction, totals: Totals): Promise<void> =>
  insertTotals(
    tx,
    [...totals].map(([version, added]) => ({ version, ...added }))
  )

/** @param name kind of change: `routes`, `keys` */
export const raiseRevision = async (tx: Transaction, name: string): Promise<void> => {
  await tx
    .insert(revisions)
    .values({ name, value: 1 })
    .onConflictDoUpdate({ target: revisions.name, set: { value: sql`${revisions.value} + 1` } })
}

const ADD = `insert into revisions (name, value) values (?, ?)
  on conflict (name) do update set value = value + excluded.value returning value`

/** @returns the new value */
export const addToRevision = async (
  tx: SqlTransaction,
  name: string,
  amount: number
): Promise<number> => {
  const { rows } = await tx.execute({ sql: ADD, args: [name, amount] })
  return Number(oneRow(rows)['value'])
}
