/** What issued keys spent, as the proxy stored it. */
import { BUDGET_PERIODS, firstDayOf, type BudgetPeriod } from '../core/keys/budget.ts'
import type { Spend } from '../core/keys/issued-key.ts'
import type { Store } from '../store/store.ts'

const NOTHING: Spend = { requests: 0, tokens: 0, usd: 0 }

/**
 * Reads the stored spend of the present periods. @param now milliseconds since the epoch
 * @returns the spend of a key in a period
 */
export const readSpend = async (
  { keys }: Pick<Store, 'keys'>,
  now: number
): Promise<(keyId: string, period: BudgetPeriod) => Spend> => {
  const spent = new Map<BudgetPeriod, Awaited<ReturnType<typeof keys.spend>>>()
  for (const period of BUDGET_PERIODS) spent.set(period, await keys.spend(firstDayOf(period, now)))
  return (keyId, period) => spent.get(period)?.get(keyId) ?? NOTHING
}
