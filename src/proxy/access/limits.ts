/**
 * The limits of issued keys: checked and reserved before a call, settled with the real usage after it. What
 * all proxies together may admit is decided in the database; see `slices.ts`.
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { READ_FAULTS, type ChatReading, type ReadFault } from '../../core/request/chat-reading.ts'
import { boundTokens, boundUsd } from '../../core/cost/cost-bound.ts'
import {
  allowsModel,
  isMetered,
  isReadFirst,
  type IssuedKey,
  type KeyLimits,
} from '../../core/keys/issued-key.ts'
import { requestCost, type Price } from '../../core/cost/prices.ts'
import type { Reservation } from '../../core/keys/slice.ts'
import { estimatePrompt, estimateRequest } from '../../core/cost/token-estimate.ts'
import { AppError } from '../../errors.ts'
import type { Dialect } from '../../openai/dialect.ts'
import { findAmbiguousMember, type AmbiguousMember } from '../../core/request/ambiguous-members.ts'
import { findUnlimitedMember } from '../../core/request/limited-members.ts'
import type { ChatRequest, Usage } from '../../openai/chat.ts'
import type { Slices } from './slices.ts'

export interface LimitsOptions {
  /** null for a model without a price */
  priceOf: (model: string) => Price | null
  slices: Pick<Slices, 'take' | 'settle'>
}

/** Usage that an upstream bills; `unknown` costs all that was reserved, else the tokens' price. */
type Billed = Usage | 'unknown' | 'nothing'

/** The usage of one exchange. */
export interface Taken {
  /** null where it is not known: then the estimate counts */
  tokens: Usage | null
  billed: Billed
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

/** Of a check that may have to ask the database. */
export type Soon<T> = T | Promise<T>

const ONE_REQUEST = { requests: 1, tokens: 0, usd: 0 }

/** Goes on at once where there is nothing to wait for. */
const after = <T, U>(value: Soon<T>, goOn: (value: T) => U): Soon<U> =>
  value instanceof Promise ? value.then(goOn) : goOn(value)

/** A further answer of another model. */
export interface Purchase {
  /** Only the first call counts. */
  settle(billed: Billed): void
}

interface Reserved {
  reservation: Reservation
  /** tokens, for a rate */
  estimate: Usage
  /** dollars at most, where the key has a budget */
  usd: number
}

const costOf = (price: Price | null, usage: Usage): number =>
  (price && requestCost(price, usage)) ?? 0

/**
 * One call of a key until it is over: what it reserved from the key's limits, and how it is counted. All work is done
 * when the call is over, so that it delays no answer.
 */
export class Charge {
  private isSettled = false

  /** @param reserved null for a key without limits on tokens and money */
  constructor(
    private readonly key: IssuedKey,
    private readonly asked: Omit<AskedCompletion, 'dialect'>,
    private readonly options: LimitsOptions,
    private readonly reserved: Reserved | null
  ) {}

  /** Tokens of the request and its answer; of the request alone where nothing is reserved. */
  get estimate(): Usage {
    return this.reserved?.estimate ?? estimatePrompt(this.asked.body)
  }

  /** Whether the key has a budget, which needs to know what an answer costs. */
  get isBilled(): boolean {
    return this.key.limits.budget !== null
  }

  /** Only the first call counts. */
  settle({ tokens: known, billed }: Taken): void {
    if (this.isSettled) return
    this.isSettled = true
    const { key, reserved, options, asked } = this
    const counted = known ?? this.estimate
    const tokens = counted.prompt_tokens + counted.completion_tokens
    if (reserved === null && tokens === 0) return
    const price = options.priceOf(asked.model)
    const paid = billed === 'unknown' ? counted : billed
    const isReserved = billed === 'unknown' && reserved !== null
    const usd = isReserved ? reserved.usd : paid === 'nothing' ? 0 : costOf(price, paid)
    const reservation = reserved?.reservation ?? null
    options.slices.settle(key, reservation, { requests: tokens > 0 ? 1 : 0, tokens, usd })
  }

  /** Whether the key may use the model. */
  allows(model: string): boolean {
    return allowsModel(this.key.limits, model)
  }

  /**
   * Reserves the money of a further answer, which counts for the key's money alone.
   * @returns null where the key has not so much, or its cost has no bound
   */
  buy(model: string): Soon<Purchase | null> {
    const { outcome } = this.asked
    // a body that was not read: then the key has no limits
    const reading = typeof outcome === 'string' ? null : outcome
    const price = this.options.priceOf(model)
    if (!this.isBilled)
      return this.purchase(
        price,
        null,
        reading === null ? 0 : costOf(price, estimateRequest(reading))
      )
    if (price === null || reading === null) return null
    try {
      const usd = boundUsd(price, boundTokens(reading, price))
      const taken = this.options.slices.take(this.key, { requests: 0, tokens: 0, usd })
      const bought = after(taken, (reservation) => this.purchase(price, reservation, usd))
      return bought instanceof Promise ? bought.catch(() => null) : bought
    } catch {
      // the request itself was admitted: it goes to its own model
      return null
    }
  }

