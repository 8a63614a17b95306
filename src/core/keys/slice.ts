/**
 * A proxy's slice of the limits of one key. What was sent to the database counts as gone before the answer
 * comes: if the answer is lost, the database holds at least as much as this slice. Pure; its clock may be
 * any clock that never goes back.
 */
import {
  fits,
  NAMES,
  TOLERANCE,
  type Amounts,
  type CountedLimits,
  type SliceAsk,
  type SliceGrant,
} from './account.ts'
import type { Spend } from './issued-key.ts'
import { fillMs, RateLimit } from './rate-limit.ts'

/** Why a request is refused. */
export interface Shortage {
  limit: keyof Amounts
  /** milliseconds until it may fit; Infinity when waiting does not help */
  waitMs: number
}

/** A running request. */
export interface Reservation {
  readonly amounts: Amounts
  /** false where the database was away: its rates are not of the slice */
  readonly isOfSlice: boolean
}

/** Running requests may end at any moment. */
const RESERVED_WAIT_MS = 1000
/** How long an answer of the database is believed: a stream of refusals must not become a stream of trips. */
const ANSWER_MS = 200

const none = (): Amounts => ({ requests: 0, tokens: 0, usd: 0 })

const add = (sum: Amounts, { requests, tokens, usd }: Amounts): void => {
  sum.requests += requests
  sum.tokens += tokens
  sum.usd += usd
}

export class KeySlice {
  /** of the rates: what may be admitted; in dollars: all that is held, also for running requests */
  private readonly slice = none()
  private reservedUsd = 0
  private running = 0
  /** not sent yet */
  private unwritten = none()
  /** sent, and not answered yet */
  private sent = none()
  /** admitted since the last tick, and between the two before */
  private recent = none()
  private previous = none()
  private answer: { left: Amounts; spentUsd: number; at: number } | null = null
  /** the slice's dollars are of a period that ends then */
  private periodEnd = Infinity
  private readonly ownRequests: RateLimit | null
  private readonly ownTokens: RateLimit | null

  constructor(
    private readonly keyId: string,
    private readonly limits: CountedLimits,
    now: number
  ) {
    const { requestsPerMinute, tokensPerMinute } = limits
    this.ownRequests = requestsPerMinute === null ? null : new RateLimit(requestsPerMinute, now)
    this.ownTokens = tokensPerMinute === null ? null : new RateLimit(tokensPerMinute, now)
  }

  /** @returns null where the slice does not have the amounts; then nothing is taken */
  take(amounts: Amounts, now: number): Reservation | null {
    if (!fits(amounts, this.available(now))) return null
    this.takeRates(amounts, 1)
    return this.reserve(amounts, true, now)
  }

  /**
   * While the database is away: rates by what this proxy alone has admitted, money from the slice.
   * @returns `unknown` where the slice has not the money; then nothing is taken
   */
  takeAlone(amounts: Amounts, now: number): Reservation | Shortage | 'unknown' {
    const requestsMs = amounts.requests === 0 ? 0 : this.ownRequests?.waitMs(amounts.requests, now)
    if (requestsMs) return { limit: 'requests', waitMs: requestsMs }
    const tokensMs = amounts.tokens === 0 ? 0 : this.ownTokens?.waitMs(amounts.tokens, now)
    if (tokensMs) return { limit: 'tokens', waitMs: tokensMs }
    const { usd } = this.available(now)
    if (!fits({ ...none(), usd: amounts.usd }, { ...none(), usd })) return 'unknown'
    return this.reserve(amounts, false, now)
  }

  /** Why the database would refuse the amounts, by its last answer; null where it must be asked. */
  shortage(amounts: Amounts, now: number): Shortage | null {
    return this.impossible(amounts) ?? this.shortByAnswer(amounts, now)
  }

  /** @param taken by the request's answer, requests is 1 */
  settle({ amounts, isOfSlice }: Reservation, taken: Spend, now: number): void {
    const more = taken.tokens - amounts.tokens
    if (isOfSlice) this.takeRates({ ...none(), tokens: more }, 1)
    this.ownTokens?.take(more, now)
    this.running--
    // without a running request no rounding error may stay
    this.reservedUsd = this.running === 0 ? 0 : this.reservedUsd - amounts.usd
    this.addSpend(taken)
  }

  addSpend(spend: Spend): void {
    add(this.unwritten, spend)
  }

  /** Once a second: what was admitted lately is what is expected soon. */
  tick(): void {
    this.previous = this.recent
    this.recent = none()
  }

  /** Expects no further request. */
  retire(): void {
    this.tick()
    this.tick()
  }

  /** Whether the database has to hear of the key. */
  get isOpen(): boolean {
    const { requests, tokens, usd } = this.slice
    return requests !== 0 || tokens !== 0 || usd !== 0 || this.unwritten.requests > 0
  }

