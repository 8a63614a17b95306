/**
 * Seeded pairs of answers about one record: fair paraphrases, which say the same in other words and spellings, and
 * changes, which differ in one field. A wording has the places `{name}` of fields.
 */
import { day, iso, two, type Day, type Draw } from '../../../test/kit/form-grammars.ts'

/** Each has its own marks in numbers. */
const LANGUAGES = ['en', 'de', 'fr'] as const
type Language = (typeof LANGUAGES)[number]

interface Money {
  cents: number
  currency: 'EUR' | 'USD' | 'GBP' | 'CHF'
}

interface Clock {
  hour: number
  minute: number
}

interface CaseRecord {
  first: string
  last: string
  place: string
  id: string
  amount: Money
  date: Day
  time: Clock
  /** days */
  span: number
  percent: number
  count: number
  url: string
  email: string
  phone: string
  quote: string
  code: string
}

type Field = keyof CaseRecord

/** Values that records are drawn from. */
export interface Vocabulary {
  first: readonly string[]
  last: readonly string[]
  places: readonly string[]
  quotes: readonly string[]
  codes: readonly string[]
  hosts: readonly string[]
  id: (draw: Draw) => string
}

export interface Domain {
  vocabulary: Vocabulary
  /** all of a language have the same places */
  wordings: Record<Language, readonly string[]>
}

export interface Pair {
  request: string
  logged: string
  answer: string
  /** absent: a fair paraphrase */
  changed?: Field | 'currency'
}

const FIELD_VALUES: { [F in Field]: (draw: Draw, words: Vocabulary) => CaseRecord[F] } = {
  first: (draw, { first }) => draw.one(first),
  last: (draw, { last }) => draw.one(last),
  place: (draw, { places }) => draw.one(places),
  id: (draw, { id }) => id(draw),
  amount: (draw) => ({
    cents: 500 + draw.below(400_000),
    currency: draw.one(['EUR', 'EUR', 'USD', 'GBP', 'CHF']),
  }),
  date: (draw) => day(draw),
  time: (draw) => ({ hour: 7 + draw.below(13), minute: 5 * draw.below(12) }),
  span: (draw) => 2 + draw.below(29),
  percent: (draw) => 5 + draw.below(90),
  count: (draw) => 2 + draw.below(60),
  url: (draw, { hosts }) =>
    `${draw.one(hosts)}/${draw.one(['help', 'track', 'faq', 'account', 'status'])}/${draw.digits(3)}`,
  email: (draw, { hosts }) =>
    `${draw.one(['help', 'care', 'team', 'desk', 'info'])}${draw.digits(1)}@${draw.one(hosts)}`,
  phone: (draw) =>
    `+49 ${draw.one(['30', '89', '40', '221'])} ${1 + draw.below(9)}${draw.digits(6)}`,
  quote: (draw, { quotes }) => draw.one(quotes),
  code: (draw, { codes }) => draw.one(codes),
}

const FIELDS = Object.keys(FIELD_VALUES) as Field[]

const recordOf = (draw: Draw, words: Vocabulary): CaseRecord =>
  Object.fromEntries(
    FIELDS.map((field) => [field, FIELD_VALUES[field](draw, words)])
  ) as unknown as CaseRecord

const PLACE = /\{(\w+)\}/g

/** Fields that the wording states. */
const fieldsOf = (wording: string): Field[] => [
  ...new Set(
    [...wording.matchAll(PLACE)].flatMap(([, name = '']) =>
      name === 'name' ? (['first', 'last'] as Field[]) : [name as Field]
    )
  ),
]

/** @param group between thousands @param point before the cents */
const decimal = ({ cents }: Money, group: string, point: string): string => {
  const whole = String(Math.floor(cents / 100)).replaceAll(/\B(?=(?:\d{3})+$)/g, group)
  return `${whole}${point}${two(cents % 100)}`
}

const SYMBOLS = { EUR: '€', USD: '$', GBP: '£', CHF: 'CHF' }

const amountsOf = (money: Money, group: string, point: string): string[] => [
  `${decimal(money, group, point)} ${SYMBOLS[money.currency]}`,
  `${decimal(money, group, point)} ${money.currency}`,
  `${money.currency} ${decimal(money, '', point)}`,
]

const colon = ({ hour, minute }: Clock): string => `${two(hour)}:${two(minute)}`

const half = ({ hour, minute }: Clock): string =>
  `${hour % 12 === 0 ? 12 : hour % 12}:${two(minute)} ${hour < 12 ? 'am' : 'pm'}`

/** What a language writes in its own way, in all its spellings. */
const SPELLINGS: Record<
  Language,
  Record<'amount' | 'date' | 'time' | 'span' | 'quote', (record: CaseRecord) => string[]>