  private purchase(
    price: Price | null,
    reservation: Reservation | null,
    reservedUsd: number
  ): Purchase {
    let isSettled = false
    return {
      settle: (billed) => {
        if (isSettled) return
        isSettled = true
        const paid = typeof billed === 'string' ? null : price && requestCost(price, billed)
        const usd = billed === 'nothing' ? 0 : (paid ?? reservedUsd)
        this.options.slices.settle(this.key, reservation, { requests: 0, tokens: 0, usd })
      },
    }
  }
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

/** @throws AppError `forbidden` */
const checkModel = (limits: KeyLimits, model: string): void => {
  if (allowsModel(limits, model)) return
  throw new AppError('forbidden', `this key may not use the model ${JSON.stringify(model)}`, {
    param: 'model',
  })
}

const MAX_SHOWN_CHARS = 64

/**
 * Refuses members that may choose another model, another host, or something of the operator's account.
 * @throws AppError `invalid-request`
 */
const checkMembers = (request: ChatRequest): void => {
  const member = findUnlimitedMember(request)?.slice(0, MAX_SHOWN_CHARS)
  if (member === undefined) return
  const why =
    member === 'tools'
      ? 'the type of a tool must be function or custom'
      : `the member ${JSON.stringify(member)} may choose another model, host or resource: leave it out`
  throw new AppError('invalid-request', `this key has limits, and ${why}`, { param: member })
}

/** @throws AppError `invalid-request` */
const requireReading = (outcome: ChatReading | ReadFault | null): ChatReading => {
  if (outcome !== null && typeof outcome !== 'string') return outcome
  const why = READ_FAULTS[outcome ?? 'no-chat-request']
  throw new AppError('invalid-request', `${why}, and this key has limits`)
}

/** Open to every key: it costs nothing and reveals nothing about other callers. */
const isModelList = ({ method, url }: IncomingMessage): boolean =>
  method === 'GET' && url === '/v1/models'

const ambiguousBody = ({ name, why, meant }: AmbiguousMember): AppError => {
  const shown = JSON.stringify(name.slice(0, MAX_SHOWN_CHARS))
  const mistake = {
    twice: `the body has the member ${shown} twice, or in two spellings`,
    spelling: `the body's member ${shown} could be read as ${JSON.stringify(meant)}`,
    'too-complex': 'the body is nested too deeply or has too many members',
  }[why]
  return new AppError('invalid-request', `${mistake}, and this key has limits`, {
    param: name.slice(0, MAX_SHOWN_CHARS),
  })
}

/** The caller of one request; admits it or throws the error for the client. */
export class Caller {
  /** whether its chat completions must be read before they are admitted */
  readonly isReadFirst: boolean

  constructor(
    private readonly key: IssuedKey,
    private readonly options: LimitsOptions
  ) {
    this.isReadFirst = isReadFirst(key)
  }

  /**
   * Admits a chat completion that was received whole. For a key without limits on tokens and money the charge reserves
   * nothing and only counts. At once where the key's slice suffices.
   * @throws AppError `forbidden`, `rate-limited`, `budget-exceeded`, `store-unavailable` for a budget that
   * cannot be checked, and `invalid-request` for a body that must be read and cannot be, that the upstream may read
   * differently, or whose cost has no upper bound
   */
  admit(asked: AskedCompletion): Soon<Charge> {
    const { key } = this
    if (this.isReadFirst) {
      const reading = requireReading(asked.outcome)
      const ambiguous = findAmbiguousMember(asked.body, asked.dialect.name)
      if (ambiguous !== null) throw ambiguousBody(ambiguous)
      checkModel(key.limits, reading.request.model)
      // a budget knows fewer members
      if (key.limits.budget === null) checkMembers(reading.request)
      if (isMetered(key)) return this.admitMetered(reading, asked)
    }
    return after(this.takeRequest(), () => new Charge(key, asked, this.options, null))
  }

  /**
   * Admits a chat completion whose body does not fit into memory.
   * @throws AppError `overloaded` where it must be read, `rate-limited`
   */
  admitUnread(): Soon<void> {
    if (this.isReadFirst)
      throw new AppError(
        'overloaded',
        'the proxy has no memory left to read the request, and this key has limits; try again soon',
        { retryAfterSeconds: 1 }
      )
    return this.takeRequest()
  }

  /**
   * Admits a request for a kept response, which costs nothing.
   * @throws AppError `rate-limited`
   */
  admitKept(): Soon<void> {
    return this.takeRequest()
  }

  /**
   * Admits any other request. An unread request cannot be checked against limits on models, tokens or
   * money.
   * @throws AppError `forbidden` for a key with such limits, `rate-limited`
   */
  admitPassage(incoming: IncomingMessage): Soon<void> {
    if (this.isReadFirst && !isModelList(incoming))
      throw new AppError(
        'forbidden',
        'this key has limits, so it may only create chat completions or responses and list models'
      )
    return this.takeRequest()
  }

  private takeRequest(): Soon<void> {
    const { key, options } = this
    if (key.limits.requestsPerMinute === null) return
    // of requests a minute nothing is given back
    return after(options.slices.take(key, ONE_REQUEST), () => {})
  }

  private admitMetered(reading: ChatReading, asked: AskedCompletion): Soon<Charge> {
    const { key, options } = this
    const price = priceFor(key, reading.request.model, options.priceOf)
    const hasBudget = key.limits.budget !== null
    const estimate = estimateRequest(reading)
    // computing the bound refuses unbounded requests, so it is done only for a budget
    const usd =
      hasBudget && price !== null
        ? boundUsd(price, boundTokens(reading, price))
        : costOf(price, estimate)
    if (hasBudget && !isUtf8(asked.body))
      throw new AppError('invalid-request', 'the body is not UTF-8, and this key has a budget')
    const amounts = { requests: 1, tokens: estimate.total_tokens, usd: hasBudget ? usd : 0 }
    return after(
      options.slices.take(key, amounts),
      (reservation) => new Charge(key, asked, options, { reservation, estimate, usd })
    )
  }
}
