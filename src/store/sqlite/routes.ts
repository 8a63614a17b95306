/**
 * The live routes. Every change raises a revision that other processes poll. The state of an internalization
 * is the truth: a process that read it before another one changed it must not undo the change here.
 */
import { and, asc, eq, ne, sql, type SQL } from 'drizzle-orm'
import type { RouteStore } from '../store.ts'
import { readRevision } from '../common/counters.ts'
import { commonOf } from './base/common.ts'
import { raiseRevision } from './base/counters.ts'
import type { Connection, Transaction } from './base/database.ts'
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
  removeWhere(tx, eq(sql`route ->> '$.internalizationId'`, internalizationId))

export const createRouteStore = (connection: Connection): RouteStore => ({
  list: () =>
    connection.read(async (db) => {
      const rows = await db.select().from(routes).orderBy(asc(routes.templateVersion))
      return rows.map(({ route }) => route)
    }),
  put: (route) =>
    connection.write(async (tx) => {
      const { id, stateName } = internalizations
      const isOver = and(eq(id, route.internalizationId), ne(stateName, 'live'))
      if ((await tx.$count(internalizations, isOver)) > 0) return
      await tx
        .insert(routes)
        .values({ templateVersion: route.template.version, route })
        .onConflictDoUpdate({
          target: routes.templateVersion,
          set: { route: sql`excluded.route` },
        })
      await raiseRevision(tx, REVISION)
    }),
  remove: (templateVersion) =>
    connection.write(async (tx) => {
      const { templateVersion: version, stateName } = internalizations
      const isLive = and(eq(version, templateVersion), eq(stateName, 'live'))
      if ((await tx.$count(internalizations, isLive)) > 0) return
      await removeWhere(tx, eq(routes.templateVersion, templateVersion))
    }),
  revision: () => readRevision(commonOf(connection), REVISION),
})
