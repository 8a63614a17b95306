/** The live routes. Every change raises a revision that other processes poll. */
import { asc, eq, sql } from 'drizzle-orm'
import type { RouteStore } from '../store.ts'
import { raiseRevision, readRevision } from './base/counters.ts'
import type { Connection } from './base/database.ts'
import { routes } from './base/schema.ts'

const REVISION = 'routes'

export const createRouteStore = ({ read, write }: Connection): RouteStore => ({
  list: () =>
    read(async (db) => {
      const rows = await db.select().from(routes).orderBy(asc(routes.templateVersion))
      return rows.map(({ route }) => route)
    }),
  put: (route) =>
    write(async (tx) => {
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
    write(async (tx) => {
      const removed = await tx
        .delete(routes)
        .where(eq(routes.templateVersion, templateVersion))
        .returning({ templateVersion: routes.templateVersion })
      if (removed.length > 0) await raiseRevision(tx, REVISION)
    }),
  revision: () => read((db) => readRevision(db, REVISION)),
})
