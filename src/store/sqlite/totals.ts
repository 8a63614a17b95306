/** Running totals of a template version, written in the transaction of the rows they count. */
import { eq, sql } from 'drizzle-orm'
import type { ExchangeRecord } from '../../core/record.ts'
import type { TemplateStats } from '../store.ts'
import type { Database, Transaction } from './database.ts'
import { templateTotals } from './schema.ts'

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
export const countRouted = (totals: Totals, { at, route }: ExchangeRecord): void => {
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

export const addTotals = async (tx: Transaction, totals: Totals): Promise<void> => {
  for (const [version, added] of totals) {
    const { requests, answered, fallbacks, promptTokensSaved, savedUsd, lastSeen } = templateTotals
    await tx
      .insert(templateTotals)
      .values({ version, ...added })
      .onConflictDoUpdate({
        target: templateTotals.version,
        set: {
          requests: sql`${requests} + ${added.requests}`,
          answered: sql`${answered} + ${added.answered}`,
          fallbacks: sql`${fallbacks} + ${added.fallbacks}`,
          promptTokensSaved: sql`${promptTokensSaved} + ${added.promptTokensSaved}`,
          savedUsd: sql`${savedUsd} + ${added.savedUsd}`,
          lastSeen: sql`max(coalesce(${lastSeen}, excluded.last_seen), coalesce(excluded.last_seen, ${lastSeen}))`,
        },
      })
  }
}

export const readTotals = async (db: Database, version: string): Promise<TemplateStats> => {
  const [row] = await db.select().from(templateTotals).where(eq(templateTotals.version, version))
  if (row === undefined) return NOTHING
  const { version: _version, ...stats } = row
  return stats
}
