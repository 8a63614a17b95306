/**
 * The limits of issued keys: checked and reserved before a call, settled with the real usage after it. What
 * all proxies together may admit is decided in the database; see `slices.ts`.
 */
import { isUtf8 } from 'node:buffer'
import { READ_FAULTS, type ChatReading, type ReadFault } from '../../core/request/chat-reading.ts'
import { boundTokens, boundUsd } from '../../core/cost/cost-bound.ts'
import { isMetered, isReadFirst, type IssuedKey } from '../../core/keys/issued-key.ts'
import { requestCost, type Price } from '../../core/cost/prices.ts'
import type { Reservation } from '../../core/keys/slice.ts'
import { estimatePrompt, estimateRequest } from '../../core/cost/token-estimate.ts'
import { AppError } from '../../errors.ts'
import type { Dialect } from '../../openai/dialect.ts'
import type { Usage } from '../../openai/chat.ts'
import { checkMembers, checkModel } from './limit-checks.ts'
import { purchasesOf, type LimitsOptions, type Purchases } from './purchase.ts'

/** The most that a metered request can take. */
interface Wanted {
  /** tokens, for a rate */
  estimate: Usage
  /** dollars at most, where the key has a budget */
  usd: number
  usdOf: (usage: Usage) => number
}

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
export interface Charge extends Purchases {
  /** tokens of the request and its answer; of the request alone where nothing is reserved */
  readonly estimate: Usage
  /** whether the key has a budget, which needs to know what an answer costs */
  readonly isBilled: boolean
  /** Only the first call counts. */
  settle(taken: Taken): void
}

/** Of a check that may have to ask the database. */
export type Soon<T> = T | Promise<T>

const ONE_REQUEST = { requests: 1, tokens: 0, usd: 0 }

/** Goes on at once where there is nothing to wait for. */
const after = <T, U>(value: Soon<T>, goOn: (value: T) => U): Soon<U> =>
  value instanceof Promise ? value.then(goOn) : goOn(value)

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

export class Limits {
  private readonly options: LimitsOptions

  constructor(options: LimitsOptions) {
    this.options = options
  }

  /**
   * Admits a chat completion. For a key without limits on tokens and money the charge reserves nothing
   * and only counts. At once where the key's slice suffices.
   * @throws AppError `forbidden`, `rate-limited`, `budget-exceeded`, `store-unavailable` for a budget that
   * cannot be checked, and `invalid-request` for a body that must be read and cannot be, or whose cost has
   * no upper bound
   */
  admit(key: IssuedKey, asked: AskedCompletion): Soon<Charge> {
    if (isReadFirst(key)) {
      const reading = requireReading(asked.outcome)
      checkModel(key.limits, reading.request.model)
      // a budget knows fewer members
      if (key.limits.budget === null) checkMembers(reading.request)
      if (isMetered(key)) return this.admitMetered(key, reading, asked.body)
    }
    return after(this.admitUnread(key), () => this.countOnly(key, asked))
  }

  /** Admits a request that is not read. @throws AppError `rate-limited` */
  admitUnread(key: IssuedKey): Soon<void> {
    if (key.limits.requestsPerMinute === null) return
    // of requests a minute nothing is given back
    return after(this.options.slices.take(key, ONE_REQUEST), () => {})
  }

  private admitMetered(key: IssuedKey, reading: ChatReading, body: Buffer): Soon<Charge> {
    const wanted = wantedBy(
      key,
      reading,
      priceFor(key, reading.request.model, this.options.priceOf)
    )
    const hasBudget = key.limits.budget !== null
    if (hasBudget && !isUtf8(body))
      throw new AppError('invalid-request', 'the body is not UTF-8, and this key has a budget')
    const { estimate, usd } = wanted
    const amounts = { requests: 1, tokens: estimate.total_tokens, usd: hasBudget ? usd : 0 }
    return after(this.options.slices.take(key, amounts), (reservation) =>
      this.charge(key, wanted, reservation, purchasesOf(key, reading, this.options))
    )
  }

  /** All work is done when the call is over, so that it delays no answer. */
  private countOnly(key: IssuedKey, { model, body, outcome }: AskedCompletion): Charge {
    const { priceOf, slices } = this.options
    const reading = typeof outcome === 'string' ? null : outcome
    let isSettled = false
    return {
      ...purchasesOf(key, reading, this.options),
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
        const usd = (price && requestCost(price, paid)) ?? 0
        slices.settle(key, null, { requests: 1, tokens, usd })
      },
    }
  }

  private charge(
    key: IssuedKey,
    wanted: Wanted,
    reservation: Reservation,
    purchases: Purchases
  ): Charge {
    const { slices } = this.options
    const { estimate, usd: reservedUsd, usdOf } = wanted
    let isSettled = false
    return {
      ...purchases,
      estimate,
      isBilled: key.limits.budget !== null,
      settle: ({ tokens: known, billed }) => {
        if (isSettled) return
        isSettled = true
        const { prompt_tokens: read, completion_tokens: written } = known ?? estimate
        const tokens = read + written
        const usd = billed === 'unknown' ? reservedUsd : billed === 'nothing' ? 0 : usdOf(billed)
        slices.settle(key, reservation, { requests: tokens > 0 ? 1 : 0, tokens, usd })
      },
    }
  }
}
