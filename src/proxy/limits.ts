/**
 * What a key may still do: checked and reserved before a call, settled with what was really used
 * after it. Counts within this process; what was spent before it started is handed in.
 */
import { BudgetAccount, type BudgetPeriod } from '../core/budget.ts'
import { isMetered, isReadFirst, type IssuedKey } from '../core/issued-key.ts'
import { requestCost, type Price } from '../core/prices.ts'
import { RateLimit } from '../core/rate-limit.ts'
import { estimateRequest } from '../core/token-estimate.ts'
import { AppError } from '../errors.ts'
import type { ChatRequest, Usage } from '../openai/chat.ts'
import {
  checkBudget,
  checkModel,
  checkRequests,
  checkTokens,
  type Counters,
} from './limit-checks.ts'

/** What one call holds of its key's limits until it is over. */
export interface Charge {
  /** what was reserved */
  readonly estimate: Usage
  /** Only the first call counts. A lora's answer takes tokens and no money. */
  settle(usage: Usage, from: 'upstream' | 'lora'): void
}

export interface Limits {
  /**
   * Lets a chat completion in. @returns null for a key that is not metered
   * @throws AppError `forbidden`, `rate-limited`, `budget-exceeded`, and `invalid-request` where the
   * request must be read and could not be
   */
  admit(key: IssuedKey, request: ChatRequest | null): Charge | null
  /** Lets in a request of which no more is known than whose it is. @throws AppError `rate-limited` */
  admitUnread(key: IssuedKey): void
}

export interface LimitsOptions {
  /** null without one */
  priceOf: (model: string) => Price | null
  /** dollars that a key had spent in its present period when the process started */
  spentUsd: (keyId: string, period: BudgetPeriod) => number
  /** keeps what was used; must not block and must not throw */
  spend: (keyId: string, tokens: number, usd: number) => void
  now: () => number
}

/** @returns null where the key has no budget to count money for */
const priceFor = (
  { limits }: IssuedKey,
  model: string,
  priceOf: LimitsOptions['priceOf']
): Price | null => {
  const price = priceOf(model)
  if (price !== null || limits.budget === null) return price
  throw new AppError(
    'forbidden',
    `this key has a budget, and no price is configured for the model ${JSON.stringify(model)}`,
    { param: 'model' }
  )
}

const rateLimit = (perMinute: number | null, now: number): RateLimit | null =>
  perMinute === null ? null : new RateLimit(perMinute, now)

export const createLimits = ({ priceOf, spentUsd, spend, now }: LimitsOptions): Limits => {
  const startedAt = now()
  const byKey = new Map<string, Counters>()

  const open = ({ id, limits }: IssuedKey): Counters => {
    const { requestsPerMinute, tokensPerMinute, budget } = limits
    const counters = {
      requests: rateLimit(requestsPerMinute, now()),
      tokens: rateLimit(tokensPerMinute, now()),
      budget: budget && new BudgetAccount(budget, spentUsd(id, budget.period), startedAt),
    }
    byKey.set(id, counters)
    return counters
  }
  const countersOf = (key: IssuedKey): Counters => byKey.get(key.id) ?? open(key)

  const charge = (
    id: string,
    { tokens, budget }: Counters,
    estimate: Usage,
    usdOf: (usage: Usage) => number
  ): Charge => {
    const reservation = budget?.reserve(usdOf(estimate), now()) ?? null
    tokens?.take(estimate.total_tokens, now())
    let isSettled = false
    return {
      estimate,
      settle: (usage, from) => {
        if (isSettled) return
        isSettled = true
        const used = usage.prompt_tokens + usage.completion_tokens
        const usd = from === 'lora' ? 0 : usdOf(usage)
        tokens?.take(used - estimate.total_tokens, now())
        if (reservation !== null) budget?.settle(reservation, usd, now())
        if (used > 0) spend(id, used, usd)
      },
    }
  }

  const admitMetered = (key: IssuedKey, request: ChatRequest): Charge => {
    const counters = countersOf(key)
    const price = priceFor(key, request.model, priceOf)
    const usdOf = (usage: Usage): number => (price && requestCost(price, usage)) ?? 0
    const estimate = estimateRequest(request)
    const wanted = { tokens: estimate.total_tokens, usd: usdOf(estimate) }
    checkRequests(counters, key, now())
    checkTokens(counters, key, wanted, now())
    checkBudget(counters, key, wanted, now())
    counters.requests?.take(1, now())
    return charge(key.id, counters, estimate, usdOf)
  }

  const admitUnread = (key: IssuedKey): void => {
    const counters = countersOf(key)
    checkRequests(counters, key, now())
    counters.requests?.take(1, now())
  }

  return {
    admit: (key, request) => {
      if (isReadFirst(key)) {
        if (request === null)
          throw new AppError(
            'invalid-request',
            'the body is no chat request, and this key has limits'
          )
        checkModel(key, request.model)
        if (isMetered(key)) return admitMetered(key, request)
      }
      admitUnread(key)
      return null
    },
    admitUnread,
  }
}