> = {
  en: {
    amount: ({ amount }) => amountsOf(amount, ',', '.'),
    date: ({ date }) => [iso(date), `${two(date.month)}/${two(date.day)}/${date.year}`],
    time: ({ time }) => [colon(time), half(time)],
    span: ({ span }) => [`${span} days`, `${span} d`],
    quote: ({ quote }) => [`"${quote}"`, `“${quote}”`],
  },
  de: {
    amount: ({ amount }) => amountsOf(amount, '.', ','),
    date: ({ date }) => [
      `${two(date.day)}.${two(date.month)}.${date.year}`,
      `${date.day}.${date.month}.${date.year}`,
    ],
    time: ({ time }) => [`${colon(time)} Uhr`, `${time.hour}.${two(time.minute)} Uhr`],
    span: ({ span }) => [`${span} Tagen`],
    quote: ({ quote }) => [`„${quote}“`, `"${quote}"`],
  },
  fr: {
    amount: ({ amount }) => amountsOf(amount, '\u202f', ','),
    date: ({ date }) => [`${two(date.day)}/${two(date.month)}/${date.year}`, iso(date)],
    time: ({ time: { hour, minute } }) => [`${hour} h ${two(minute)}`, `${hour}h${two(minute)}`],
    span: ({ span }) => [`${span} jours`],
    quote: ({ quote }) => [`« ${quote} »`, `"${quote}"`],
  },
}

const spellingsOf = (language: Language, record: CaseRecord, name: string): string[] => {
  switch (name) {
    case 'amount':
    case 'date':
    case 'time':
    case 'span':
    case 'quote':
      return SPELLINGS[language][name](record)
    case 'name':
      return [`${record.first} ${record.last}`]
    case 'percent':
      return [`${record.percent}%`, `${record.percent} %`]
    case 'url':
      return [`https://${record.url}`, `https://www.${record.url}/`]
    case 'code':
      return [`\`${record.code}\``, record.code]
    default:
      return [String(record[name as Field])]
  }
}

const render = (draw: Draw, language: Language, record: CaseRecord, wording: string): string =>
  wording.replaceAll(PLACE, (_, name: string) => draw.one(spellingsOf(language, record, name)))

/** What the application sends: half of the fields, as it stores them. */
const requestOf = (draw: Draw, record: CaseRecord, fields: readonly Field[]): string => {
  const { amount, date, time } = record
  const stored = {
    ...record,
    amount: { value: amount.cents / 100, currency: amount.currency },
    date: iso(date),
    time: colon(time),
  }
  const sent = fields.filter(() => draw.chance(0.6))
  return JSON.stringify(Object.fromEntries(sent.map((field) => [field, stored[field]])))
}

const NAMES: ReadonlySet<Field> = new Set(['first', 'last', 'place'])

/** With another letter in it, as a small model copies it. */
const miscopied = (draw: Draw, name: string): string => {
  const at = 1 + draw.below(name.length - 3)
  return `${name.slice(0, at)}${draw.one([...'aeou'].filter((letter) => letter !== name[at]))}${name.slice(at + 1)}`
}

/** The record with another value in one field. */
const changedRecord = (
  draw: Draw,
  words: Vocabulary,
  record: CaseRecord,
  field: Field
): { changed: Field | 'currency'; record: CaseRecord } => {
  if (field === 'amount' && draw.chance(0.3)) {
    const currency = record.amount.currency === 'EUR' ? 'USD' : 'EUR'
    return { record: { ...record, amount: { ...record.amount, currency } }, changed: 'currency' }
  }
  if (NAMES.has(field))
    return {
      record: { ...record, [field]: miscopied(draw, String(record[field])) },
      changed: field,
    }
  const old = JSON.stringify(record[field])
  for (;;) {
    const value = FIELD_VALUES[field](draw, words)
    if (JSON.stringify(value) !== old)
      return { record: { ...record, [field]: value }, changed: field }
  }
}

/**
 * @param domains each with all languages, in turn
 * @param isChange whether one field of the answer is another one
 */
export const drawPairs = (
  draw: Draw,
  domains: readonly Domain[],
  count: number,
  isChange: boolean
): Pair[] =>
  Array.from({ length: count }, (_, at) => {
    const { vocabulary, wordings } = domains[at % domains.length] ?? draw.one(domains)
    const language = LANGUAGES[Math.floor(at / domains.length) % LANGUAGES.length] ?? 'en'
    const all = wordings[language]
    const wording = draw.one(all)
    const others = all.filter((one) => one !== wording)
    const record = recordOf(draw, vocabulary)
    const fields = fieldsOf(wording)
    const request = requestOf(draw, record, fields)
    const logged = render(draw, language, record, wording)
    if (!isChange)
      return { request, logged, answer: render(draw, language, record, draw.one(others)) }
    const { changed, record: now } = changedRecord(draw, vocabulary, record, draw.one(fields))
    // half of the changes are in the same words
    const wordingNow = draw.chance(0.5) ? wording : draw.one(others)
    return { request, logged, answer: render(draw, language, now, wordingNow), changed }
  })
