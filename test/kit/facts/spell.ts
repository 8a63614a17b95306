/** Seeded values, and how five languages write them. */
import type { Language } from '../../../src/core/answer/answer-rules.ts'
import { iso, MONTHS as ENGLISH_MONTHS, two, type Day, type Draw } from '../form-grammars.ts'

export const LANGUAGES: readonly Language[] = ['en', 'de', 'fr', 'es', 'it']

const listed = (words: string): string[] => words.split(' ')

const MONTHS: Record<Language, string[]> = {
  en: ENGLISH_MONTHS,
  de: listed('Januar Februar März April Mai Juni Juli August September Oktober November Dezember'),
  fr: listed(
    'janvier février mars avril mai juin juillet août septembre octobre novembre décembre'
  ),
  es: listed(
    'enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre'
  ),
  it: listed(
    'gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre'
  ),
}

const WEEKDAYS: Record<Language, string[]> = {
  en: listed('Sunday Monday Tuesday Wednesday Thursday Friday Saturday'),
  de: listed('Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag'),
  fr: listed('dimanche lundi mardi mercredi jeudi vendredi samedi'),
  es: listed('domingo lunes martes miércoles jueves viernes sábado'),
  it: listed('domenica lunedì martedì mercoledì giovedì venerdì sabato'),
}

const weekday = (language: Language, { year, month, day }: Day): string =>
  WEEKDAYS[language][new Date(Date.UTC(year, month - 1, day)).getUTCDay()] ?? ''

/** A way to write a value; the first ones are the usual ones. */
type Spelling<Value> = (value: Value) => string

const monthName = (language: Language, { month }: Day): string => MONTHS[language][month - 1] ?? ''
const slashes = ({ year, month, day }: Day): string => `${two(day)}/${two(month)}/${year}`

export const DATES: Record<Language, Spelling<Day>[]> = {
  en: [
    (date) => `${date.day} ${monthName('en', date)} ${date.year}`,
    (date) => `${monthName('en', date)} ${date.day}, ${date.year}`,
    (date) => `${monthName('en', date).slice(0, 3)} ${date.day}, ${date.year}`,
    (date) => `${weekday('en', date)}, ${date.day} ${monthName('en', date)} ${date.year}`,
    iso,
  ],
  de: [
    (date) => `${date.day}. ${monthName('de', date)} ${date.year}`,
    (date) => `${two(date.day)}.${two(date.month)}.${date.year}`,
    (date) => `${date.day}.${date.month}.${date.year}`,
    (date) => `${weekday('de', date)}, ${date.day}. ${monthName('de', date)} ${date.year}`,
  ],
  fr: [
    (date) => `${date.day} ${monthName('fr', date)} ${date.year}`,
    slashes,
    (date) => `${weekday('fr', date)} ${date.day} ${monthName('fr', date)} ${date.year}`,
  ],
  es: [
    (date) => `${date.day} de ${monthName('es', date)} de ${date.year}`,
    slashes,
    (date) => `${weekday('es', date)} ${date.day} de ${monthName('es', date)} de ${date.year}`,
  ],
  it: [
    (date) => `${date.day} ${monthName('it', date)} ${date.year}`,
    slashes,
    (date) => `${weekday('it', date)} ${date.day} ${monthName('it', date)} ${date.year}`,
  ],
}

export interface Money {
  cents: number
  currency: 'EUR' | 'USD' | 'GBP' | 'CHF'
}

/** @param group between thousands @param point before the cents */
const decimal = ({ cents }: Money, group: string, point: string): string => {
  const whole = String(Math.floor(cents / 100)).replaceAll(/\B(?=(?:\d{3})+$)/g, group)
  return `${whole}${point}${two(cents % 100)}`
}

const SYMBOLS = { EUR: '€', USD: '$', GBP: '£', CHF: 'CHF' }
const symbol = ({ currency }: Money): string => SYMBOLS[currency]
const name = (money: Money, language: Language): string => {
  if (money.currency !== 'EUR') return money.currency
  return { en: 'euros', de: 'Euro', fr: 'euros', es: 'euros', it: 'euro' }[language]
}

