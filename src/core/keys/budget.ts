/**
 * A budget in US dollars: what was spent in its period, and what requests under way may still cost.
 * Money is reserved before a call and settled after it, so that requests at the same time cannot
 * spend the same dollar. Time is passed in; periods are those of UTC.
 */

export const BUDGET_PERIODS = ['day', 'month', 'total'] as const

export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export interface Budget {
  usd: number
  period: BudgetPeriod
}

export interface Reservation {
  readonly usd: number
  /** when it counts as spent if nothing was reported by then, milliseconds since the epoch */
  readonly dueAt: number
}

/** Why an amount does not fit, and when it would. */
export interface Refusal {
  /** null when waiting does not help */
  waitMs: number | null
}

/**
 * A request whose end was never reported must not hold a part of the budget for ever, and one that runs
 * for longer must not set it free: so it counts as spent from then on, and its period ends that.
 */
const RESERVATION_MS = 600_000
/** Requests under way end at any moment. */
const RESERVED_WAIT_MS = 1000
/** Sums of dollars in floating point: a billionth is nobody's money. */
const TOLERANCE_USD = 1e-9
const DAY_MS = 86_400_000

/** Days since the epoch, UTC. */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS)

/** @returns first day of the period that `at` is in */
export const firstDayOf = (period: BudgetPeriod, at: number): number => {
  if (period === 'total') return 0
  if (period === 'day') return dayOf(at)
  const date = new Date(at)
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth()))
}

/** @returns when the period after that of `at` begins; null when there is none */
const endOf = (period: BudgetPeriod, at: number): number | null => {
  if (period === 'total') return null
  if (period === 'day') return (dayOf(at) + 1) * DAY_MS
  const date = new Date(at)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
}

export class BudgetAccount {
  private readonly budget: Budget
  private spentUsd: number
  private firstDay: number
  /** in the order of their time, since each lives as long as the others */
  private readonly reservations = new Set<Reservation>()

  /** @param spentUsd in the period that `at` is in */
  constructor(budget: Budget, spentUsd: number, at: number) {
    this.budget = budget
    this.spentUsd = spentUsd
    this.firstDay = firstDayOf(budget.period, at)
  }

  /** @returns null when so much may be reserved */
  refusal(usd: number, now: number): Refusal | null {
    this.advance(now)
    const room = this.budget.usd + TOLERANCE_USD
    if (this.spentUsd + this.reservedUsd() + usd <= room) return null
    if (usd > room) return { waitMs: null }
    if (this.spentUsd + usd <= room) return { waitMs: RESERVED_WAIT_MS }
    const end = endOf(this.budget.period, now)
    return { waitMs: end === null ? null : end - now }
  }

  reserve(usd: number, now: number): Reservation {
    const reservation = { usd, dueAt: now + RESERVATION_MS }
    this.reservations.add(reservation)
    return reservation
  }

  /** Also after the reservation was counted as spent: then the difference counts. */
  settle(reservation: Reservation, usd: number, now: number): void {
    this.advance(now)
    if (this.reservations.delete(reservation)) {
      this.spentUsd += usd
      return
    }
    const difference = usd - reservation.usd
    // what an earlier period counted too much is not given to this one
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
