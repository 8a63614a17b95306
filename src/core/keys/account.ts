/**
 * The account of a key in the database, and the slices of it that proxies hold. Each proxy admits requests
 * from its slice; the account decides, under the row's lock, how large a slice may be. All slices are cut
 * from one budget and one bucket for each rate, so the number of proxies does not matter. Pure: the stores
 * read and write the rows.
 */
import { DAY_MS } from '../days.ts'
import { firstDayOf, type Budget, type KeyLimits, type Spend } from './issued-key.ts'
import { filledLevel } from './rate-limit.ts'

/** What a request takes at most of each limit. */
export interface Amounts {
  requests: number
  tokens: number
  usd: number
}

/** The limits that are counted. */
export type CountedLimits = Omit<KeyLimits, 'models'>

/** What a proxy reports of a key, and asks for. */
export interface SliceAsk {
  keyId: string
  limits: CountedLimits
  /** since the last report that was answered */
  spend: Spend
  /** of the slice, for running requests and further ones; the rest is given back */
  keptUsd: number
  /** unused amounts; below 0 when requests took more than they had reserved */
  returned: { requests: number; tokens: number }
  /** requests that wait to be admitted, in order */
  waiting: Amounts[]
  /** for requests that are expected soon */
  spare: Amounts
}

export interface SliceGrant {
  keyId: string
  /** what the slice has in addition to what was kept */
  granted: Amounts
  /** what any proxy could still get; Infinity where the key has no such limit */
  left: Amounts
  /** of the budget's period */
  spentUsd: number
  /** of the budget's period, milliseconds; null when it never ends */
  periodLeftMs: number | null
}

/** Levels of the rates' buckets. Null: full, or without a limit. */
export interface Levels {
  requests: number | null
  tokens: number | null
}

/** The stored state of a key, after the ask's spend was added. */
export interface Account {
  levels: Levels
  /** when the levels were right, milliseconds since the epoch */
  filledAt: number
  /** in the budget's period; 0 without a budget */
  spentUsd: number
  /** slices of the other proxies */
  heldUsd: number
}

/** Rounding errors of sums. */
export const TOLERANCE = 1e-9

/**
 * A slice that was not renewed for so long is booked as spent. Until then it is still held, so a proxy
 * that cannot reach the database keeps its slice, and no clock decides whether it may use it.
 */
export const ABANDONED_MS = 3_600_000

/** Of what is left. Otherwise the spares of some proxies would refuse the requests of others. */
const SPARE_SHARE = 0.25

export const NAMES = ['requests', 'tokens', 'usd'] as const

/** Whether all amounts are there. What is not taken needs no room, also in an account below 0. */
export const fits = (wanted: Amounts, room: Amounts): boolean =>
  NAMES.every((name) => wanted[name] === 0 || wanted[name] <= room[name] + TOLERANCE)

const levelAt = (
  level: number | null,
  perMinute: number | null,
  elapsedMs: number,
  returned: number
): number =>
  perMinute === null
    ? Infinity
    : Math.min(perMinute, filledLevel(level ?? perMinute, perMinute, elapsedMs) + returned)

const roomOf = (
  { levels, filledAt, spentUsd, heldUsd }: Account,
  { limits, returned, keptUsd }: SliceAsk,
  now: number
): Amounts => {
  const { requestsPerMinute, tokensPerMinute, budget } = limits
  const elapsedMs = now - filledAt
  return {
    requests: levelAt(levels.requests, requestsPerMinute, elapsedMs, returned.requests),
    tokens: levelAt(levels.tokens, tokensPerMinute, elapsedMs, returned.tokens),
    usd: budget === null ? Infinity : budget.usd - spentUsd - heldUsd - keptUsd,
  }
}

const periodLeftMs = (budget: Budget | null, now: number): number | null => {
  const end = budget === null ? Infinity : firstDayOf(budget.period, now, 1) * DAY_MS
  return end === Infinity ? null : end - now
}

const finite = (level: number): number | null => (level === Infinity ? null : level)

/**
 * Admits the waiting requests that fit, one after another, and then a share of the spare.
 * @param now by the database's clock, milliseconds since the epoch
 * @returns the grant, and the levels to store with `now`
 */
export const grantSlice = (
  account: Account,
  ask: SliceAsk,
  now: number
): { grant: SliceGrant; levels: Levels } => {
  const left = roomOf(account, ask, now)
  const granted = { requests: 0, tokens: 0, usd: 0 }
  for (const wanted of ask.waiting) {
    if (!fits(wanted, left)) continue
    for (const name of NAMES) {
      granted[name] += wanted[name]
      left[name] -= wanted[name]
    }
  }
  for (const name of NAMES) {
    const spare = Math.max(0, Math.min(ask.spare[name], left[name] * SPARE_SHARE))
    granted[name] += spare
    left[name] -= spare
  }
  return {
    grant: {
      keyId: ask.keyId,
      granted,
      left,
      spentUsd: account.spentUsd,
      periodLeftMs: periodLeftMs(ask.limits.budget, now),
    },
    levels: { requests: finite(left.requests), tokens: finite(left.tokens) },
  }
}
