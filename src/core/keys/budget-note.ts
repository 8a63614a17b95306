/** The note on a new key whose budget refuses requests because models have no price. Pure. */
import type { KeyLimits } from './issued-key.ts'
import { findPrice, type Price } from '../cost/prices.ts'

/** The start of a dated model such as `gpt-4o-mini-2024-07-18`, which has the price of the undated one. */
const IS_DATE_START = /^-[\d-]*$/

/** @param pattern exact name of a model, or a prefix with a trailing `*` */
const hasPrice = (prices: readonly Price[], pattern: string): boolean => {
  if (!pattern.endsWith('*')) return findPrice(prices, pattern) !== null
  const prefix = pattern.slice(0, -1)
  return prices.some(
    ({ model }) =>
      model.startsWith(prefix) ||
      (prefix.startsWith(model) && IS_DATE_START.test(prefix.slice(model.length)))
  )
}

const MEND = 'Add the prices (docs/configuration.md, PRICES_FILE) and restart the proxy.'

/** @returns null for a key without a budget, and for one whose models have prices */
export const budgetNote = (
  { budget, models }: KeyLimits,
  prices: readonly Price[]
): string | null => {
  if (budget === null) return null
  if (models === null)
    return (
      'this key may use all models, and the proxy refuses those without a price (403), because their cost is not ' +
      `known. ${MEND}`
    )
  const unpriced = models.filter((pattern) => !hasPrice(prices, pattern))
  if (unpriced.length === 0) return null
  return (
    `no price of ${unpriced.join(', ')} is known, so the proxy refuses requests of this key for them (403). ` +
    MEND
  )
}
