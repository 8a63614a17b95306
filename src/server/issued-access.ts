/** Builds access control by issued keys: the keys of the store, their limits and their spend. */
import type { Config } from '../config/config.ts'
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
import { createLimits } from '../proxy/access/limits.ts'
import { createSpendLog } from '../proxy/access/spend-log.ts'
import type { Tenants } from '../proxy/access/tenants.ts'
import { systemTimer } from '../proxy/timers.ts'
import { readSpend } from '../savings/key-spend.ts'
import { watchSnapshot } from './snapshot-watch.ts'
import type { Store } from '../store/store.ts'

export interface IssuedAccess {
  access: Access
  tenants: Tenants
  /** whether the store answered the last request for keys */
  isCurrent: () => boolean
  /** Writes the spend that is not stored yet. */
  close(): Promise<void>
}

/** @returns null with ACCESS=forward, where clients' own keys are forwarded */
export const openAccess = async (
  { access, upstream }: Config,
  store: Store,
  prices: readonly Price[],
  logger: Logger,
  fault: ReportFault<ServerFault>,
  now: () => number = Date.now
): Promise<IssuedAccess | null> => {
  if (access === 'forward' || upstream.apiKey === null) return null
  const spend = await readSpend(store, now())
  const keys = await watchSnapshot(
    {
      name: 'keys',
      revision: store.keys.revision,
      read: async () => compileKeyTable(await store.keys.list()),
    },
    logger,
    fault
  )
  const spendLog = createSpendLog({
    write: store.keys.addSpend,
    onError: (error) => fault('spend', error),
    now,
    setTimer: systemTimer,
  })
  const findKey = createKeyFinder(keys.snapshot)
  const limits = createLimits({
    priceOf: (model) => findPrice(prices, model),
    spentUsd: (keyId, period) => spend(keyId, period).usd,
    spend: spendLog.add,
    now,
  })
  return {
    access: createAccess(findKey, limits, upstream.apiKey),
    tenants: tenantsOfKeys(findKey),
    isCurrent: keys.isCurrent,
    close: async () => {
      keys.stop()
      await spendLog.close()
    },
  }
}
