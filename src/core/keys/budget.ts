/** A budget in US dollars and its period. Periods are in UTC. */
import { dayOf } from '../days.ts'

export const BUDGET_PERIODS = ['day', 'month', 'total'] as const

export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export interface Budget {
  usd: number
  period: BudgetPeriod
}

/** @returns first day of the period of `at`, or of a later period */
export const firstDayOf = (period: BudgetPeriod, at: number, later = 0): number => {
  if (period === 'total') return later === 0 ? 0 : Infinity
  if (period === 'day') return dayOf(at) + later
  const date = new Date(at)
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later))
}
