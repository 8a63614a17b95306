/** Dates in digits, and times of day. Of a date in words its numbers are read. */
import { isoOf } from '../form/normalize/dates.ts'
import { take, type Atom, type Read } from './atom.ts'

const dateAtom = (form: string | null, other?: string | null): Atom[] | null => {
  if (form === null) return other ? [{ kind: 'date', form: other }] : null
  const others = other && other !== form ? { others: [other] } : {}
  return [{ kind: 'date', form, ...others }]
}

const CLOCK_SUFFIX = /^(\d{1,2}):(\d{2})/u

const YEAR_FIRST =
  /(?<![\p{L}\p{N}.,/-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ](\d{2}:\d{2})(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?![\d-])/gu
const YEAR_LAST =
  /(?<![\p{L}\p{N}.,/-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|(?<=\d{2}[./]\d{2}[./])\d{2})(?![\d-]|[./]\d)/gu
/** 03.05. */
const DAY_AND_MONTH = /(?<![\p{L}\p{N}.,/-])(\d{1,2})\.\s?(\d{1,2})\.(?![\d])/gu

/** 05/03/2026 is in March or in May; with points it is in March. */
const readYearLast: Read = ([, first = '', mark = '', second = '', year = '']) => {
  const [dayFirst, monthFirst] = [isoOf(year, second, first), isoOf(year, first, second)]
  return mark === '.' ? dateAtom(dayFirst) : dateAtom(monthFirst, dayFirst)
}

const readYearFirst = ([, year = '', , month = '', day = '', clock]: readonly (
  string | undefined
)[]): Atom[] | null => {
  const date = dateAtom(isoOf(year, month, day))
  const time = CLOCK_SUFFIX.exec(clock ?? '')
  return date && time ? [...date, ...timeAtom(time[1] ?? '', time[2] ?? '', {})] : date
}

/** Removes dates from the text. */
export const takeDates = (text: string, atoms: Atom[]): string => {
  if (!/\d/.test(text)) return text
  let rest = take(text, YEAR_FIRST, atoms, readYearFirst)
  rest = take(rest, YEAR_LAST, atoms, readYearLast)
  return take(rest, DAY_AND_MONTH, atoms, ([, day, month]) => {
    // a leap year has all days
    const whole = isoOf('2000', month, day)
    return dateAtom(whole && `-${whole.slice(4)}`)
  })
}

interface Clock {
  half?: string | undefined
  /** written with 24 hours */
  isOf24?: boolean
}

/** An hour up to 12 without am or pm has a second reading. */
const timeAtom = (hours: string, minutes: string, { half, isOf24 = false }: Clock): Atom[] => {
  const hour = Number(hours)
  const written = (value: number): string => `${String(value).padStart(2, '0')}:${minutes}`
  if (half !== undefined)
    return [{ kind: 'time', form: written((hour % 12) + (/^p/iu.test(half) ? 12 : 0)) }]
  if (isOf24 || hours.startsWith('0') || hour > 12 || hour === 0)
    return [{ kind: 'time', form: written(hour % 24) }]
  return [{ kind: 'time', form: written(hour), others: [written((hour + 12) % 24)] }]
}

const isTime = (hours: string, minutes = '00'): boolean =>
  Number(hours) <= 24 && Number(minutes) <= 59

/** The last point stays: it may end the sentence. */
const HALF = String.raw`(?:[ \u00a0]?([ap])\.?[ ]?m\b)`
const AT_MINUTE = new RegExp(
  String.raw`(?<![\p{L}\p{N}.,:/-]|[.,:]\d)(\d{1,2})(?::|[ \u00a0]?[hH][ \u00a0]?)(\d{2})(?::\d{2})?(?![\d\p{L}]|[.,:]\d)${HALF}?(?:[ \u00a0]?(?:Uhr|h|hrs)(?!\p{L}))?`,
  'gu'
)
const WITH_POINT =
  /(?<![\p{L}\p{N}.,:/-])(\d{1,2})\.(\d{2})[ \u00a0]?(?:Uhr(?!\p{L})|([ap])\.?m\b)/giu
const WITH_WORD = new RegExp(
  String.raw`(?<![\p{L}\p{N}.,:/-])(\d{1,2})(?:${HALF}|[ \u00a0]?(Uhr)(?!\p{L})|[ ]?(o['’]clock))`,
  'giu'
)
const readClock: Read = ([, hours = '', minutes = '', half]) =>
  isTime(hours, minutes) ? timeAtom(hours, minutes, { half }) : null

/** Removes times of day from the text. */
export const takeTimes = (text: string, atoms: Atom[]): string => {
  if (!/\d/.test(text)) return text
  const rest = take(take(text, AT_MINUTE, atoms, readClock), WITH_POINT, atoms, readClock)
  return take(rest, WITH_WORD, atoms, ([, hours = '', half, uhr]) =>
    isTime(hours) ? timeAtom(hours, '00', { half, isOf24: uhr !== undefined }) : null
  )
}
