/** Surveys a selection before it is forgotten: its records, and the internalizations that used them. */
import type { Selection } from '../core/log/selection.ts'
import type { Store } from '../store/store.ts'
import type { LearnedCount } from './forget-task.ts'

export interface Survey {
  records: number
  /** template versions of the records */
  templates: string[]
  learned: LearnedCount[]
}

/** @returns all templates of a tenant that is forgotten as a whole, also those without a record */
const templatesOf = async (
  store: Store,
  { tenant, user, recordIds }: Selection
): Promise<string[]> => {
  if (tenant === undefined || user !== undefined || recordIds !== undefined) return []
  const templates = await store.templates.list()
  return templates.filter((template) => template.tenant === tenant).map(({ version }) => version)
}

export const survey = async (store: Store, selection: Selection): Promise<Survey> => {
  /** record id → raises a count of each internalization that used the record */
  const counters = new Map<string, (() => void)[]>()
  const count = (recordIds: readonly string[], raise: () => void): void => {
    for (const id of recordIds) counters.set(id, [...(counters.get(id) ?? []), raise])
  }
  const learned = (await store.internalizations.list()).map(({ id, plan }) => {
    const counts = { id, trained: 0, heldOut: 0 }
    count(plan?.trainRecordIds ?? [], () => (counts.trained += 1))
    count(plan?.holdoutRecordIds ?? [], () => (counts.heldOut += 1))
    return counts
  })
  const templates = new Set(await templatesOf(store, selection))
  let records = 0
  for (let after: number | null = 0; after !== null;) {
    const page = await store.records.select(selection, after)
    records += page.ids.length
    for (const id of page.ids) for (const raise of counters.get(id) ?? []) raise()
    for (const version of page.templateVersions) templates.add(version)
    after = page.next
  }
  return {
    records,
    templates: [...templates],
    learned: learned.filter(({ trained, heldOut }) => trained + heldOut > 0),
  }
}
