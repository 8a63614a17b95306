/** Dates and times of day in their common spellings. */
import { isoOf, MONTHS } from '../form/normalize/dates.ts'
import type { Language } from '../answer/answer-rules.ts'
import { take, type Atom, type Read } from './atom.ts'

/** `--03-05` without a year, `2026-03` without a day, as in ISO 8601. */
const partialDate = (month: string, day?: string, year?: string): string | null => {
  if (day === undefined) return year === undefined ? null : `${year}-${month.padStart(2, '0')}`
  // a leap year has all days
  const whole = isoOf(year ?? '2000', month, day)
  return whole !== null && year === undefined ? `-${whole.slice(4)}` : whole
}

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
const MONTH = `(${[...MONTHS.keys()].toSorted((a, b) => b.length - a.length).join('|')})`
const DAY_FIRST = new RegExp(
  String.raw`(?<![\p{L}\p{N}.,/-])(\d{1,2})(?:st|nd|rd|th|er|\.|º|°)?[ \u00a0-](?:of |de |di )?${MONTH}(?![\p{L}\p{M}])(?:\.?,?[ \u00a0-](?:of |de |del |di )?(\d{4})(?![\d\p{L}]|[.,:]\d))?`,
  'giu'
)
const MONTH_FIRST = new RegExp(
  String.raw`(?<![\p{L}\p{N}])${MONTH}\.?[ \u00a0-](?:the )?(\d{1,2})(?:st|nd|rd|th)?(?![\p{L}\d]|[.,:]\d)(?:,?[ \u00a0](\d{4})(?![\d\p{L}]|[.,:]\d))?`,
  'giu'
)
const MONTH_AND_YEAR = new RegExp(
  String.raw`(?<![\p{L}\p{N}])${MONTH}\.?,?[ \u00a0](?:of |de |del |di )?(\d{4})(?![\d\p{L}]|[.,:]\d)`,
  'giu'
)

/** "may 5" and "3 may" are mostly verbs. */
const monthOf = (word: string, language: Language | null): string | null => {
  if (language === 'en' && (word === 'may' || word === 'march' || word === 'mar')) return null
  return MONTHS.get(word.toLowerCase()) ?? null
}

/** Whether 05/03/2026 is 5 March. */
const isDayFirst = (mark: string, language: Language | null): boolean =>
  mark === '.' || (language !== null && language !== 'en')

const readYearLast = (
  [, first = '', mark = '', second = '', year = '']: readonly (string | undefined)[],
  language: Language | null
): Atom[] | null => {
  const [dayFirst, monthFirst] = [isoOf(year, second, first), isoOf(year, first, second)]
  if (mark === '.') return dateAtom(dayFirst)
  return isDayFirst(mark, language)
    ? dateAtom(dayFirst, monthFirst)
    : dateAtom(monthFirst, dayFirst)
}

const readYearFirst = ([, year = '', , month = '', day = '', clock]: readonly (
  string | undefined
)[]): Atom[] | null => {
  const date = dateAtom(isoOf(year, month, day))
  const time = CLOCK_SUFFIX.exec(clock ?? '')
  return date && time ? [...date, ...timeAtom(time[1] ?? '', time[2] ?? '', {})] : date
}

/** Removes dates from the text. */
export const takeDates = (text: string, language: Language | null, atoms: Atom[]): string => {
  if (!/\d/.test(text)) return text
  let rest = take(text, YEAR_FIRST, atoms, readYearFirst)
  rest = take(rest, YEAR_LAST, atoms, (groups) => readYearLast(groups, language))
  rest = take(rest, DAY_FIRST, atoms, ([, day = '', word = '', year]) => {
    const month = monthOf(word, language)
    return month === null ? null : dateAtom(partialDate(month, day, year))
  })
  rest = take(rest, MONTH_FIRST, atoms, ([, word = '', day = '', year]) => {
    const month = monthOf(word, language)
    return month === null ? null : dateAtom(partialDate(month, day, year))
  })
  rest = take(rest, MONTH_AND_YEAR, atoms, ([, word = '', year]) => {
    const month = monthOf(word, language)
    return month === null ? null : dateAtom(partialDate(month, undefined, year))
  })
  // elsewhere 19.10. is a time at the end of a sentence
  if (language !== 'de' && language !== null) return rest
  return take(rest, DAY_AND_MONTH, atoms, ([, day = '', month = '']) =>
    dateAtom(partialDate(month, day))
  )
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
/** Hours behind a preposition of time; French ones need their "h", because "à 3" begins a number as well. */
const BEHIND_WORD =
  /(?<![\p{L}\p{M}])(?:(?:à|dès|vers)[ \u00a0](\d{1,2})[ \u00a0]?(?:h|heures?)(?!\p{L})|(?:a las?|alle|dalle|ore|las)[ \u00a0](\d{1,2})(?:\.(\d{2}))?(?:[ \u00a0]?(?:h|horas?|ore)(?!\p{L}))?(?![\d\p{L}%€$£]|[.,:/-]\d|[ \u00a0\u202f][\d%€$£]))/giu
const NAMED =
  /(?<![\p{L}\p{M}])(?:(noon|midday|midi|mediodía|mezzogiorno)|(midnight|minuit|medianoche|mezzanotte|mitternacht))(?![\p{L}\p{M}])/giu

const readClock: Read = ([, hours = '', minutes = '', half]) =>
  isTime(hours, minutes) ? timeAtom(hours, minutes, { half }) : null

/** Removes times of day from the text. */
export const takeTimes = (text: string, atoms: Atom[]): string => {
  let rest = text
  if (/\d/.test(text)) {
    rest = take(rest, AT_MINUTE, atoms, readClock)
    rest = take(rest, WITH_POINT, atoms, readClock)
    rest = take(rest, WITH_WORD, atoms, ([, hours = '', half, uhr]) =>
      isTime(hours) ? timeAtom(hours, '00', { half, isOf24: uhr !== undefined }) : null
    )
    rest = take(rest, BEHIND_WORD, atoms, ([, french, other = '', minutes = '00']) => {
      const hours = french ?? other
      return isTime(hours, minutes) ? timeAtom(hours, minutes, {}) : null
    })
  }
  return take(rest, NAMED, atoms, ([, noon]) => [
    { kind: 'time', form: noon === undefined ? '00:00' : '12:00' },
  ])
}
