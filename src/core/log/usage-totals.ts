/** Running totals of the tokens of logged answers. */
import type { Usage } from '../../openai/chat.ts'
import { tokenCounts, type TokenCounts } from '../../openai/usage/usage.ts'
import type { RecordHead } from './record.ts'
import { isSuccess } from '../http-status.ts'

type TokenKind = keyof TokenCounts

/** Tokens by kind as the provider counted them; `unknown`: answers without any count. */
export type UsageTotal = Record<TokenKind, number> & { unknown: number }

/** By the answering side. */
export interface UsageTotals {
  upstream: UsageTotal
  lora: UsageTotal
}

/** In the order of the documentation; the input includes cached and written tokens. */
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

/** Adds one record, unless a move has bought it. An answer without any count is unknown, not 0 tokens. */
export const addUsage = (
  totals: UsageTotals,
  { head, usage, response }: { head: RecordHead; usage: Usage | null; response: unknown }
): void => {
  if (head.bought !== undefined) return
  const total = head.route?.outcome === 'answered' ? totals.lora : totals.upstream
  const isAnswer = response !== null && isSuccess(head.status)
  const counts = usage && tokenCounts(usage)
  if (isAnswer && (counts?.input ?? counts?.output ?? null) === null) total.unknown++
  for (const kind of TOKEN_KINDS) total[kind] += counts?.[kind] ?? 0
}
