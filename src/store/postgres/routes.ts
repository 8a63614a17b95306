/**
 * The live routes. Every change raises a revision that other processes poll. The state of an internalization
 * is the truth: a process that read it before another one changed it must not undo the change here.
 */
import { and, asc, eq, type SQL } from 'drizzle-orm'
import type { RouteStore } from '../store.ts'
import { readRevision } from '../common/counters.ts'
import { commonOf } from './base/common.ts'
import { raiseRevision } from './base/counters.ts'
import type { Connection, Transaction } from './base/database.ts'
import { takeLock } from './base/locks.ts'
import { internalizations, routes } from './base/schema.ts'

const REVISION = 'routes'

const removeWhere = async (tx: Transaction, condition: SQL | undefined): Promise<void> => {
  const removed = await tx
    .delete(routes)
    .where(condition)
    .returning({ templateVersion: routes.templateVersion })
  if (removed.length > 0) await raiseRevision(tx, REVISION)
}

/** Removes the route of an internalization, in the transaction that writes that it is not live. */
export const removeRouteOf = (tx: Transaction, internalizationId: string): Promise<void> =>
  removeWhere(tx, eq(routes.internalizationId, internalizationId))

export const createRouteStore = (connection: Connection): RouteStore => ({
  list: () =>
    connection.read(async (db) => {
      const rows = await db.select().from(routes).orderBy(asc(routes.templateVersion))
      return rows.map(({ route }) => route)
    }),
  put: (route) =>
    connection.write(async (tx) => {
      await takeLock(tx, 'routes')
      const { internalizationId, lora } = route
      // a process that writes another state now is waited for, or waits
      const [row] = await tx
        .select({ stateName: internalizations.stateName })
        .from(internalizations)
        .where(eq(internalizations.id, internalizationId))
        .for('share')
      if (row !== undefined && row.stateName !== 'live') return
      const values = { internalizationId, lora, route }
      await tx
        .insert(routes)
        .values({ templateVersion: route.template.version, ...values })
        .onConflictDoUpdate({ target: routes.templateVersion, set: values })
      await raiseRevision(tx, REVISION)
    }),
  remove: (templateVersion) =>
    connection.write(async (tx) => {
      await takeLock(tx, 'routes')
      const { templateVersion: version, stateName } = internalizations
      const isLive = and(eq(version, templateVersion), eq(stateName, 'live'))
      if ((await tx.$count(internalizations, isLive)) > 0) return
      await removeWhere(tx, eq(routes.templateVersion, templateVersion))
    }),
  revision: () => readRevision(commonOf(connection), REVISION),
})
