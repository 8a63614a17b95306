/**
 * Typed values that an application writes into its prompts: dates, times, identifiers, addresses.
 * Recognizes a value, and replaces values inside texts. All patterns are bounded, so that hostile text
 * takes linear time. Knows nothing of templates.
 */
import { itemAt } from '../../lists.ts'
import { MONTHS, SHORT_MONTHS, SHORT_WEEKDAYS, WEEKDAYS } from '../../template/shape.ts'

/**
 * Patterns of dates and times in figures and in prose, in English, German, French, Spanish, Italian,
 * Portuguese, Dutch, Polish, Chinese, Japanese and Korean. Case is ignored, quantifiers are bounded.
 */
const either = (words: readonly string[]): string => `(?:${words.join('|')})`

const MONTH = either(MONTHS)
/** need a year, because they are words of other languages */
const SHORT_MONTH = either(SHORT_MONTHS)
/** the longer first */
const WEEKDAY = either([...WEEKDAYS, ...SHORT_WEEKDAYS])

const DAY = '\\d{1,2}(?:st|nd|rd|th|er|º|°|\\.)?'
const OF = "(?: de | del | of | d['’]| )"
const BEFORE_DAY = `(?:${WEEKDAY}\\.?,? (?:the |der |den |dem |le |el |il |dia |de )?)?`

const IN_FIGURES =
  '\\d{4}[-/.]\\d{1,2}[-/.]\\d{1,2}|\\d{1,2}[-/.]\\d{1,2}[-/.]\\d{2,4}|\\d{1,2}\\. \\d{1,2}\\. \\d{4}'
const DAY_FIRST = `${DAY}${OF}(?:${MONTH}(?:,?${OF}\\d{4})?|${SHORT_MONTH}\\.?,?${OF}\\d{4})`
const MONTH_FIRST = `${MONTH} (?:the )?\\d{1,2}(?:st|nd|rd|th)?(?:,? \\d{4})?|${SHORT_MONTH}\\.? \\d{1,2}(?:st|nd|rd|th)?,? \\d{4}`
const MONTH_AND_YEAR = `(?:${MONTH}|${SHORT_MONTH}\\.?),?${OF}\\d{4}`
/** needs no border, because these languages write no spaces */
const EAST_ASIAN_DATE =
  '\\d{4} ?[年년] ?\\d{1,2} ?[月월] ?\\d{1,2} ?[日일](?: ?[(（]?(?:星期|周)?[一二三四五六日月火水木金土월화수목금토일](?:曜日|요일)?[)）]?)?'

/** A whole date, with the weekday before it. */
const DATE = `(?:${BEFORE_DAY}(?:${IN_FIGURES}|${DAY_FIRST}|${MONTH_FIRST})|${MONTH_AND_YEAR})`

/** A weekday or a month alone: a typed value only where it is the whole value. */
const DAY_OR_MONTH = `${WEEKDAY}|${MONTH}`

const TIME =
  '(?:\\d{1,2}:\\d{2}(?::\\d{2}(?:\\.\\d{1,9})?)?(?: ?[ap]\\.?m\\.?)?(?: ?(?:z|utc|gmt|cest|cet|[+-]\\d{2}:?\\d{2}))?(?: uhr)?|\\d{1,2} ?(?:[ap]\\.?m\\.?|uhr)|\\d{1,2}h\\d{2})'

/** A time with the word that joins it to a date. */
const TIME_AFTER_DATE = `(?:t|,? (?:at |um |à |a las |alle |alle ore |às |om |o )?)${TIME}`

export type MaskName =
  'datetime' | 'date' | 'time' | 'uuid' | 'email' | 'url' | 'ip' | 'hex' | 'ticket' | 'timestamp'

/** The first pattern that fits names the value. */
const MASKS: [MaskName, string][] = [
  ['datetime', `${DATE}${TIME_AFTER_DATE}`],
  ['date', DATE],
  ['time', TIME],
  ['uuid', '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'],
  ['email', '[\\w.+-]{1,64}@[\\w-]{1,63}(?:\\.[\\w-]{1,63}){1,8}'],
  ['url', 'https?://[^\\s"\'<>)]{1,2000}'],
  ['ip', '\\d{1,3}(?:\\.\\d{1,3}){3}'],
  ['hex', '(?:0x)?(?=[a-f]{0,64}\\d)(?=\\d{0,64}[a-f])[0-9a-f]{8,128}'],
  ['timestamp', '\\d{10}(?:\\d{3})?'],
  ['ticket', '#?[a-z]{1,8}[-_#:]?\\d{3,20}|#\\d{2,20}'],
]

