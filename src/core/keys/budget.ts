/**
 * A budget in US dollars: the amount spent in its period, and the amount reserved for running requests.
 * Money is reserved before a call and settled after it, so that concurrent requests cannot spend the same
 * dollar. Periods are in UTC.
 */

export const BUDGET_PERIODS = ['day', 'month', 'total'] as const

export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export interface Budget {
  usd: number
  period: BudgetPeriod
}

export interface Reservation {
  readonly usd: number
  /** when it counts as spent unless it was settled, milliseconds since the epoch */
  readonly dueAt: number
}

/** The amount does not fit. */
export interface Refusal {
  /** until it may fit; null when it never will */
  waitMs: number | null
}

/**
 * A reservation of a request whose end is never reported must not block the budget for ever, and a long
 * request must not free its reservation. So it counts as spent after this time, until its period ends.
 */
const RESERVATION_MS = 600_000
/** Running requests may end at any moment. */
const RESERVED_WAIT_MS = 1000
/** Rounding errors of sums of dollars. */
const TOLERANCE_USD = 1e-9
const DAY_MS = 86_400_000

/** Days since the epoch, UTC. */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS)

/** @returns first day of the period of `at`, or of a later period */
export const firstDayOf = (period: BudgetPeriod, at: number, later = 0): number => {
  if (period === 'total') return later === 0 ? 0 : Infinity
  if (period === 'day') return dayOf(at) + later
  const date = new Date(at)
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later))
}

export class BudgetAccount {
  private readonly budget: Budget
  private spentUsd: number
  private firstDay: number
  /** ordered by `dueAt`, because all last equally long */
  private readonly reservations = new Set<Reservation>()

  /** @param spentUsd in the period of `at` */
  constructor(budget: Budget, spentUsd: number, at: number) {
    this.budget = budget
    this.spentUsd = spentUsd
    this.firstDay = firstDayOf(budget.period, at)
  }

  /** @returns null when the amount may be reserved */
  refusal(usd: number, now: number): Refusal | null {
    this.advance(now)
    const room = this.budget.usd + TOLERANCE_USD
    if (this.spentUsd + this.reservedUsd() + usd <= room) return null
    if (usd > room) return { waitMs: null }
    if (this.spentUsd + usd <= room) return { waitMs: RESERVED_WAIT_MS }
    const end = firstDayOf(this.budget.period, now, 1) * DAY_MS
    return { waitMs: end === Infinity ? null : end - now }
  }

  reserve(usd: number, now: number): Reservation {
    const reservation = { usd, dueAt: now + RESERVATION_MS }
    this.reservations.add(reservation)
    return reservation
  }

  /** After the reservation was counted as spent, the difference is booked. */
  settle(reservation: Reservation, usd: number, now: number): void {
    this.advance(now)
    if (this.reservations.delete(reservation)) {
      this.spentUsd += usd
      return
    }
    const difference = usd - reservation.usd
    // an excess of an earlier period is not credited to this one
    const isOfThisPeriod = firstDayOf(this.budget.period, reservation.dueAt) === this.firstDay
    this.spentUsd += isOfThisPeriod ? difference : Math.max(0, difference)
  }

  private reservedUsd(): number {
    let sum = 0
    for (const { usd } of this.reservations) sum += usd
    return sum
  }

  private advance(now: number): void {
    const firstDay = firstDayOf(this.budget.period, now)
    if (firstDay !== this.firstDay) {
      this.firstDay = firstDay
      this.spentUsd = 0
    }
    for (const reservation of this.reservations) {
      if (reservation.dueAt > now) break
      this.reservations.delete(reservation)
      if (firstDayOf(this.budget.period, reservation.dueAt) === this.firstDay)
        this.spentUsd += reservation.usd
    }
  }
}
