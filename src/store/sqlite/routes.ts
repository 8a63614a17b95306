/** The live routes. Each change raises a counter that other processes watch. */
import { asc, eq, sql } from 'drizzle-orm'
import type { RouteStore } from '../store.ts'
import type { Connection, Transaction } from './database.ts'
import { revisions, routes } from './schema.ts'

const REVISION = 'routes'

const raiseRevision = async (tx: Transaction): Promise<void> => {
  await tx
    .insert(revisions)
    .values({ name: REVISION, value: 1 })
    .onConflictDoUpdate({
      target: revisions.name,
      set: { value: sql`${revisions.value} + 1` },
    })
}

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
      await raiseRevision(tx)
    }),
  remove: (templateVersion) =>
    write(async (tx) => {
      const removed = await tx
        .delete(routes)
        .where(eq(routes.templateVersion, templateVersion))
        .returning({ templateVersion: routes.templateVersion })
      if (removed.length > 0) await raiseRevision(tx)
    }),
  revision: () =>
    read(async (db) => {
      const [row] = await db.select().from(revisions).where(eq(revisions.name, REVISION))
      return row?.value ?? 0
    }),
})
