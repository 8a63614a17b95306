/**
 * The live routes. Every change raises a revision that other processes poll. The state of an internalization
 * is the truth: a process that read it before another one changed it must not undo the change here.
 */
import { and, asc, eq, ne, type SQL } from 'drizzle-orm'
import type { RouteStore } from '../store.ts'
import type { CommonConnection, Database } from './connection.ts'
import type { Tables } from './tables.ts'
import { raiseRevision, readRevision, ROUTES_LOCK } from './counters.ts'

const REVISION = 'routes'

const removeWhere = async (tx: Database, tables: Tables, condition: SQL): Promise<void> => {
  const { templateVersion } = tables.routes
  const removed = await tx.delete(tables.routes).where(condition).returning({ templateVersion })
  if (removed.length > 0) await raiseRevision(tx, tables, REVISION)
}

/** Removes the route of an internalization, in the transaction that has written that it is not live. */
export const removeRouteOf = async (
  tx: Database,
  tables: Tables,
  internalizationId: string
): Promise<void> => {
  await raiseRevision(tx, tables, ROUTES_LOCK, 0)
  await removeWhere(tx, tables, eq(tables.routes.internalizationId, internalizationId))
}

export const createRouteStore = (connection: CommonConnection): RouteStore => {
  const { read, write, tables } = connection
  const { internalizations, routes } = tables
  const { id, stateName, templateVersion: versionOf } = internalizations
  return {
    list: () =>
      read(async (db) => {
        const rows = await db.select().from(routes).orderBy(asc(routes.templateVersion))
        return rows.map(({ route }) => route)
      }),
    put: (route) =>
      write(async (tx) => {
        await raiseRevision(tx, tables, ROUTES_LOCK, 0)
        const { internalizationId, lora } = route
        const isOver = and(eq(id, internalizationId), ne(stateName, 'live'))
        if ((await tx.$count(internalizations, isOver)) > 0) return
        const values = { internalizationId, lora, route }
        await tx
          .insert(routes)
          .values({ templateVersion: route.template.version, ...values })
          .onConflictDoUpdate({ target: routes.templateVersion, set: values })
        await raiseRevision(tx, tables, REVISION)
      }),
    remove: (templateVersion) =>
      write(async (tx) => {
        await raiseRevision(tx, tables, ROUTES_LOCK, 0)
        const isLive = and(eq(versionOf, templateVersion), eq(stateName, 'live'))
        if ((await tx.$count(internalizations, isLive)) > 0) return
        await removeWhere(tx, tables, eq(routes.templateVersion, templateVersion))
      }),
    revision: () => readRevision(connection, REVISION),
  }
}
