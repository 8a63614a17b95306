/** The times over which figures are added up, on the page and on the command line. */
import { DAY_MS } from '../days.ts'
import { HOUR_MS } from '../log/traffic-hours.ts'

/** A point of a plot is `bucketMs` long. */
export const PERIODS = {
  day: { words: '24 hours', bucketMs: HOUR_MS, buckets: 24 },
  week: { words: '7 days', bucketMs: 6 * HOUR_MS, buckets: 28 },
  month: { words: '30 days', bucketMs: DAY_MS, buckets: 30 },
} as const

export type PeriodName = keyof typeof PERIODS

export const PERIOD_NAMES = Object.keys(PERIODS) as PeriodName[]

/** Start of a period that ends now: whole points of its plot. */
export const periodStart = (name: PeriodName, now: number): number => {
  const { bucketMs, buckets } = PERIODS[name]
  return Math.floor(now / bucketMs) * bucketMs - (buckets - 1) * bucketMs
}
