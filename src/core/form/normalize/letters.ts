/** Rules that keep all letters and digits of the message: blanks, cases, marks. */
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

export const LETTER_RULES = {
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
