/** What issued keys spent, as the proxy stored it. */
import {
  BUDGET_PERIODS,
  firstDayOf,
  type BudgetPeriod,
  type IssuedKey,
  type Spend,
} from '../core/keys/issued-key.ts'
import type { Store } from '../store/store.ts'

const NOTHING: Spend = { requests: 0, tokens: 0, usd: 0 }

/**
 * Reads the stored spend of the present periods. @param now milliseconds since the epoch
 * @returns the spend of a key in a period
 */
const readSpend = async (
  { keys }: Pick<Store, 'keys'>,
  now: number
): Promise<(keyId: string, period: BudgetPeriod) => Spend> => {
  const spent = new Map<BudgetPeriod, Awaited<ReturnType<typeof keys.spend>>>()
  for (const period of BUDGET_PERIODS) spent.set(period, await keys.spend(firstDayOf(period, now)))
  return (keyId, period) => spent.get(period)?.get(keyId) ?? NOTHING
}

export interface KeySpend {
  key: IssuedKey
  /** since the key was made */
  spent: Spend
  /** in the present period of its budget; null without a budget */
  budgetSpentUsd: number | null
}

/** All issued keys, oldest first. @param now milliseconds since the epoch */
export const readKeySpends = async (
  store: Pick<Store, 'keys'>,
  now: number
): Promise<KeySpend[]> => {
  const spend = await readSpend(store, now)
  return (await store.keys.list()).map((key) => {
    const { budget } = key.limits
    return {
      key,
      spent: spend(key.id, 'total'),
      budgetSpentUsd: budget && spend(key.id, budget.period).usd,
    }
  })
}