const continental = (language: Language, group: string): Spelling<Money>[] => [
  (money) => `${decimal(money, group, ',')} ${symbol(money)}`,
  (money) => `${decimal(money, group, ',')} ${money.currency}`,
  (money) => `${money.currency} ${decimal(money, group, ',')}`,
  (money) => `${decimal(money, '', ',')} ${name(money, language)}`,
]

export const AMOUNTS: Record<Language, Spelling<Money>[]> = {
  en: [
    (money) =>
      money.currency === 'CHF'
        ? `CHF ${decimal(money, ',', '.')}`
        : `${symbol(money)}${decimal(money, ',', '.')}`,
    (money) => `${decimal(money, ',', '.')} ${money.currency}`,
    (money) => `${money.currency} ${decimal(money, '', '.')}`,
    (money) => `${decimal(money, ',', '.')} ${name(money, 'en')}`,
  ],
  de: continental('de', '.'),
  fr: continental('fr', '\u202f'),
  es: continental('es', '.'),
  it: continental('it', '.'),
}

export interface Clock {
  hour: number
  minute: number
}

export const colon = ({ hour, minute }: Clock): string => `${two(hour)}:${two(minute)}`
const point = ({ hour, minute }: Clock): string => `${hour}.${two(minute)}`
const half = ({ hour, minute }: Clock): string =>
  `${hour % 12 === 0 ? 12 : hour % 12}:${two(minute)} ${hour < 12 ? 'am' : 'pm'}`

export const TIMES: Record<Language, Spelling<Clock>[]> = {
  en: [colon, half],
  de: [(time) => `${colon(time)} Uhr`, (time) => `${point(time)} Uhr`],
  fr: [
    ({ hour, minute }) => `${hour} h ${two(minute)}`,
    ({ hour, minute }) => `${hour}h${two(minute)}`,
    colon,
  ],
  es: [colon, (time) => `${colon(time)} h`],
  it: [colon, point],
}

export type Unit = 'hour' | 'day' | 'week' | 'month'

export interface Span {
  count: number
  unit: Unit
}

const UNITS: Record<Language, Record<Unit, string>> = {
  en: { hour: 'hours', day: 'days', week: 'weeks', month: 'months' },
  de: { hour: 'Stunden', day: 'Tagen', week: 'Wochen', month: 'Monaten' },
  fr: { hour: 'heures', day: 'jours', week: 'semaines', month: 'mois' },
  es: { hour: 'horas', day: 'días', week: 'semanas', month: 'meses' },
  it: { hour: 'ore', day: 'giorni', week: 'settimane', month: 'mesi' },
}

/** From two on. */
const NUMBERS: Record<Language, string[]> = {
  en: listed('two three four five six seven eight nine ten eleven twelve'),
  de: listed('zwei drei vier fünf sechs sieben acht neun zehn elf zwölf'),
  fr: listed('deux trois quatre cinq six sept huit neuf dix onze douze'),
  es: listed('dos tres cuatro cinco seis siete ocho nueve diez once doce'),
  it: listed('due tre quattro cinque sei sette otto nove dieci undici dodici'),
}

const spans = (language: Language): Spelling<Span>[] => [
  ({ count, unit }) => `${count} ${UNITS[language][unit]}`,
  ({ count, unit }) => `${NUMBERS[language][count - 2] ?? count} ${UNITS[language][unit]}`,
]

export const SPANS: Record<Language, Spelling<Span>[]> = {
  en: spans('en'),
  de: spans('de'),
  fr: spans('fr'),
  es: spans('es'),
  it: spans('it'),
}

export const PERCENTS: Record<Language, Spelling<number>[]> = {
  en: [(value) => `${value}%`, (value) => `${value} percent`],
  de: [(value) => `${value} %`, (value) => `${value} Prozent`],
  fr: [(value) => `${value} %`, (value) => `${value} pour cent`],
  es: [(value) => `${value} %`, (value) => `${value} por ciento`],
  it: [(value) => `${value}%`, (value) => `${value} per cento`],
}

export interface Dose {
  amount: number
  unit: 'mg' | 'g' | 'ml'
}

export const DOSES: Spelling<Dose>[] = [
  ({ amount, unit }) => `${amount} ${unit}`,
  ({ amount, unit }) => `${amount}${unit}`,
]

/** One of the spellings. */
export const spelled = <Value>(
  draw: Draw,
  spellings: readonly Spelling<Value>[],
  value: Value
): string => draw.one(spellings)(value)
