/** Rules and chains of two rules, in order of simplicity. */
import { AMOUNT_RULES } from './amounts.ts'
import { DATE_RULES } from './dates.ts'
import { LETTER_RULES } from './letters.ts'
import { NUMBER_RULES } from './numbers.ts'
import type { Rule } from './rule.ts'

const RULES = { ...LETTER_RULES, ...NUMBER_RULES, ...DATE_RULES, ...AMOUNT_RULES }

export type RuleName = keyof typeof RULES

/** Rules that are applied one behind the other; one or two. */
export type Chain = [RuleName] | [RuleName, RuleName]

/** The first that explains a field is its chain: a simpler one must stand before. */
export const CHAINS: readonly Chain[] = [
  ['identity'],
  ['collapsed'],
  ['lower'],
  ['upper'],
  ['capital-words'],
  ['title'],
  ['capital-first'],
  ['sentence'],
  ['digits'],
  ['phone'],
  ['without-blanks'],
  ['without-marks'],
  ['underscored'],
  ['hyphenated'],
  ['plain-number'],
  ['number'],
  ['number-with-comma'],
  ['ordinal'],
  ['date'],
  ['date-day-first'],
  ['date-month-first'],
  ['time'],
  ['time-of-24-hours'],
  ['currency'],
  ['unit'],
  ['code-and-amount'],
  ['code-and-amount-with-point'],
  ['code-and-amount-with-comma'],
  ['amount-and-code'],
  ['amount-and-code-with-point'],
  ['amount-and-code-with-comma'],
  ['number-and-unit'],
  ['number-and-unit-with-point'],
  ['number-and-unit-with-comma'],
  ['number-with-unit'],
  ['number-with-unit-with-point'],
  ['number-with-unit-with-comma'],
  ['without-blanks', 'upper'],
  ['without-blanks', 'lower'],
  ['without-marks', 'upper'],
  ['without-marks', 'lower'],
  ['underscored', 'lower'],
  ['underscored', 'upper'],
  ['hyphenated', 'lower'],
  ['hyphenated', 'upper'],
  ['plain-number', 'one-decimal'],
  ['plain-number', 'two-decimals'],
  ['number', 'one-decimal'],
  ['number', 'two-decimals'],
  ['number-with-comma', 'one-decimal'],
  ['number-with-comma', 'two-decimals'],
  ['currency', 'lower'],
  ['date', 'day/month/year'],
  ['date', 'month/day/year'],
  ['date', 'day.month.year'],
  ['date-day-first', 'day/month/year'],
  ['date-day-first', 'month/day/year'],
  ['date-day-first', 'day.month.year'],
  ['date-month-first', 'day/month/year'],
  ['date-month-first', 'month/day/year'],
  ['date-month-first', 'day.month.year'],
]

/** What the chain reads; null: it keeps all letters and digits. */
export const readsOf = (chain: Chain): Rule['reads'] => RULES[chain[0]].reads

/** Longest text that is read as a number, a date or an amount. */
const MAX_READ_CHARS = 120

/** The value of a text; null where a rule of the chain does not apply to it. */
export const normalize = (chain: Chain, text: string): string | null => {
  // dates and numbers are short, and some of their patterns take quadratic time
  if (text.length > MAX_READ_CHARS && readsOf(chain) !== null) return null
  let value: string | null = text
  for (const name of chain) {
    if (value === null) return null
    value = RULES[name].apply(value)
  }
  return value
}

/** Whether the chain can make a value. */
export const canMake = ([first, last = first]: Chain, value: string): boolean =>
  RULES[last].makes.test(value)
