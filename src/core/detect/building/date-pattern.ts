/**
 * Patterns of dates and times in figures and in prose, in English, German, French, Spanish, Italian,
 * Portuguese, Dutch, Polish, Chinese, Japanese and Korean. Case is ignored, quantifiers are bounded.
 */
import { MONTHS, SHORT_MONTHS, SHORT_WEEKDAYS, WEEKDAYS } from '../../template/calendar-words.ts'

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
export const EAST_ASIAN_DATE =
  '\\d{4} ?[年년] ?\\d{1,2} ?[月월] ?\\d{1,2} ?[日일](?: ?[(（]?(?:星期|周)?[一二三四五六日月火水木金土월화수목금토일](?:曜日|요일)?[)）]?)?'

/** A whole date, with the weekday before it. */
export const DATE = `(?:${BEFORE_DAY}(?:${IN_FIGURES}|${DAY_FIRST}|${MONTH_FIRST})|${MONTH_AND_YEAR})`

/** A weekday or a month alone: a typed value only where it is the whole value. */
export const DAY_OR_MONTH = `${WEEKDAY}|${MONTH}`

export const TIME =
  '(?:\\d{1,2}:\\d{2}(?::\\d{2}(?:\\.\\d{1,9})?)?(?: ?[ap]\\.?m\\.?)?(?: ?(?:z|utc|gmt|cest|cet|[+-]\\d{2}:?\\d{2}))?(?: uhr)?|\\d{1,2} ?(?:[ap]\\.?m\\.?|uhr)|\\d{1,2}h\\d{2})'

/** A time with the word that joins it to a date. */
export const TIME_AFTER_DATE = `(?:t|,? (?:at |um |à |a las |alle |alle ore |às |om |o )?)${TIME}`
