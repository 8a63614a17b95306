/** A budget in US dollars and its period. Periods are in UTC. */

export const BUDGET_PERIODS = ['day', 'month', 'total'] as const

export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export interface Budget {
  usd: number
  period: BudgetPeriod
}

export const DAY_MS = 86_400_000

/** Days since the epoch, UTC. */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS)

/** @returns first day of the period of `at`, or of a later period */
export const firstDayOf = (period: BudgetPeriod, at: number, later = 0): number => {
  if (period === 'total') return later === 0 ? 0 : Infinity
  if (period === 'day') return dayOf(at) + later
  const date = new Date(at)
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later))
}
