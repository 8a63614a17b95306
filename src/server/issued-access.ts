/** Builds access control by issued keys: the keys of the store, and this process's slices of their limits. */
import { randomUUID } from 'node:crypto'
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
import { Slices } from '../proxy/access/slices.ts'
import { systemTimer } from '../timers.ts'
import { watchSnapshot } from './snapshot-watch.ts'
import type { Store } from '../store/store.ts'

export type IssuedAccess = NonNullable<Awaited<ReturnType<typeof openAccess>>>

/** @returns null with ACCESS=forward, where clients' own keys are forwarded */
export const openAccess = async (
  { access, upstream }: Config,
  store: Store,
  prices: readonly Price[],
  logger: Logger,
  fault: ReportFault<ServerFault>
) => {
  if (access === 'forward' || upstream.apiKey === null) return null
  const keys = await watchSnapshot(
    {
      name: 'keys',
      revision: store.keys.revision,
      read: async () => compileKeyTable(await store.keys.list()),
    },
    logger,
    fault
  )
  // a restarted process has another name: it does not know what its predecessor had reserved
  const holder = randomUUID()
  const slices = new Slices({
    renew: (asks) => store.keys.renew(holder, asks),
    onError: (error) => fault('spend', error),
    now: () => performance.now(),
    setTimer: systemTimer,
  })
  const findKey = createKeyFinder(keys.snapshot)
  const limits = { priceOf: (model: string) => findPrice(prices, model), slices }
  return {
    access: createAccess(findKey, limits, upstream.apiKey),
    tenants: tenantsOfKeys(findKey),
    /** whether the store answered the last request for keys */
    isCurrent: keys.isCurrent,
    /** Writes the spend that is not stored yet, and gives back what is left of the slices. */
    close: async (): Promise<void> => {
      keys.stop()
      await slices.close()
    },
  }
}