const whole = (source: string): RegExp => new RegExp(`^(?:${source})$`, 'iu')

const WHOLE: [MaskName, RegExp][] = [
  ...MASKS.map(([name, source]): [MaskName, RegExp] => [name, whole(source)]),
  ['datetime', whole(`${EAST_ASIAN_DATE} ?${TIME}`)],
  ['date', whole(`${EAST_ASIAN_DATE}|${DAY_OR_MONTH}`)],
]
const ANYWHERE = new RegExp(
  `(?<![\\p{L}\\p{N}_-])(?:${MASKS.map(([, source]) => source).join('|')})(?![\\p{L}\\p{N}_-])|(?<!\\d)${EAST_ASIAN_DATE}(?: ?${TIME})?`,
  'giu'
)
/** a longer value is not a typed one */
const MAX_TYPED_CHARS = 2100

/** The type of a value that is wholly a typed value, else null. */
export const maskOf = (value: string): MaskName | null => {
  const trimmed = value.trim()
  if (trimmed.length > MAX_TYPED_CHARS) return null
  return WHOLE.find(([, pattern]) => pattern.test(trimmed))?.[0] ?? null
}

/** The text with every typed value replaced by one placeholder. */
export const maskText = (text: string): string => text.replace(ANYWHERE, '\u0000')

/** Unicode's private use area, which texts do not have: one character for each typed value. */
const FIRST_MARK = 0xe000
const LAST_MARK = 0xf8ff
const MARK = /[\ue000-\uf8ff]/u
const MARKS = /[\ue000-\uf8ff]/gu

export interface Masked {
  values: string[]
  /** the text as it was, of a masked value or a part of one */
  unmask: (text: string) => string
}

/**
 * The values with each typed value as one character, the same for equal ones, so that nothing that
 * compares the values can cut a date or an identifier into pieces. As they are where a text has such
 * characters of its own.
 * @param parts pieces of a value of which the odd ones are not masked, because nothing cuts them
 */
export const maskValues = (
  values: string[],
  parts: (value: string) => string[] = (value) => [value]
): Masked => {
  if (values.some((value) => MARK.test(value))) return { values, unmask: (text) => text }
  const markOf = new Map<string, string>()
  const typed: string[] = []
  const mark = (found: string): string => {
    const known = markOf.get(found)
    if (known !== undefined || FIRST_MARK + typed.length > LAST_MARK) return known ?? found
    const next = String.fromCharCode(FIRST_MARK + typed.length)
    typed.push(found)
    markOf.set(found, next)
    return next
  }
  return {
    values: values.map((value) =>
      parts(value)
        .map((part, at) => (at % 2 === 0 ? part.replace(ANYWHERE, mark) : part))
        .join('')
    ),
    unmask: (text) =>
      text.replace(MARKS, (found) => itemAt(typed, found.charCodeAt(0) - FIRST_MARK)),
  }
}

/** A masked value with the same placeholder for every typed value. */
export const withoutTyped = (masked: string): string => masked.replace(MARKS, '\u0000')

/** Constant text and typed values by turns. */
type Part = { text: string } | { values: string[] }

/** Whether the values differ in typed values alone, and have some. */
const areTyped = ({ values, unmask }: Masked): boolean => {
  const [first = ''] = values
  return new Set(values.map(withoutTyped)).size === 1 && unmask(first) !== first
}

/** The values as text and typed values by turns where they differ in nothing else; null where they do. */
export const typedParts = (values: string[]): Part[] | null => {
  if (!areTyped(maskValues(values.slice(0, 2)))) return null
  const all = maskValues(values)
  if (!areTyped(all)) return null
  const [first = ''] = all.values
  const typed = all.values.map((value) =>
    Array.from(value.matchAll(MARKS), ([mark]) => all.unmask(mark))
  )
  return first.split(MARKS).flatMap((text, at): Part[] => {
    const found = typed.flatMap((own) => own[at] ?? [])
    const [same] = found
    if (same === undefined) return [{ text }]
    return [{ text }, found.every((each) => each === same) ? { text: same } : { values: found }]
  })
}