  /**
   * Begins a trip, which `end` or `fail` must end.
   * @param waiting requests that the slice does not admit. Then all that is unused is given back, so that
   * the database sees the sum
   */
  ask(waiting: Amounts[], now: number): SliceAsk {
    const expected = this.expected()
    const unused = this.available(now)
    const kept = none()
    if (waiting.length === 0)
      for (const name of NAMES) kept[name] = Math.max(0, Math.min(expected[name], unused[name]))
    const keptUsd = this.limits.budget === null ? 0 : this.reservedUsd + kept.usd
    const returned = {
      requests: this.slice.requests - kept.requests,
      tokens: this.slice.tokens - kept.tokens,
    }
    this.sent = this.unwritten
    this.unwritten = none()
    this.takeRates({ ...returned, usd: 0 }, 1)
    this.slice.usd = this.limits.budget === null ? 0 : keptUsd + this.sent.usd
    const spare = {
      requests: expected.requests - kept.requests,
      tokens: expected.tokens - kept.tokens,
      usd: expected.usd - kept.usd,
    }
    const { keyId, limits } = this
    return { keyId, limits, spend: this.sent, keptUsd, returned, waiting, spare }
  }

  /** @param askedAt before the trip began */
  end({ granted, left, spentUsd, periodLeftMs }: SliceGrant, askedAt: number, now: number): void {
    this.takeRates(granted, -1)
    if (this.limits.budget !== null)
      this.slice.usd = Math.max(0, this.slice.usd - this.sent.usd) + granted.usd
    this.sent = none()
    this.answer = { left, spentUsd, at: now }
    this.periodEnd = periodLeftMs === null ? Infinity : askedAt + periodLeftMs
  }

  /** The trip was not answered: the spend is sent again. */
  fail(): void {
    add(this.unwritten, this.sent)
    this.sent = none()
  }

  private reserve(amounts: Amounts, isOfSlice: boolean, now: number): Reservation {
    add(this.recent, amounts)
    this.ownRequests?.take(amounts.requests, now)
    this.ownTokens?.take(amounts.tokens, now)
    this.reservedUsd += amounts.usd
    this.running++
    return { amounts, isOfSlice }
  }

  private takeRates({ requests, tokens }: Amounts, sign: 1 | -1): void {
    if (this.ownRequests !== null) this.slice.requests -= sign * requests
    if (this.ownTokens !== null) this.slice.tokens -= sign * tokens
  }

  private available(now: number): Amounts {
    const { requests, tokens, usd } = this.slice
    const unusedUsd = usd - this.reservedUsd - this.unwritten.usd - this.sent.usd
    return {
      requests: this.ownRequests === null ? Infinity : requests,
      tokens: this.ownTokens === null ? Infinity : tokens,
      usd: this.limits.budget === null ? Infinity : now < this.periodEnd ? unusedUsd : 0,
    }
  }

  private expected(): Amounts {
    const { recent, previous, limits } = this
    const most = (name: keyof Amounts): number => Math.max(recent[name], previous[name])
    return {
      requests: limits.requestsPerMinute === null ? 0 : most('requests'),
      tokens: limits.tokensPerMinute === null ? 0 : most('tokens'),
      usd: limits.budget === null ? 0 : most('usd'),
    }
  }

  /** A request that is larger than a limit. */
  private impossible({ tokens, usd }: Amounts): Shortage | null {
    const { tokensPerMinute, budget } = this.limits
    if (tokensPerMinute !== null && tokens > tokensPerMinute)
      return { limit: 'tokens', waitMs: Infinity }
    if (budget !== null && usd > budget.usd + TOLERANCE) return { limit: 'usd', waitMs: Infinity }
    return null
  }

  private shortByAnswer(wanted: Amounts, now: number): Shortage | null {
    if (this.answer === null) return null
    const { left, at } = this.answer
    if (now - at >= ANSWER_MS || now >= this.periodEnd) return null
    const unused = this.available(now)
    for (const limit of NAMES) {
      const missing = wanted[limit] - unused[limit] - left[limit]
      if (wanted[limit] === 0 || missing <= TOLERANCE) continue
      return { limit, waitMs: this.waitMs(limit, { wanted: wanted[limit], missing }, now) }
    }
    return null
  }

  private waitMs(
    limit: keyof Amounts,
    { wanted, missing }: { wanted: number; missing: number },
    now: number
  ): number {
    const { requestsPerMinute, tokensPerMinute, budget } = this.limits
    if (limit === 'requests') return fillMs(missing, requestsPerMinute!)
    if (limit === 'tokens') return fillMs(missing, tokensPerMinute!)
    const spentUsd = this.answer!.spentUsd + this.unwritten.usd + this.sent.usd
    if (spentUsd + wanted <= budget!.usd + TOLERANCE) return RESERVED_WAIT_MS
    return Math.max(RESERVED_WAIT_MS, this.periodEnd - now)
  }
}
