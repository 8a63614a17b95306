/**
 * Seeded pairs of answers about one record: fair paraphrases, which say the same in other words and spellings, and
 * changes, which differ in one field. A wording has the places `{name}` of fields and `[[done||not done]]` of what is
 * stated or negated.
 */
import type { Language } from '../../../src/core/answer/answer-rules.ts'
import { day, iso, type Day, type Draw } from '../form-grammars.ts'
import {
  AMOUNTS,
  colon,
  DATES,
  DOSES,
  LANGUAGES,
  PERCENTS,
  SPANS,
  spelled,
  TIMES,
  type Clock,
  type Dose,
  type Money,
  type Span,
} from './spell.ts'

export interface CaseRecord {
  first: string
  last: string
  place: string
  id: string
  amount: Money
  date: Day
  time: Clock
  span: Span
  percent: number
  count: number
  dose: Dose
  url: string
  email: string
  phone: string
  quote: string
  code: string
  isDone: boolean
}

export type Field = keyof CaseRecord

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
  language: Language
  request: string
  logged: string
  answer: string
  /** absent: a fair paraphrase */
  changed?: Field | 'unit'
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
  span: (draw) => ({ count: 2 + draw.below(29), unit: draw.one(['hour', 'day', 'week', 'month']) }),
  percent: (draw) => 5 + draw.below(90),
  count: (draw) => 2 + draw.below(60),
  dose: (draw) => ({ amount: 5 * (1 + draw.below(160)), unit: draw.one(['mg', 'ml']) }),
  url: (draw, { hosts }) =>
    `${draw.one(hosts)}/${draw.one(['help', 'track', 'faq', 'account', 'status'])}/${draw.digits(3)}`,
  email: (draw, { hosts }) =>
    `${draw.one(['help', 'care', 'team', 'desk', 'info'])}${draw.digits(1)}@${draw.one(hosts)}`,
  phone: (draw) =>
    `+49 ${draw.one(['30', '89', '40', '221'])} ${1 + draw.below(9)}${draw.digits(6)}`,
  quote: (draw, { quotes }) => draw.one(quotes),
  code: (draw, { codes }) => draw.one(codes),
  isDone: (draw) => draw.chance(0.5),
}

const FIELDS = Object.keys(FIELD_VALUES) as Field[]

const recordOf = (draw: Draw, words: Vocabulary): CaseRecord =>
  Object.fromEntries(
    FIELDS.map((field) => [field, FIELD_VALUES[field](draw, words)])
  ) as unknown as CaseRecord

const PLACE = /\{(\w+)\}/g

/** Fields that the wording states. */
const fieldsOf = (wording: string): Field[] => {
  const stated = [...wording.matchAll(PLACE)].flatMap(([, name = '']) =>
    name === 'name' ? (['first', 'last'] as Field[]) : [name as Field]
  )
  return [...new Set(wording.includes('[[') ? [...stated, 'isDone' as const] : stated)]
}

const QUOTED: Record<Language, readonly [string, string][]> = {
  en: [
    ['"', '"'],
    ['“', '”'],
  ],
  de: [
    ['„', '“'],
    ['"', '"'],
  ],
  fr: [
    ['« ', ' »'],
    ['"', '"'],
  ],
  es: [
    ['«', '»'],
    ['"', '"'],
  ],
  it: [
    ['«', '»'],
    ['"', '"'],
  ],
}

const spellField = (draw: Draw, language: Language, record: CaseRecord, name: string): string => {
  const [open, close] = draw.one(QUOTED[language])
  switch (name) {
    case 'name':
      return `${record.first} ${record.last}`
    case 'amount':
      return spelled(draw, AMOUNTS[language], record.amount)
    case 'date':
      return spelled(draw, DATES[language], record.date)
    case 'time':
      return spelled(draw, TIMES[language], record.time)
    case 'span':
      return spelled(draw, SPANS[language], record.span)
    case 'percent':
      return spelled(draw, PERCENTS[language], record.percent)
    case 'dose':
      return spelled(draw, DOSES, record.dose)
    case 'url':
      return draw.chance(0.5) ? `https://${record.url}` : `https://www.${record.url}/`
    case 'quote':
      return `${open}${record.quote}${close}`
    case 'code':
      return draw.chance(0.5) ? `\`${record.code}\`` : record.code
    default:
      return String(record[name as Field])
  }
}

const render = (draw: Draw, language: Language, record: CaseRecord, wording: string): string =>
  wording
    .replaceAll(/\[\[(.*?)\|\|(.*?)\]\]/g, (_, done: string, not: string) =>
      record.isDone ? done : not
    )
    .replaceAll(PLACE, (_, name: string) => spellField(draw, language, record, name))

/** What the application sends: half of the fields, as it stores them. */
const requestOf = (draw: Draw, record: CaseRecord, fields: readonly Field[]): string => {
  const sent = fields.filter((field) => field !== 'isDone' && draw.chance(0.6))
  const { amount, date, time } = record
  const stored = {
    ...record,
    amount: { value: amount.cents / 100, currency: amount.currency },
    date: iso(date),
    time: colon(time),
  }
  return JSON.stringify(Object.fromEntries(sent.map((field) => [field, stored[field]])))
}

/** Units that say something else with the same number. */
const withOtherUnit = (draw: Draw, record: CaseRecord, field: Field): CaseRecord | null => {
  switch (field) {
    case 'amount':
      return {
        ...record,
        amount: { ...record.amount, currency: record.amount.currency === 'EUR' ? 'USD' : 'EUR' },
      }
    case 'span':
      return {
        ...record,
        span: { ...record.span, unit: record.span.unit === 'day' ? 'week' : 'day' },
      }
    case 'dose':
      return {
        ...record,
        dose: { ...record.dose, unit: draw.one(record.dose.unit === 'mg' ? ['g', 'ml'] : ['mg']) },
      }
    default:
      return null
  }
}

/** The record with another value in one field. */
const changedRecord = (
  draw: Draw,
  words: Vocabulary,
  record: CaseRecord,
  field: Field
): Pick<Pair, 'changed'> & { record: CaseRecord } => {
  const otherUnit = draw.chance(0.3) ? withOtherUnit(draw, record, field) : null
  if (otherUnit !== null) return { record: otherUnit, changed: 'unit' }
  if (field === 'isDone') return { record: { ...record, isDone: !record.isDone }, changed: field }
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
      return { language, request, logged, answer: render(draw, language, record, draw.one(others)) }
    const changed = changedRecord(draw, vocabulary, record, draw.one(fields))
    // half of the changes are in the same words
    const wordingNow = draw.chance(0.5) ? wording : draw.one(others)
    const answer = render(draw, language, changed.record, wordingNow)
    return {
      language,
      request,
      logged,
      answer,
      ...(changed.changed && { changed: changed.changed }),
    }
  })
