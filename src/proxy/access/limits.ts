/**
 * What a key may still do: checked and reserved before a call, settled with what was really used
 * after it. Counts within this process; what was spent before it started is handed in.
 */
import { isUtf8 } from 'node:buffer'
import { BudgetAccount, type BudgetPeriod } from '../../core/keys/budget.ts'
import { READ_FAULTS, type ChatReading, type ReadFault } from '../../core/request/chat-reading.ts'
import { boundTokens, boundUsd } from '../../core/cost/cost-bound.ts'
import { isMetered, isReadFirst, type IssuedKey } from '../../core/keys/issued-key.ts'
import { requestCost, type Price } from '../../core/cost/prices.ts'
import { RateLimit } from '../../core/keys/rate-limit.ts'
import { estimateRequest } from '../../core/cost/token-estimate.ts'
import { AppError } from '../../errors.ts'
import type { Usage } from '../../openai/chat.ts'
import {
  checkBudget,
  checkModel,
  checkRequests,
  checkTokens,
  type Counters,
  type Wanted,
} from './limit-checks.ts'

/** What an exchange took. */
export interface Taken {
  /** as far as that is known; null takes the estimate */
  tokens: Usage | null
  /** what the upstream says that it bills; `unknown` costs all that was reserved */
  billed: Usage | 'unknown' | 'nothing'
}

/** What one call holds of its key's limits until it is over. */
export interface Charge {
  /** of its tokens */
  readonly estimate: Usage
  /** the key has a budget, which must know what an answer costs */
  readonly isBilled: boolean
  /** Only the first call counts. */
  settle(taken: Taken): void
}

export interface Limits {
  /**
   * Lets a chat completion in. @returns null for a key that is not metered
   * @param outcome of reading the body, where that is needed
   * @throws AppError `forbidden`, `rate-limited`, `budget-exceeded`, and `invalid-request` where the
   * request must be read and could not be, or its cost has no bound
   */
  admit(key: IssuedKey, outcome: ChatReading | ReadFault | null, body: Buffer): Charge | null
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

/** @throws AppError `invalid-request` */
const wantedBy = ({ limits }: IssuedKey, reading: ChatReading, price: Price | null): Wanted => {
  const usdOf = (usage: Usage): number => (price && requestCost(price, usage)) ?? 0
  const estimate = estimateRequest(reading)
  if (price === null) return { estimate, usd: 0, usdOf }
  // without a budget what an answer may cost at most need not be known
  const usd =
    limits.budget === null ? usdOf(estimate) : boundUsd(price, boundTokens(reading, price))
  return { estimate, usd, usdOf }
}

/** @throws AppError `invalid-request` */
const requireReading = (outcome: ChatReading | ReadFault | null): ChatReading => {
  if (outcome !== null && typeof outcome !== 'string') return outcome
  const why = READ_FAULTS[outcome ?? 'no-chat-request']
  throw new AppError('invalid-request', `${why}, and this key has limits`)
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

  const charge = (id: string, { tokens, budget }: Counters, wanted: Wanted): Charge => {
    const { estimate, usd: reservedUsd, usdOf } = wanted
    const reservation = budget?.reserve(reservedUsd, now()) ?? null
    tokens?.take(estimate.total_tokens, now())
    let isSettled = false
    return {
      estimate,
      isBilled: budget !== null,
      settle: ({ tokens: known, billed }) => {
        if (isSettled) return
        isSettled = true
        const { prompt_tokens: read, completion_tokens: written } = known ?? estimate
        const usd = billed === 'unknown' ? reservedUsd : billed === 'nothing' ? 0 : usdOf(billed)
        tokens?.take(read + written - estimate.total_tokens, now())
        if (reservation !== null) budget?.settle(reservation, usd, now())
        if (read + written > 0) spend(id, read + written, usd)
      },
    }
  }

  const admitMetered = (key: IssuedKey, reading: ChatReading, body: Buffer): Charge => {
    const counters = countersOf(key)
    const wanted = wantedBy(key, reading, priceFor(key, reading.request.model, priceOf))
    if (counters.budget !== null && !isUtf8(body))
      throw new AppError('invalid-request', 'the body is not UTF-8')
    checkRequests(counters, key, now())
    checkTokens(counters, key, wanted, now())
    checkBudget(counters, key, wanted, now())
    counters.requests?.take(1, now())
    return charge(key.id, counters, wanted)
  }

  const admitUnread = (key: IssuedKey): void => {
    const counters = countersOf(key)
    checkRequests(counters, key, now())
    counters.requests?.take(1, now())
  }

  return {
    admit: (key, outcome, body) => {
      if (isReadFirst(key)) {
        const reading = requireReading(outcome)
        checkModel(key, reading.request.model)
        if (isMetered(key)) return admitMetered(key, reading, body)
      }
      admitUnread(key)
      return null
    },
    admitUnread,
  }
}
