/**
 * Counters that are written in the transaction of the change that they count: running totals of a
 * template version, and revisions that other processes poll.
 */
import type { Totals } from '../../log/counts.ts'
import type { Transaction } from './database.ts'
import { oneRow } from '../../common/rows.ts'

const ADD_TOTALS = `insert into promptintern.template_totals as totals
    (version, requests, answered, forwarded, prompt_tokens_saved, saved_usd, last_seen, bought)
  values ($1, $2, $3, $4, $5, $6, $7, $8)
  on conflict (version) do update set
    requests = totals.requests + excluded.requests,
    bought = totals.bought + excluded.bought,
    answered = totals.answered + excluded.answered,
    forwarded = totals.forwarded + excluded.forwarded,
    prompt_tokens_saved = totals.prompt_tokens_saved + excluded.prompt_tokens_saved,
    saved_usd = totals.saved_usd + excluded.saved_usd,
    last_seen = greatest(totals.last_seen, excluded.last_seen)`

export const addTotals = async ({ $client }: Transaction, totals: Totals): Promise<void> => {
  // in one order everywhere, or two transactions could each wait for a row of the other
  const sorted = [...totals].sort(([one], [other]) => (one < other ? -1 : 1))
  for (const [version, added] of sorted)
    await $client.query(ADD_TOTALS, [
      version,
      added.requests,
      added.answered,
      added.forwarded,
      added.promptTokensSaved,
      added.savedUsd,
      added.lastSeen,
      added.bought,
    ])
}

const ADD = `insert into promptintern.revisions as known (name, value) values ($1, $2)
  on conflict (name) do update set value = known.value + excluded.value returning value`

/** Holds the counter until the transaction ends, so changes of one kind commit in order. @returns the new value */
export const addToRevision = async (
  { $client }: Transaction,
  name: string,
  amount: number
): Promise<number> => {
  const { rows } = await $client.query<{ value: number }>(ADD, [name, amount])
  return oneRow(rows).value
}

/** @param name kind of change: `routes`, `keys` */
export const raiseRevision = async (tx: Transaction, name: string): Promise<void> => {
  await addToRevision(tx, name, 1)
}
