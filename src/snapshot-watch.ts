/** Keeps the proxy's route table in step with the store, whoever changed it. */
import { toAppError } from './errors.ts'
import type { Logger } from './logger.ts'
import { compileRouteTable, type RouteTable } from './proxy/route-table.ts'
import type { Store } from './store/store.ts'

const ROUTE_POLL_MS = 1_000

export interface RouteWatch {
  table: () => RouteTable
  /** whether the store answered when it was last asked */
  isCurrent: () => boolean
  stop(): void
}

/** Keeps the newest route table; a store that cannot be read leaves the last one in place. */
export const watchRoutes = async (store: Store, logger: Logger): Promise<RouteWatch> => {
  let revision = await store.routes.revision()
  let table = compileRouteTable(await store.routes.list())
  let current = true
  const refresh = async (): Promise<void> => {
    const newest = await store.routes.revision()
    if (newest === revision) return
    table = compileRouteTable(await store.routes.list())
    revision = newest
    logger.info({ routes: table.byVersion.size }, 'route table replaced')
  }
  const timer = setInterval(() => {
    refresh().then(
      () => (current = true),
      (error: unknown) => {
        current = false
        logger.error({ error: toAppError(error).message }, 'the route table is not current')
      }
    )
  }, ROUTE_POLL_MS)
  return { table: () => table, isCurrent: () => current, stop: () => clearInterval(timer) }
}
