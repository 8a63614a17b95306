/** What answers used, added up as they are written to the log. Pure but for the sums it adds to. */
import type { Usage } from '../../openai/chat.ts'
import { tokenCounts, type TokenCounts } from '../../openai/usage.ts'
import type { RecordHead } from './record.ts'

type TokenKind = keyof TokenCounts

/** Tokens by kind as the provider counted, and how many answers it counted nothing of. */
export type UsageTotal = Record<TokenKind, number> & { unknown: number }

/** By who answered. */
export interface UsageTotals {
  upstream: UsageTotal
  lora: UsageTotal
}

/** In the order of the documentation; cached and written tokens are part of the input. */
export const TOKEN_KINDS = ['input', 'cachedInput', 'cacheWrite', 'output', 'reasoning'] as const

const nothing = (): UsageTotal => ({
  input: 0,
  cachedInput: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
  unknown: 0,
})

export const noUsage = (): UsageTotals => ({ upstream: nothing(), lora: nothing() })

const UNKNOWN: TokenCounts = {
  input: null,
  cachedInput: null,
  cacheWrite: null,
  output: null,
  reasoning: null,
}

/** Adds one record. An answer whose usage says nothing counts as unknown, not as 0 tokens. */
export const addUsage = (
  totals: UsageTotals,
  { head, usage, response }: { head: RecordHead; usage: Usage | null; response: unknown }
): void => {
  const total = head.route?.outcome === 'answered' ? totals.lora : totals.upstream
  const isAnswer = response !== null && head.status >= 200 && head.status < 300
  const counts = usage === null ? UNKNOWN : tokenCounts(usage)
  if (isAnswer && counts.input === null && counts.output === null) total.unknown++
  for (const kind of TOKEN_KINDS) total[kind] += counts[kind] ?? 0
}
