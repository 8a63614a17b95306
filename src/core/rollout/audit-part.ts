/**
 * Which part of a stage's audits is made: all of them, or fewer where the money of a day would not last for them,
 * or the engine does not keep up. A part is a power of two, so that routes are seldom written, and it only falls
 * during a day, because what it rises again by is left out of the evidence (`thinning.ts`). Knows nothing of stores.
 */
import { DAY_MS, dayOf } from '../days.ts'
import { HOUR_MS } from '../log/traffic-hours.ts'

/** The audits of all routes in some time. */
export interface AuditCosts {
  /** US dollars */
  usd: number
  /** the same if all audits had been made: each cost over the part at which it was drawn */
  wholeUsd: number
  /** of the first one with a cost, milliseconds since the epoch; null without one */
  firstAt: number | null
}

export interface AuditMoney {
  /** US dollars a day (UTC) */
  limitUsd: number
  /** since midnight */
  today: AuditCosts
  /** yesterday until this time of day, and since then */
  yesterday: [soFar: AuditCosts, rest: AuditCosts]
  /** milliseconds since the epoch */
  now: number
}

/** Less is not drawn: at 1,000,000 requests a day and an audit share of 3 % these are 30 audits. */
const LEAST_PART = 2 ** -10

/**
 * US dollars that all audits would cost until midnight: as after this time of day yesterday, and more if today has
 * been dearer so far. Where yesterday is not known as a whole, at least as in the hours since the first audit.
 */
const costUntilMidnight = ({ today, yesterday: [soFar, rest], now }: AuditMoney): number => {
  const midnight = dayOf(now) * DAY_MS
  const leftMs = midnight + DAY_MS - now
  const hour = (soFar.wholeUsd + rest.wholeUsd) / 24
  // an hour of the mean cost is added, so that the first audits of a day say little
  const trend = hour === 0 ? 1 : (today.wholeUsd + hour) / (soFar.wholeUsd + hour)
  const asYesterday = rest.wholeUsd * Math.max(1, trend)
  if (soFar.firstAt !== null && rest.firstAt !== null) return asYesterday
  const firstAt = soFar.firstAt ?? rest.firstAt ?? today.firstAt ?? now
  const spentMs = Math.max(HOUR_MS, now - firstAt)
  const allUsd = soFar.wholeUsd + rest.wholeUsd + today.wholeUsd
  return Math.max(asYesterday, (allUsd / spentMs) * leftMs)
}

/** The largest power of two that is not above a number. @returns at most 1 */
const powerBelow = (value: number): number =>
  Math.max(LEAST_PART, 2 ** Math.floor(Math.log2(Math.min(1, value))))

/** The part for which the money lasts until midnight; 0 where nothing is left. */
export const partForMoney = (money: AuditMoney): number => {
  const leftUsd = money.limitUsd - money.today.usd
  if (leftUsd <= 0) return 0
  const costUsd = costUntilMidnight(money)
  return costUsd <= leftUsd ? 1 : powerBelow(leftUsd / costUsd)
}

/** What is known of the part for money between two decisions. */
export interface MoneyPart {
  part: number
  /** days since the epoch */
  day: number
}

/** The part that was decided on first in a day may fall during the day, and not rise. */
export const nextMoneyPart = (present: MoneyPart | null, money: AuditMoney): MoneyPart => {
  const [day, part] = [dayOf(money.now), partForMoney(money)]
  return { day, part: present?.day === day ? Math.min(present.part, part) : part }
}

/** Waiting audits above which fewer are made, and below which more are made again. */
const [MOST_WAITING, FEW_WAITING] = [200, 50]
const [FALLS_EVERY_MS, RISES_EVERY_MS] = [60_000, HOUR_MS]

/** What is known of the part for the engine's time between two decisions. */
export interface LoadPart {
  part: number
  /** audits that waited then */
  waiting: number
  /** of the last decision, and of the last change: milliseconds since the epoch */
  decidedAt: number
  changedAt: number
}

/**
 * Half as many while more audits wait than a minute ago. They are judged in their order, so a long queue would
 * hide a change behind it. A queue that becomes shorter is left alone, such as one of an hour without the engine.
 */
export const nextLoadPart = (present: LoadPart | null, waiting: number, now: number): LoadPart => {
  if (present === null) return { part: 1, waiting, decidedAt: now, changedAt: now }
  // also after the clock was set back
  if (Math.abs(now - present.decidedAt) < FALLS_EVERY_MS) return present
  const decided = { ...present, waiting, decidedAt: now }
  if (waiting > MOST_WAITING && waiting >= present.waiting)
    return { ...decided, part: Math.max(LEAST_PART, present.part / 2), changedAt: now }
  const mayRise = waiting < FEW_WAITING && Math.abs(now - present.changedAt) >= RISES_EVERY_MS
  return mayRise && present.part < 1
    ? { ...decided, part: 2 * present.part, changedAt: now }
    : decided
}
