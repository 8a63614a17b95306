/** The limits of one key: each check throws the error for the caller and reserves nothing. */
import type { BudgetAccount } from '../../core/keys/budget.ts'
import { allowsModel, type KeyLimits } from '../../core/keys/issued-key.ts'
import type { RateLimit } from '../../core/keys/rate-limit.ts'
import { AppError } from '../../errors.ts'
import type { Usage } from '../../openai/chat.ts'

/** A key's counters, a few hundred bytes for each key that was used. */
export interface Counters {
  requests: RateLimit | null
  tokens: RateLimit | null
  budget: BudgetAccount | null
}

/** The most that a metered request can take. */
export interface Wanted {
  /** tokens, for a rate */
  estimate: Usage
  /** dollars at most, where the key has a budget */
  usd: number
  usdOf: (usage: Usage) => number
}

const retryAfter = (waitMs: number): { retryAfterSeconds?: number } =>
  Number.isFinite(waitMs) ? { retryAfterSeconds: Math.ceil(waitMs / 1000) } : {}

/** @throws AppError `forbidden` */
export const checkModel = (limits: KeyLimits, model: string): void => {
  if (allowsModel(limits, model)) return
  throw new AppError('forbidden', `this key may not use the model ${JSON.stringify(model)}`, {
    param: 'model',
  })
}

/** @throws AppError `rate-limited` */
export const checkRequests = (limits: KeyLimits, { requests }: Counters, now: number): void => {
  const waitMs = requests?.waitMs(1, now) ?? 0
  if (waitMs === 0) return
  throw new AppError(
    'rate-limited',
    `this key may make ${limits.requestsPerMinute} requests a minute`,
    retryAfter(waitMs)
  )
}

/** @throws AppError `rate-limited`, without a waiting time for a request larger than the limit */
export const checkTokens = (
  limits: KeyLimits,
  { tokens }: Counters,
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

/** @throws AppError `budget-exceeded`, without a waiting time where waiting does not help */
export const checkBudget = (
  limits: KeyLimits,
  { budget }: Counters,
  { usd: wantedUsd }: Wanted,
  now: number
): void => {
  const refusal = budget?.refusal(wantedUsd, now) ?? null
  if (refusal === null || limits.budget === null) return
  const { usd, period } = limits.budget
  throw new AppError(
    'budget-exceeded',
    `this request may cost up to ${wantedUsd.toFixed(6)} USD, more than is left of this key's ${usd} USD ` +
      `${period === 'total' ? 'in all' : `a ${period}`}; max_completion_tokens makes that less`,
    retryAfter(refusal.waitMs ?? Infinity)
  )
}
