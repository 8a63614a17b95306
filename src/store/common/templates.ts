/** Templates by version, with their labels, rules for fields and running totals. */
import { and, asc, eq, sql } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import { NOTHING } from '../log/counts.ts'
import type { TemplateStore } from '../store.ts'
import type { CommonConnection, Database } from './connection.ts'
import type { Tables } from './tables.ts'

const mustExist = async (tx: Database, { templates }: Tables, version: string): Promise<void> => {
  if ((await tx.$count(templates, eq(templates.version, version))) === 0)
    throw new AppError('not-found', `there is no template ${version}`)
}

/** What operators said of fields of the answers. */
const createFieldRules = ({
  read,
  write,
  tables,
}: CommonConnection): Pick<TemplateStore, 'fields' | 'setField' | 'removeField'> => {
  const { fieldRules } = tables
  return {
    fields: (version) =>
      read(async (db) => {
        const rows = await db.select().from(fieldRules).where(eq(fieldRules.version, version))
        // the databases sort text in different orders
        return rows
          .map(({ version: _version, ...rule }) => rule)
          .sort((a, b) => (a.path < b.path ? -1 : 1))
      }),
    setField: (version, rule) =>
      write(async (tx) => {
        await mustExist(tx, tables, version)
        await tx
          .insert(fieldRules)
          .values({ version, ...rule })
          .onConflictDoUpdate({ target: [fieldRules.version, fieldRules.path], set: rule })
      }),
    removeField: (version, path) =>
      write(async (tx) => {
        const isOfField = and(eq(fieldRules.version, version), eq(fieldRules.path, path))
        if ((await tx.$count(fieldRules, isOfField)) === 0)
          throw new AppError('not-found', `template ${version} has no rule for ${path}`)
        await tx.delete(fieldRules).where(isOfField)
      }),
  }
}

const createTemplates = ({
  read,
  write,
  tables,
}: CommonConnection): Omit<TemplateStore, 'fields' | 'setField' | 'removeField'> => {
  const { templates, templateLabels, templateTotals, fieldRules } = tables
  return {
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
    totals: () =>
      read((db) => db.select().from(templateTotals).orderBy(asc(templateTotals.version))),
    label: (version, label) =>
      write(async (tx) => {
        await mustExist(tx, tables, version)
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
        await tx.delete(fieldRules).where(eq(fieldRules.version, version))
      }),
  }
}

export const createTemplateStore = (connection: CommonConnection): TemplateStore => ({
  ...createTemplates(connection),
  ...createFieldRules(connection),
})
