/** Rules and chains of two rules, in order of simplicity. */
import { AMOUNT_RULES } from './amounts.ts'
import { DATE_RULES } from './dates.ts'
import { NUMBER_RULES } from './numbers.ts'
import { ANY, type Rule } from './rule.ts'

const keeping = (apply: (text: string) => string | null, makes = ANY): Rule => ({
  apply,
  reads: null,
  makes,
})

const collapse = (text: string): string => text.trim().replace(/\s+/gu, ' ')

/** The first letter as a capital one; the others as they are. */
const withCapital = (text: string): string =>
  text.replace(/^\P{L}*\p{Ll}/u, (first) => first.toUpperCase())

const capitalized = (word: string): string => {
  const [first] = word
  return first === undefined ? word : first.toUpperCase() + word.slice(first.length).toLowerCase()
}

const titled = (text: string): string =>
  text.replace(/\p{L}[\p{L}\p{M}\p{N}]*(?:['’]\p{L}(?!\p{L}))?/gu, capitalized)

const joined = (text: string, mark: string): string =>
  text
    .trim()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, mark)
    .replace(mark === '_' ? /^_|_$/g : /^-|-$/g, '')

const digitsOf = (text: string): string | null =>
  /^[+(\d][+\d\s()/.-]*$/u.test(text) ? text.replace(/\D/g, '') : null

const LETTER_RULES = {
  identity: keeping((text) => text),
  collapsed: keeping(collapse),
  lower: keeping((text) => collapse(text).toLowerCase()),
  upper: keeping((text) => collapse(text).toUpperCase()),
  /** of "new york" and "USA" */
  'capital-words': keeping((text) =>
    collapse(text).replace(/(?<![\p{L}\p{M}\p{N}'’])\p{Ll}/gu, (first) => first.toUpperCase())
  ),
  title: keeping((text) => titled(collapse(text))),
  'capital-first': keeping((text) => withCapital(collapse(text))),
  sentence: keeping((text) => capitalized(collapse(text))),
  'without-blanks': keeping((text) => text.replace(/\s+/gu, '')),
  'without-marks': keeping((text) => text.replace(/[^\p{L}\p{M}\p{N}]+/gu, '')),
  underscored: keeping((text) => joined(text, '_')),
  hyphenated: keeping((text) => joined(text, '-')),
  digits: keeping(digitsOf, /^\d+$/),
  phone: keeping((text) => {
    const digits = digitsOf(text)
    return digits === null ? null : (text.startsWith('+') ? '+' : '') + digits
  }, /^\+?\d+$/),
} satisfies Record<string, Rule>

const RULES = { ...LETTER_RULES, ...NUMBER_RULES, ...DATE_RULES, ...AMOUNT_RULES }

type RuleName = keyof typeof RULES

/** Rules that are applied one behind the other; one or two. */
export type Chain = [RuleName] | [RuleName, RuleName]

/** Rules; those behind a `|` each follow each one before it. */
const TABLE = `
identity collapsed lower upper capital-words title capital-first sentence digits phone
without-blanks without-marks underscored hyphenated
plain-number number number-with-comma ordinal
date date-day-first date-month-first time time-of-24-hours currency unit
code-and-amount code-and-amount-with-point code-and-amount-with-comma
amount-and-code amount-and-code-with-point amount-and-code-with-comma
number-and-unit number-and-unit-with-point number-and-unit-with-comma
number-with-unit number-with-unit-with-point number-with-unit-with-comma
without-blanks without-marks | upper lower
underscored hyphenated | lower upper
plain-number number number-with-comma | one-decimal two-decimals
currency | lower
date date-day-first date-month-first | day/month/year month/day/year day.month.year`

const wordsOf = (text: string): RuleName[] => text.trim().split(' ') as RuleName[]

/** The first that explains a field is its chain: a simpler one must stand before. */
export const CHAINS: readonly Chain[] = TABLE.trim()
  .split('\n')
  .flatMap((line) => {
    const [firsts = [], seconds] = line.split(' | ').map(wordsOf)
    return firsts.flatMap(
      (first): Chain[] => seconds?.map((second) => [first, second]) ?? [[first]]
    )
  })

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
