/** Losses of pairs, and the evidence in them, in words. Pure. */
import { percent } from '../figure-text.ts'
import { meanLoss, type LossCounts } from './evidence.ts'

const MILLION = 6
const HUNDREDTH = -2

/** Capital of a natural logarithm: `312`, `3.1`, `2.5e+80`, `under 0.01`. */
export const capitalText = (logarithm: number): string => {
  // beyond 1e308 the capital itself is no longer a double
  const digits = logarithm / Math.LN10
  if (digits < HUNDREDTH) return 'under 0.01'
  const exponent = digits < MILLION ? 0 : Math.floor(digits)
  const mantissa = 10 ** (digits - exponent)
  return exponent === 0
    ? String(Number(mantissa.toPrecision(3)))
    : `${(Math.floor(10 * mantissa) / 10).toFixed(1)}e+${exponent}`
}

/** `21 of 160 conversations, 13.1 %`, with credits `21 − 3 of 160 conversations, 11.3 %` */
export const countsText = (counts: LossCounts, conversations: string): string => {
  const { pairs, losses, credits } = counts
  const credited = credits === 0 ? '' : ` − ${Number(credits.toFixed(1))}`
  const found = `${Number(losses.toFixed(1))}${credited} of ${conversations}`
  return pairs === 0 ? found : `${found}, ${percent(meanLoss(counts))}`
}

/**
 * `21 of 160 conversations, 13.1 % (8.0 % to 20.1 %)`
 * @param counts.interval null: `40 of the last 150 conversations, 26.7 %`
 */
export const lossText = (
  counts: LossCounts & { interval: readonly [number, number] | null }
): string => {
  const { pairs, interval } = counts
  if (interval === null) return countsText(counts, `the last ${pairs} conversations`)
  const range = pairs === 0 ? '' : ` (${percent(interval[0])} to ${percent(interval[1])})`
  return countsText(counts, `${pairs} conversations`) + range
}
