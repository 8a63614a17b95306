/** Running totals of a template version, written in the transaction of the rows they count. */
import { asc, eq } from 'drizzle-orm'
import type { RecordHead } from '../../../core/log/record.ts'
import type { TemplateStats } from '../../store.ts'
import type { Database } from './database.ts'
import { templateTotals } from './schema.ts'
import { bulkInsert, type SqlTransaction } from './statements.ts'

export type Totals = Map<string, TemplateStats>

const NOTHING: TemplateStats = {
  requests: 0,
  answered: 0,
  fallbacks: 0,
  promptTokensSaved: 0,
  savedUsd: 0,
  lastSeen: null,
}

const later = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b)

export const count = (totals: Totals, version: string, more: Partial<TemplateStats>): void => {
  const sum = totals.get(version) ?? NOTHING
  const added = { ...NOTHING, ...more }
  totals.set(version, {
    requests: sum.requests + added.requests,
    answered: sum.answered + added.answered,
    fallbacks: sum.fallbacks + added.fallbacks,
    promptTokensSaved: sum.promptTokensSaved + added.promptTokensSaved,
    savedUsd: sum.savedUsd + added.savedUsd,
    lastSeen: later(sum.lastSeen, added.lastSeen),
  })
}

/** A routed record belongs to its route's template from the start; others are tagged later. */
export const countRouted = (totals: Totals, { at, route }: RecordHead): void => {
  if (route === null) return
  const answered = route.outcome === 'answered'
  count(totals, route.templateVersion, {
    requests: 1,
    answered: answered ? 1 : 0,
    fallbacks: answered ? 0 : 1,
    promptTokensSaved: route.promptTokensSaved,
    savedUsd: route.savedUsd ?? 0,
    lastSeen: at,
  })
}

const insertTotals = bulkInsert(
  templateTotals,
  ['version', 'requests', 'answered', 'fallbacks', 'promptTokensSaved', 'savedUsd', 'lastSeen'],
  `on conflict (version) do update set
    requests = requests + excluded.requests,
    answered = answered + excluded.answered,
    fallbacks = fallbacks + excluded.fallbacks,
    prompt_tokens_saved = prompt_tokens_saved + excluded.prompt_tokens_saved,
    saved_usd = saved_usd + excluded.saved_usd,
    last_seen = max(coalesce(last_seen, excluded.last_seen), coalesce(excluded.last_seen, last_seen))`
)

export const addTotals = (tx: SqlTransaction, totals: Totals): Promise<void> =>
  insertTotals(
    tx,
    [...totals].map(([version, added]) => ({ version, ...added }))
  )

export const readTotals = async (db: Database, version: string): Promise<TemplateStats> => {
  const [row] = await db.select().from(templateTotals).where(eq(templateTotals.version, version))
  if (row === undefined) return NOTHING
  const { version: _version, ...stats } = row
  return stats
}

export const readAllTotals = (db: Database): Promise<({ version: string } & TemplateStats)[]> =>
  db.select().from(templateTotals).orderBy(asc(templateTotals.version))
