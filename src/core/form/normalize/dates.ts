/** Rules that read whole dates and times of day. Relative ones ("tomorrow") and dates without a year are not read. */
import { readTable, type Rule } from './rule.ts'

/** English, German, French, Spanish, Italian; short forms lose their point before they are looked up. */
export const MONTHS = readTable(`
  1: january jan januar janvier janv enero ene gennaio gen;
  2: february feb februar février fevrier févr febrero febbraio; 3: march mar märz mär mrz mars marzo;
  4: april apr avril avr abril abr aprile; 5: may mai mayo maggio mag; 6: june jun juni juin junio giugno giu;
  7: july jul juli juillet juil julio luglio lug; 8: august aug août aout agosto ago;
  9: september sep sept septembre septiembre setiembre settembre; 10: october oct oktober okt octobre octubre ottobre ott;
  11: november nov novembre noviembre; 12: december dec dezember dez décembre decembre déc diciembre dic dicembre`)

const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const two = (digits: string): string => digits.padStart(2, '0')

/** Two digits are of 1969 to 2068, as in POSIX. */
const yearOf = (digits: string): string =>
  digits.length === 4 ? digits : `${Number(digits) < 69 ? '20' : '19'}${digits}`

/** @returns `YYYY-MM-DD`; null where one of them is not known, or there is no such day */
export const isoOf = (
  year: string | undefined,
  month: string | undefined,
  day: string | undefined
): string | null => {
  if (year === undefined || month === undefined || day === undefined) return null
  const [y, m, d] = [Number(yearOf(year)), Number(month), Number(day)]
  const days = DAYS[m - 1]
  if (days === undefined || d < 1 || d > days) return null
  const isLeap = (y % 4 === 0 && y % 100 !== 0) || y % 400 === 0
  if (m === 2 && d === 29 && !isLeap) return null
  return `${yearOf(year)}-${two(month)}-${two(day)}`
}

const YEAR_FIRST = /^(\d{4})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{1,2})$/
const YEAR_LAST = /^(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})$/
const DAY_AND_MONTH =
  /^(\d{1,2})(?:st|nd|rd|th|er|\.)?(?: of| de)?[\s-]([\p{L}\p{M}]+)\.?,?(?: of| de)?[\s-](\d{4})$/u
const MONTH_AND_DAY = /^([\p{L}\p{M}]+)\.? (?:the )?(\d{1,2})(?:st|nd|rd|th)?,? (\d{4})$/u

/** @param isDayFirst how 05/03/2026 is read */
const isoDate = (text: string, isDayFirst: boolean): string | null => {
  const lower = text.trim().toLowerCase().replace(/\s+/gu, ' ')
  let found = YEAR_FIRST.exec(lower)
  if (found) return isoOf(found[1], found[3], found[4])
  found = YEAR_LAST.exec(lower)
  if (found) {
    const [, first, , second, year] = found
    return isDayFirst ? isoOf(year, second, first) : isoOf(year, first, second)
  }
  found = DAY_AND_MONTH.exec(lower)
  if (found) return isoOf(found[3], MONTHS.get(found[2] ?? ''), found[1])
  found = MONTH_AND_DAY.exec(lower)
  return found && isoOf(found[3], MONTHS.get(found[1] ?? ''), found[2])
}

const DATE_WORDS = new Set([...MONTHS.keys(), ...'the of de st nd rd th er - / . ,'.split(' ')])

/** The first letters of a month are enough: its whole word is looked up. */
const MONTH_OR_DIGITS = new RegExp(
  `\\d+|\\b(?:${[...new Set([...MONTHS.keys()].map((month) => month.slice(0, 3)))].join('|')})`,
  'g'
)

const dateRule = (apply: Rule['apply']): Rule => ({
  apply,
  reads: {
    starts: MONTH_OR_DIGITS,
    isPart: (word) => DATE_WORDS.has(word) || /^(?:\d{1,2}|\d{4})$/.test(word),
    digitsBehindDigits: 4,
  },
  makes: /^\d{4}-\d\d-\d\d$/,
})

/** Another notation of an ISO date. @param order places of year, month and day in it */
const notation = (order: readonly number[], mark: string, makes: RegExp): Rule => ({
  apply: (text) => {
    const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text)
    return parts && order.map((place) => parts[place + 1]).join(mark)
  },
  reads: null,
  makes,
})

const SLASHES = /^\d\d\/\d\d\/\d{4}$/

const CLOCK =
  /^(\d{1,2})(?:\s?[:.h]\s?(\d{2}))?\s?(?:(a|p)\s?\.?\s?m\s?\.?|(uhr|h|hrs|hours|o'clock))?$/u
/** Words that make a number alone a time of day; "2 hours" may be how long something takes. */
const CLOCK_WORDS = new Set(['uhr', 'h'])

/** @param isOf24 "7:30" is in the morning */
const timeOfDay = (text: string, isOf24: boolean): string | null => {
  const lower = text.trim().toLowerCase().replace(/\s+/gu, ' ')
  if (lower === 'noon' || lower === 'midday') return '12:00'
  if (lower === 'midnight') return '00:00'
  const found = CLOCK.exec(lower)
  if (found === null) return null
  const [, digits = '', minutes, half, clock] = found
  const hour = Number(digits)
  if (Number(minutes ?? 0) > 59) return null
  if (half !== undefined) {
    if (hour < 1 || hour > 12) return null
    return `${two(String((hour % 12) + (half === 'p' ? 12 : 0)))}:${minutes ?? '00'}`
  }
  const mayBeEvening = hour >= 1 && hour <= 12
  if (hour > 23 || (mayBeEvening && !isOf24)) return null
  if (minutes === undefined && !CLOCK_WORDS.has(clock ?? '')) return null
  return `${two(digits)}:${minutes ?? '00'}`
}

const timeRule = (isOf24: boolean): Rule => ({
  apply: (text) => timeOfDay(text, isOf24),
  reads: {
    starts: /\d+|\b(?:noon|midday|midnight)\b/g,
    isPart: (word) => TIME_WORDS.has(word) || /^\d{1,2}$/.test(word),
  },
  makes: /^\d\d:\d\d$/,
})

const TIME_WORDS = new Set('noon midday midnight a p am pm m . : h uhr hrs hours'.split(' '))

export const DATE_RULES = {
  /** in words, or with the year first: a log of such dates does not tell whether 5/3/2026 is in March */
  date: dateRule((text) => {
    const value = isoDate(text, true)
    return value === isoDate(text, false) ? value : null
  }),
  'date-day-first': dateRule((text) => isoDate(text, true)),
  'date-month-first': dateRule((text) => isoDate(text, false)),
  'day/month/year': notation([2, 1, 0], '/', SLASHES),
  'month/day/year': notation([1, 2, 0], '/', SLASHES),
  'day.month.year': notation([2, 1, 0], '.', /^\d\d\.\d\d\.\d{4}$/),
  /** of the hours 1 to 12 only those with am or pm: a log of such times does not tell when 7:30 is */
  time: timeRule(false),
  'time-of-24-hours': timeRule(true),
} satisfies Record<string, Rule>
