/**
 * The limits of issued keys: checked and reserved before a call, settled with the real usage after it.
 * Counts within this process; the money that was spent before it started is passed in.
 */
import { isUtf8 } from 'node:buffer'
import { BudgetAccount, type BudgetPeriod } from '../../core/keys/budget.ts'
import { READ_FAULTS, type ChatReading, type ReadFault } from '../../core/request/chat-reading.ts'
import { boundTokens, boundUsd } from '../../core/cost/cost-bound.ts'
import { isMetered, isReadFirst, type IssuedKey } from '../../core/keys/issued-key.ts'
import { requestCost, type Price } from '../../core/cost/prices.ts'
import { RateLimit } from '../../core/keys/rate-limit.ts'
import { estimatePrompt, estimateRequest } from '../../core/cost/token-estimate.ts'
import { AppError } from '../../errors.ts'
import type { Dialect } from '../../openai/dialect.ts'
import type { Usage } from '../../openai/chat.ts'
import {
  checkBudget,
  checkModel,
  checkRequests,
  checkTokens,
  type Counters,
  type Wanted,
} from './limit-checks.ts'

/** The usage of one exchange. */
export interface Taken {
  /** null where it is not known: then the estimate counts */
  tokens: Usage | null
  /** usage that the upstream bills; `unknown` costs all that was reserved, else the tokens' price */
  billed: Usage | 'unknown' | 'nothing'
}

/** A chat completion that asks to be admitted. */
export interface AskedCompletion {
  dialect: Dialect
  /** '' when the body has none */
  model: string
  /** of reading the body; null where it was not read */
  outcome: ChatReading | ReadFault | null
  body: Buffer
}

/** One call of a key until it is over: what it reserved from the key's limits, and how it is counted. */
export interface Charge {
  /** tokens of the request and its answer; of the request alone where nothing is reserved */
  readonly estimate: Usage
  /** whether the key has a budget, which needs to know what an answer costs */
  readonly isBilled: boolean
  /** Only the first call counts. */
  settle(taken: Taken): void
}

export interface Limits {
  /**
   * Admits a chat completion. For a key without limits on tokens and money the charge reserves nothing
   * and only counts.
   * @throws AppError `forbidden`, `rate-limited`, `budget-exceeded`, and `invalid-request` for a body
   * that must be read and cannot be, or whose cost has no upper bound
   */
  admit(key: IssuedKey, asked: AskedCompletion): Charge
  /** Admits a request that is not read. @throws AppError `rate-limited` */
  admitUnread(key: IssuedKey): void
}

export interface LimitsOptions {
  /** null for a model without a price */
  priceOf: (model: string) => Price | null
  /** dollars that a key had spent in its present period when the process started */
  spentUsd: (keyId: string, period: BudgetPeriod) => number
  /** stores usage; must not block and must not throw */
  spend: (keyId: string, tokens: number, usd: number) => void
  now: () => number
}

/** @throws AppError `forbidden` where the key has a budget and the model has no price */
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
  // computing the bound refuses unbounded requests, so it is done only for a budget
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

class KeyLimiter implements Limits {
  private readonly options: LimitsOptions
  private readonly startedAt: number
  private readonly byKey = new Map<string, Counters>()

  constructor(options: LimitsOptions) {
    this.options = options
    this.startedAt = options.now()
  }

  admit(key: IssuedKey, asked: AskedCompletion): Charge {
    if (isReadFirst(key)) {
      const reading = requireReading(asked.outcome)
      checkModel(key.limits, reading.request.model)
      if (isMetered(key)) return this.admitMetered(key, reading, asked.body)
    }
    this.admitUnread(key)
    return this.countOnly(key.id, asked)
  }

  admitUnread(key: IssuedKey): void {
    const counters = this.countersOf(key)
    const now = this.options.now()
    checkRequests(key.limits, counters, now)
    counters.requests?.take(1, now)
  }

  private admitMetered(key: IssuedKey, reading: ChatReading, body: Buffer): Charge {
    const { limits } = key
    const counters = this.countersOf(key)
    const now = this.options.now()
    const wanted = wantedBy(
      key,
      reading,
      priceFor(key, reading.request.model, this.options.priceOf)
    )
    if (limits.budget !== null && !isUtf8(body))
      throw new AppError('invalid-request', 'the body is not UTF-8, and this key has a budget')
    checkRequests(limits, counters, now)
    checkTokens(limits, counters, wanted, now)
    checkBudget(limits, counters, wanted, now)
    counters.requests?.take(1, now)
    return this.charge(key.id, counters, wanted, now)
  }

  /** All work is done when the call is over, so that it delays no answer. */
  private countOnly(id: string, { model, body }: AskedCompletion): Charge {
    const { priceOf, spend } = this.options
    let isSettled = false
    return {
      get estimate() {
        return estimatePrompt(body)
      },
      isBilled: false,
      settle: ({ tokens: known, billed }) => {
        if (isSettled) return
        isSettled = true
        const counted = known ?? estimatePrompt(body)
        const tokens = counted.prompt_tokens + counted.completion_tokens
        if (tokens === 0) return
        const price = billed === 'nothing' ? null : priceOf(model)
        const paid = typeof billed === 'string' ? counted : billed
        spend(id, tokens, (price && requestCost(price, paid)) ?? 0)
      },
    }
  }

  private charge(id: string, { tokens, budget }: Counters, wanted: Wanted, at: number): Charge {
    const { now, spend } = this.options
    const { estimate, usd: reservedUsd, usdOf } = wanted
    const reservation = budget?.reserve(reservedUsd, at)
    tokens?.take(estimate.total_tokens, at)
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
        if (reservation !== undefined) budget?.settle(reservation, usd, now())
        if (read + written > 0) spend(id, read + written, usd)
      },
    }
  }

  private countersOf({ id, limits }: IssuedKey): Counters {
    const known = this.byKey.get(id)
    if (known !== undefined) return known
    const { requestsPerMinute, tokensPerMinute, budget } = limits
    const now = this.options.now()
    const counters = {
      requests: requestsPerMinute === null ? null : new RateLimit(requestsPerMinute, now),
      tokens: tokensPerMinute === null ? null : new RateLimit(tokensPerMinute, now),
      budget:
        budget &&
        new BudgetAccount(budget, this.options.spentUsd(id, budget.period), this.startedAt),
    }
    this.byKey.set(id, counters)
    return counters
  }
}

export const createLimits = (options: LimitsOptions): Limits => new KeyLimiter(options)
