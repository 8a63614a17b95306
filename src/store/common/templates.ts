/** Templates by version, with their labels and running totals. */
import { asc, eq, sql } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import { NOTHING } from '../log/counts.ts'
import type { TemplateStore } from '../store.ts'
import type { CommonConnection } from './connection.ts'

export const createTemplateStore = ({
  read,
  write,
  tables: { templates, templateLabels, templateTotals },
}: CommonConnection): TemplateStore => ({
  upsert: (upserted) =>
    write(async (tx) => {
      for (const template of upserted) {
        const { version, tenant } = template
        await tx
          .insert(templates)
          .values({ version, tenant, template })
          .onConflictDoUpdate({
            target: templates.version,
            set: { tenant, template: sql`excluded.template` },
          })
      }
    }),
  get: (version) =>
    read(async (db) => {
      const [row] = await db.select().from(templates).where(eq(templates.version, version))
      return row?.template ?? null
    }),
  list: () =>
    read(async (db) => {
      const rows = await db.select().from(templates).orderBy(asc(templates.version))
      return rows.map(({ template }) => template)
    }),
  stats: (version) =>
    read(async (db) => {
      const isOf = eq(templateTotals.version, version)
      const [row] = await db.select().from(templateTotals).where(isOf)
      if (row === undefined) return NOTHING
      const { version: _version, ...stats } = row
      return stats
    }),
  totals: () => read((db) => db.select().from(templateTotals).orderBy(asc(templateTotals.version))),
  label: (version, label) =>
    write(async (tx) => {
      if ((await tx.$count(templates, eq(templates.version, version))) === 0)
        throw new AppError('not-found', `there is no template ${version}`)
      await tx.delete(templateLabels).where(eq(templateLabels.version, version))
      if (label !== null) await tx.insert(templateLabels).values({ version, label })
    }),
  labels: () =>
    read(async (db) => {
      const rows = await db.select().from(templateLabels)
      return new Map(rows.map(({ version, label }) => [version, label]))
    }),
  remove: (version) =>
    write(async (tx) => {
      await tx.delete(templates).where(eq(templates.version, version))
      await tx.delete(templateLabels).where(eq(templateLabels.version, version))
    }),
})
