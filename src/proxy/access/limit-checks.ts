/** The refusals of a key's limits: each check throws what its caller is told, and takes nothing. */
import type { BudgetAccount } from '../../core/keys/budget.ts'
import { allowsModel, type IssuedKey } from '../../core/keys/issued-key.ts'
import type { RateLimit } from '../../core/keys/rate-limit.ts'
import { AppError } from '../../errors.ts'
import type { Usage } from '../../openai/chat.ts'

/** A key's counters; a few hundred bytes a key that was issued and used. */
export interface Counters {
  requests: RateLimit | null
  tokens: RateLimit | null
  budget: BudgetAccount | null
}

/** What a metered request would take. */
export interface Wanted {
  /** of its tokens, for a rate */
  estimate: Usage
  /** dollars at most, where the key has a budget */
  usd: number
  usdOf: (usage: Usage) => number
}

const retryAfter = (waitMs: number): { retryAfterSeconds?: number } =>
  Number.isFinite(waitMs) ? { retryAfterSeconds: Math.ceil(waitMs / 1000) } : {}

/** @throws AppError `forbidden` */
export const checkModel = ({ limits }: IssuedKey, model: string): void => {
  if (allowsModel(limits, model)) return
  throw new AppError('forbidden', `this key may not use the model ${JSON.stringify(model)}`, {
    param: 'model',
  })
}

/** @throws AppError `rate-limited` */
export const checkRequests = ({ requests }: Counters, { limits }: IssuedKey, now: number): void => {
  const waitMs = requests?.waitMs(1, now) ?? 0
  if (waitMs === 0) return
  throw new AppError(
    'rate-limited',
    `this key may make ${limits.requestsPerMinute} requests a minute`,
    retryAfter(waitMs)
  )
}

/** @throws AppError `rate-limited`; with no time to come back where the request is too large for ever */
export const checkTokens = (
  { tokens }: Counters,
  { limits }: IssuedKey,
  { estimate }: Wanted,
  now: number
): void => {
  const waitMs = tokens?.waitMs(estimate.total_tokens, now) ?? 0
  if (waitMs === 0) return
  throw new AppError(
    'rate-limited',
    `this key may use ${limits.tokensPerMinute} tokens a minute, and this request may take ` +
      `${estimate.total_tokens}; max_completion_tokens makes that less`,
    retryAfter(waitMs)
  )
}

/** @throws AppError `budget-exceeded`; with no time to come back where waiting does not help */
export const checkBudget = (
  { budget }: Counters,
  { limits }: IssuedKey,
  wanted: Wanted,
  now: number
): void => {
  const refusal = budget?.refusal(wanted.usd, now) ?? null
  if (refusal === null || limits.budget === null) return
  const { usd, period } = limits.budget
  throw new AppError(
    'budget-exceeded',
    `this request may cost up to ${wanted.usd.toFixed(6)} USD, more than is left of this key's ${usd} USD ` +
      `${period === 'total' ? 'in all' : `a ${period}`}; max_completion_tokens makes that less`,
    retryAfter(refusal.waitMs ?? Infinity)
  )
}
