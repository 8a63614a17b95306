/** Rules that read numbers: digits with separators, English number words, ordinals. Digits are text, never doubles. */
import { wordPattern, type ReadingRule, type Reads, type Rule } from './rule.ts'

const SMALL = new Map(
  `zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
   eighteen nineteen`
    .split(/\s+/)
    .map((word, value): [string, number] => [word, value])
)
const TENS = new Map(
  'twenty thirty forty fifty sixty seventy eighty ninety'
    .split(' ')
    .map((word, at): [string, number] => [word, 10 * (at + 2)])
)
/** As powers of ten. */
const SCALES = new Map([
  ['thousand', 3],
  ['k', 3],
  ['million', 6],
  ['m', 6],
  ['billion', 9],
])
const ORDINALS = new Map<string, string>([
  ...[...SMALL.keys()].map((word): [string, string] => [`${word}th`, word]),
  ...[...TENS.keys()].map((word): [string, string] => [word.replace(/y$/, 'ieth'), word]),
  ['first', 'one'],
  ['second', 'two'],
  ['third', 'three'],
  ['fifth', 'five'],
  ['eighth', 'eight'],
  ['ninth', 'nine'],
  ['twelfth', 'twelve'],
  ['hundredth', 'hundred'],
])

/** A number below 1,000 in words, "two hundred and five"; null for other words. */
const belowThousand = (words: readonly string[]): number | null => {
  let value = 0
  let smallest = 1000
  for (const word of words) {
    const tens = TENS.get(word)
    const small = SMALL.get(word)
    if (word === 'hundred') {
      if (value < 1 || value > 9) return null
      value *= 100
      smallest = 100
    } else if (tens !== undefined) {
      if (smallest < 100) return null
      value += tens
      smallest = 10
    } else if (small !== undefined) {
      // "twenty eleven" is a year or two numbers; "twenty zero" is none
      if (smallest <= 1 || (smallest === 10 && (small > 9 || small === 0))) return null
      value += small
      smallest = 0
    } else return null
  }
  return smallest === 1000 ? null : value
}

/** @param words in lower case, without "and" and hyphens */
const valueOfWords = (words: string[]): number | null => {
  let total = 0
  let from = 0
  let power = Infinity
  for (const [at, word] of words.entries()) {
    const scale = SCALES.get(word)
    if (scale === undefined || word.length === 1) continue
    const part = belowThousand(words.slice(from, at))
    if (part === null || scale >= power) return null
    total += part * 10 ** scale
    power = scale
    from = at + 1
  }
  if (from === words.length) return total
  const rest = belowThousand(words.slice(from))
  return rest === null ? null : total + rest
}

const numberWords = (text: string): string | null => {
  const words = text.split(/[\s-]+/u)
  if (words[0] === 'and' || words.at(-1) === 'and') return null
  const counted = words.filter((word) => word !== 'and')
  if (counted.join(' ') === 'a dozen' || counted.join(' ') === 'dozen') return '12'
  if (counted[0] === 'a' && counted.length > 1) counted[0] = 'one'
  const value = valueOfWords(counted)
  return value === null ? null : String(value)
}

/** Without zeros that say nothing: "007" is 7, "1.50" is 1.5. */
const canonical = (sign: string, whole: string, fraction: string): string => {
  const digits = whole.replace(/^0+(?=\d)/, '')
  const rest = fraction.replace(/0+$/, '')
  const number = rest === '' ? digits : `${digits}.${rest}`
  return sign === '-' && number !== '0' ? `-${number}` : number
}

/** "1.25" and 6 become "1250000". */
const scaled = (sign: string, whole: string, fraction: string, power: number): string =>
  canonical(
    sign,
    whole + fraction.slice(0, power).padEnd(power, '0'),
    fraction.length > power ? fraction.slice(power) : ''
  )

const separated = (group: string, point: string): RegExp =>
  new RegExp(
    `^([+-]?)(\\d{1,3}(?:[${group}]\\d{3})+|\\d+)(?:[${point}](\\d+))?(?:\\s*(k|m|thousand|million|billion))?$`,
    'u'
  )
const POINT = separated(',', '.')
const COMMA = separated(".\\s’'", ',')

const readNumber = (text: string, pattern: RegExp): string | null => {
  const found = pattern.exec(text)
  if (found === null) return null
  const [, sign = '', whole = '', fraction = '', scale = ''] = found
  return scaled(sign, whole.replace(/\D/g, ''), fraction, SCALES.get(scale) ?? 0)
}

const WORDS = new Set([
  ...SMALL.keys(),
  ...TENS.keys(),
  ...SCALES.keys(),
  'hundred',
  'and',
  'a',
  'dozen',
])
const MARKS = new Set(['.', ',', '-', '+', '’', "'"])
const isNumberPart = (word: string): boolean =>
  WORDS.has(word) || MARKS.has(word) || /^\d+$/.test(word)

/** "a" begins a number only before another word of one. */
const STARTS = `[+-]?\\d+|\\ba\\b(?=\\s+(?:dozen|hundred|thousand|million))|\\bdozen\\b|${wordPattern([...SMALL.keys(), ...TENS.keys()])}`

const NUMBER_READS: Reads = {
  starts: new RegExp(STARTS, 'g'),
  isPart: isNumberPart,
  digitsBehindDigits: 3,
}

const numberOf = (text: string, pattern: RegExp): string | null => {
  const lower = text.trim().toLowerCase()
  return readNumber(lower, pattern) ?? (/^[a-z]/.test(lower) ? numberWords(lower) : null)
}

const numberRule = (apply: Rule['apply']): ReadingRule => ({
  apply,
  reads: NUMBER_READS,
  makes: /^-?\d+(?:\.\d+)?$/,
})

const ordinal = (text: string): string | null => {
  const lower = text.trim().toLowerCase()
  const digits = /^(\d+)\s?(?:st|nd|rd|th|\.|º|ª)?$/u.exec(lower)?.[1]
  if (digits !== undefined) return canonical('', digits, '')
  const start = lower.search(/[^\s-]*$/u)
  const last = ORDINALS.get(lower.slice(start))
  return last === undefined ? null : numberWords(lower.slice(0, start) + last)
}

/** Decimals as upstreams write them; the number itself is read by a rule before. */
const withDecimals = (least: number): Rule => ({
  apply: (text) => {
    if (!/^-?\d+(?:\.\d+)?$/.test(text)) return null
    const [whole, fraction = ''] = text.split('.')
    return fraction.length > least && least === 2 ? null : `${whole}.${fraction.padEnd(least, '0')}`
  },
  reads: NUMBER_READS,
  makes: least === 2 ? /^-?\d+\.\d\d$/ : /^-?\d+\.\d+$/,
})

export const NUMBER_RULES = {
  /** without a mark: a log of such numbers does not tell whether 1.500 is 1500 */
  'plain-number': numberRule((text) => {
    const value = numberOf(text, POINT)
    return value === numberOf(text, COMMA) ? value : null
  }),
  number: numberRule((text) => numberOf(text, POINT)),
  'number-with-comma': numberRule((text) => numberOf(text, COMMA)),
  ordinal: {
    apply: ordinal,
    reads: {
      starts: new RegExp(`${STARTS}|${wordPattern(ORDINALS.keys())}`, 'g'),
      isPart: (word) =>
        isNumberPart(word) || ORDINALS.has(word) || /^(?:st|nd|rd|th|º|ª)$/.test(word),
    },
    makes: /^\d+$/,
  },
  /** as Python writes floating-point numbers: 45.0 */
  'one-decimal': withDecimals(1),
  'two-decimals': withDecimals(2),
} satisfies Record<string, Rule>
