/** What is to be forgotten, before it is: how many records, and what was learned from them. */
import type { Internalization } from '../core/lifecycle/internalization.ts'
import type { Selection } from '../core/log/selection.ts'
import type { LearnedCount } from './forget-task.ts'
import type { Store } from '../store/store.ts'

export interface Survey {
  records: number
  /** versions that the records are tagged with */
  templates: string[]
  learned: LearnedCount[]
}

/** Record id → the counts that it adds to. */
type Counters = Map<string, (() => void)[]>

const countersOf = (rows: Internalization[]): { counters: Counters; counts: LearnedCount[] } => {
  const counters: Counters = new Map()
  const add = (recordId: string, raise: () => void): void => {
    counters.set(recordId, [...(counters.get(recordId) ?? []), raise])
  }
  const counts = rows.map(({ id, plan }) => {
    const count = { id, trained: 0, heldOut: 0 }
    for (const recordId of plan?.trainRecordIds ?? []) add(recordId, () => (count.trained += 1))
    for (const recordId of plan?.holdoutRecordIds ?? []) add(recordId, () => (count.heldOut += 1))
    return count
  })
  return { counters, counts }
}

/** A tenant that goes as a whole takes all its templates along, also where no record is left. */
const templatesOf = async (
  store: Store,
  { tenant, user, recordIds }: Selection
): Promise<string[]> => {
  if (tenant === undefined || user !== undefined || recordIds !== undefined) return []
  const templates = await store.templates.list()
  return templates.filter((template) => template.tenant === tenant).map(({ version }) => version)
}

export const survey = async (store: Store, selection: Selection): Promise<Survey> => {
  const { counters, counts } = countersOf(await store.internalizations.list())
  const templates = new Set(await templatesOf(store, selection))
  let records = 0
  for (let after: number | null = 0; after !== null;) {
    const page = await store.records.select(selection, after)
    records += page.ids.length
    for (const id of page.ids) for (const raise of counters.get(id) ?? []) raise()
    for (const version of page.templateVersions) templates.add(version)
    after = page.next
  }
  const learned = counts.filter(({ trained, heldOut }) => trained + heldOut > 0)
  return { records, templates: [...templates], learned }
}
