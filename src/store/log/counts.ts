/** Additions to running totals, of template versions and of loras, before they are written. Pure. */
import { BOUGHT } from '../../core/log/record-filter.ts'
import type { RecordHead } from '../../core/log/record.ts'
import type { TemplateStats } from '../store.ts'

/** Additions by template version. */
export type Totals = Map<string, TemplateStats>

export const NOTHING: TemplateStats = {
  requests: 0,
  bought: 0,
  answered: 0,
  forwarded: 0,
  promptTokensSaved: 0,
  lastSeen: null,
}

const later = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b)

const count = (totals: Totals, version: string, more: Partial<TemplateStats>): void => {
  const sum = totals.get(version) ?? NOTHING
  const added = { ...NOTHING, ...more }
  totals.set(version, {
    requests: sum.requests + added.requests,
    bought: sum.bought + added.bought,
    answered: sum.answered + added.answered,
    forwarded: sum.forwarded + added.forwarded,
    promptTokensSaved: sum.promptTokensSaved + added.promptTokensSaved,
    lastSeen: later(sum.lastSeen, added.lastSeen),
  })
}

/** Counts a routed record for its route's template. Other records are counted when they are tagged. */
const countRouted = (totals: Totals, { at, route }: RecordHead): void => {
  if (route === null) return
  const answered = route.outcome === 'answered'
  count(totals, route.templateVersion, {
    requests: 1,
    answered: answered ? 1 : 0,
    forwarded: answered ? 0 : 1,
    promptTokensSaved: route.promptTokensSaved,
    lastSeen: at,
  })
}

/** What new records add. */
export const totalsOf = (heads: readonly RecordHead[]): Totals => {
  const totals: Totals = new Map()
  for (const head of heads) countRouted(totals, head)
  return totals
}

interface TaggedRow {
  at: number
  /** its version before; null: none */
  was: string | null
  /** place in `SEARCH_OUTCOMES` */
  outcome: number
}

/** What tagging records adds. */
export const totalsOfTags = (records: readonly TaggedRow[], templateVersion: string): Totals => {
  const totals: Totals = new Map()
  for (const { at, was, outcome } of records) {
    const kind = outcome === BOUGHT ? 'bought' : 'requests'
    count(totals, templateVersion, { [kind]: 1, lastSeen: at })
    if (was !== null) count(totals, was, { [kind]: -1 })
  }
  return totals
}
