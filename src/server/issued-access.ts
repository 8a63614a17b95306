/** Puts together what asks for issued keys: the keys as the store has them, their limits and spend. */
import type { Config } from '../config/config.ts'
import { BUDGET_PERIODS, firstDayOf, type BudgetPeriod } from '../core/keys/budget.ts'
import { findPrice, type Price } from '../core/cost/prices.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { Logger } from '../process/logger.ts'
import {
  compileKeyTable,
  createAccess,
  createKeyFinder,
  tenantsOfKeys,
} from '../proxy/access/access.ts'
import type { Access } from '../proxy/access/access.ts'
import { createLimits, type LimitsOptions } from '../proxy/access/limits.ts'
import { createSpendLog } from '../proxy/access/spend-log.ts'
import type { Tenants } from '../proxy/access/tenants.ts'
import { systemTimer } from '../proxy/timers.ts'
import { watchSnapshot } from './snapshot-watch.ts'
import type { Store } from '../store/store.ts'

export interface IssuedAccess {
  access: Access
  tenants: Tenants
  /** whether the store answered when it was last asked for keys */
  isCurrent: () => boolean
  /** Writes what was spent. */
  close(): Promise<void>
}

/** What was spent in the present periods before this process began to count. */
const readSpent = async ({ keys }: Store, now: number): Promise<LimitsOptions['spentUsd']> => {
  const spent = new Map<BudgetPeriod, Awaited<ReturnType<typeof keys.spend>>>()
  for (const period of BUDGET_PERIODS) spent.set(period, await keys.spend(firstDayOf(period, now)))
  return (keyId, period) => spent.get(period)?.get(keyId)?.usd ?? 0
}

/** @returns null where clients' own keys are forwarded */
export const openAccess = async (
  { access, upstream }: Config,
  store: Store,
  prices: readonly Price[],
  logger: Logger,
  fault: ReportFault<ServerFault>
): Promise<IssuedAccess | null> => {
  if (access === 'forward' || upstream.apiKey === null) return null
  const spentUsd = await readSpent(store, Date.now())
  const keys = await watchSnapshot(
    {
      name: 'keys',
      revision: store.keys.revision,
      read: async () => compileKeyTable(await store.keys.list()),
    },
    logger,
    fault
  )
  const spend = createSpendLog({
    write: store.keys.addSpend,
    onError: (error) => fault('spend', error),
    now: Date.now,
    setTimer: systemTimer,
  })
  const findKey = createKeyFinder(keys.snapshot)
  const limits = createLimits({
    priceOf: (model) => findPrice(prices, model),
    spentUsd,
    spend: spend.add,
    now: Date.now,
  })
  return {
    access: createAccess(findKey, limits, upstream.apiKey),
    tenants: tenantsOfKeys(findKey),
    isCurrent: keys.isCurrent,
    close: async () => {
      keys.stop()
      await spend.close()
    },
  }
}
