/**
 * Faults that are planted into answers of the upstream, so that it is known of each that it is wrong. What a judge does
 * not find of them it cannot find in answers of a model. Edits are seeded: the same answers and seed give the same
 * faults. Knows nothing of judges.
 */
import { seededRandom, shuffle } from '../../random.ts'
import { bareJson, isJson } from '../json.ts'
import { FAULT_WORDS, NAMES, type FaultWords } from './fault-words.ts'

/**
 * `omission`: a sentence is missing that has a fact of its own. `other-answer`: it is the answer to another request.
 * `format`: prose as JSON, JSON cut off, a list in one line.
 */
export const FAULTS = [
  'number',
  'name',
  'date',
  'negation',
  'omission',
  'invention',
  'other-answer',
  'language',
  'format',
] as const

export type Fault = (typeof FAULTS)[number]

/**
 * A second answer of the upstream that the judge accepts beside the first one, of a conversation of its own. Were it
 * rejected without a fault, the fault would seem to be caught.
 */
export interface SoundAnswer {
  /** what a judge reads of it: its written fields, or the whole answer as one text */
  texts: readonly string[]
  /** those of the upstream's answer to another request, in the same places; null: there is none */
  others: readonly string[] | null
}

type Random = () => number

/** A part of a text. */
interface Span {
  at: number
  text: string
}

const pick = <Item>(items: readonly Item[], random: Random): Item | null =>
  items[Math.floor(random() * items.length)] ?? null

const spansOf = (text: string, pattern: RegExp): Span[] =>
  [...text.matchAll(pattern)].map(({ 0: found, index }) => ({ at: index, text: found }))

const replaced = (text: string, { at, text: old }: Span, by: string): string =>
  text.slice(0, at) + by + text.slice(at + old.length)

const isWithin = (one: Span, others: readonly Span[]): boolean =>
  others.some(({ at, text }) => one.at >= at && one.at < at + text.length)

const alternatives = (words: readonly string[]): string => words.join('|')

const ALL_WORDS = Object.values(FAULT_WORDS)
/** 31.12.2026, 12/31/2026, 2026-12-31 */
const DIGITAL_DATE = /(?<![\d.])\d{1,4}([./-])\d{1,2}\1\d{2,4}(?![\d-])/g
/** `\b` takes letters with accents for the ends of words */
const NAMED_DAY = new RegExp(
  `(?<!\\p{L})(?:${alternatives(ALL_WORDS.flatMap(({ months, weekdays }) => [...months, ...weekdays]))})(?!\\p{L})`,
  'gu'
)

const datesOf = (text: string): Span[] => spansOf(text, DIGITAL_DATE)

/** Characters between a day and its month: `3. de ` */
const MOST_BETWEEN = 5

/** Days and months by name; a month only beside a number: `May` and `Mai` are also other words. */
const namedDaysOf = (text: string): Span[] =>
  spansOf(text, NAMED_DAY).filter(({ at, text: word }) => {
    const isWeekday = ALL_WORDS.some(({ weekdays }) => weekdays.includes(word))
    const end = at + word.length
    const [before, after] = [text.slice(Math.max(0, at - 8), at), text.slice(end, end + 3)]
    return isWeekday || /\d\S{0,2}(?: \p{Ll}{1,3})? $/u.test(before) || /^,? \d/.test(after)
  })

/** Numbers that are no part of a date, of a word, or of the numbering of a list. */
const numbersOf = (text: string): Span[] => {
  const dates = datesOf(text)
  const days = namedDaysOf(text)
  const numbers = spansOf(text, /(?<![\p{L}\d.,_/-])\d+(?:[.,]\d+)*(?![\p{L}\d_/-])/gu)
  return numbers.filter((number) => {
    const end = number.at + number.text.length
    const isOfDay = days.some(
      (day) =>
        (day.at > number.at && day.at - end <= MOST_BETWEEN) ||
        (day.at < number.at && number.at - day.at - day.text.length <= MOST_BETWEEN)
    )
    const line = text.slice(text.lastIndexOf('\n', number.at - 1) + 1, number.at)
    const isNumbering = line.trim() === '' && /[.)]/.test(text.charAt(end))
    return !isOfDay && !isNumbering && !isWithin(number, dates)
  })
}

/** Language with the most frequent words in the text. @returns null where hardly any is there */
const languageOf = (text: string): string | null => {
  const words = text.split(/[^\p{L}]+/u)
  const known = Object.entries(FAULT_WORDS).map(([language, { common }]) => ({
    language,
    share:
      words.filter((word) => common.includes(word) || common.includes(word.toLowerCase())).length /
      words.length,
  }))
  const [best] = known.toSorted((a, b) => b.share - a.share)
  return best !== undefined && best.share >= 0.1 ? best.language : null
}

const wordsOf = (text: string): FaultWords | null => FAULT_WORDS[languageOf(text) ?? ''] ?? null

const CAPITALIZED = /(?<=[\p{Ll}\d,;:)] )\p{Lu}\p{Ll}{2,}(?!\p{L})/gu
/** German writes every noun with a capital */
const GERMAN_NAME = /(?<=(?:Herrn?|Frau|Familie|Firma|Dr\.|Prof\.) )\p{Lu}\p{Ll}{2,}(?!\p{L})/gu

const TITLES = new Set([
  'Monsieur',
  'Madame',
  'Mister',
  'Señor',
  'Señora',
  'Signor',
  'Signora',
  'Mrs',
])

/** Capitalized words within a sentence that are no days or months. */
const namesOf = (text: string): Span[] => {
  const days = namedDaysOf(text)
  const pattern = languageOf(text) === 'de' ? GERMAN_NAME : CAPITALIZED
  return spansOf(text, pattern).filter((name) => !TITLES.has(name.text) && !isWithin(name, days))
}

const factsOf = (text: string): Span[] =>
  [datesOf, numbersOf, namesOf, namedDaysOf]
    .flatMap((find) => find(text))
    .sort((a, b) => a.at - b.at)

/** Another digit at one place; the first one stays above 0. */
const otherNumber = (number: string, random: Random): string => {
  const digits = spansOf(number, /\d/g)
  const { at, text } = pick(digits, random) ?? { at: 0, text: number }
  const choices = [...'123456789'].filter((digit) => digit !== text)
  return replaced(number, { at, text }, pick(choices, random) ?? '1')
}

const plantNumber = (text: string, random: Random): string | null => {
  const number = pick(numbersOf(text), random)
  return number && replaced(text, number, otherNumber(number.text, random))
}

/** By a name of the other answer, which may stand where this one does, or by one of a list. */
const plantName = (text: string, random: Random, other: string): string | null => {
  const name = pick(namesOf(text), random)
  if (name === null) return null
  const isNew = (word: string): boolean => !text.includes(word)
  const known = namesOf(other)
    .map((span) => span.text)
    .filter(isNew)
  const by = pick(known.length > 0 ? known : NAMES.filter(isNew), random)
  return by && text.replaceAll(name.text, by)
}

/** Another day, month or weekday of the same language; the digits of a date stay a date. */
const plantDate = (text: string, random: Random): string | null => {
  const date = pick([...datesOf(text), ...namedDaysOf(text)], random)
  if (date === null) return null
  const own = wordsOf(text)
  const list = [...(own === null ? [] : [own]), ...ALL_WORDS]
    .flatMap(({ months, weekdays }) => [months, weekdays])
    .find((names) => names.includes(date.text))
  if (list !== undefined)
    return replaced(
      text,
      date,
      pick(
        list.filter((word) => word !== date.text),
        random
      ) ?? ''
    )
  // the second number is a month or a day
  const [, middle = ''] = date.text.split(/[./-]/)
  const choices = Array.from({ length: 12 }, (_, i) => String(i + 1).padStart(middle.length, '0'))
  const at = date.at + date.text.search(/[./-]/) + 1
  const by = pick(
    choices.filter((month) => Number(month) !== Number(middle)),
    random
  )
  return by && replaced(text, { at, text: middle }, by)
}

const wordsAt = (text: string, words: string): Span[] =>
  spansOf(text, new RegExp(`(?<![\\p{L}'])${words}(?![\\p{L}'])`, 'gu'))

/** What is denied is affirmed; in a text without a denial, what is affirmed is denied. */
const plantNegation = (text: string, random: Random): string | null => {
  const negations = wordsOf(text)?.negations ?? []
  const edits = (from: 0 | 1, to: 0 | 1): [Span, string][] =>
    negations.flatMap((pair) =>
      wordsAt(text, pair[from]).map((span): [Span, string] => [span, pair[to]])
    )
  const denied = edits(1, 0)
  const edit = pick(denied.length > 0 ? denied : edits(0, 1), random)
  return edit && replaced(text, ...edit)
}

const sentencesOf = (text: string): Span[] =>
  spansOf(text, /[^\s][^\n]*?(?:(?<!\d)[.!?](?=\s|$)|(?=\n|$))/g)

const isOnce = (text: string, { at, text: fact }: Span): boolean =>
  text.indexOf(fact) === at && text.lastIndexOf(fact) === at

/** A sentence with a fact that stands nowhere else in the answer. */
const plantOmission = (text: string, random: Random): string | null => {
  const sentences = sentencesOf(text)
  const facts = factsOf(text).filter((fact) => isOnce(text, fact))
  const required = sentences.filter((sentence) => facts.some((fact) => isWithin(fact, [sentence])))
  const sentence = sentences.length < 2 ? null : pick(required, random)
  return sentence && replaced(text, sentence, '').replaceAll(/ {2,}/g, ' ').trim()
}

const plantInvention = (text: string, random: Random): string | null => {
  const words = wordsOf(text)
  const after = pick(sentencesOf(text), random)
  if (words === null || after === null || isJson(bareJson(text))) return null
  const identifier = `R-${1000 + Math.floor(random() * 9000)}`
  const name = pick(NAMES, random) ?? ''
  const sentence = words.invention(identifier, name, 4 + Math.floor(random() * 16))
  return replaced(text, after, `${after.text} ${sentence}`)
}

/** The answer's facts in their order, in a sentence of another language. */
const plantLanguage = (text: string, random: Random): string | null => {
  const language = languageOf(text)
  if (language === null || isJson(bareJson(text))) return null
  const others = Object.entries(FAULT_WORDS).filter(([name]) => name !== language)
  const facts = factsOf(text).map((fact) => fact.text)
  return pick(others, random)?.[1].frame(facts.join(', ')) ?? null
}

const LIST_ITEM = /^\s*(?:[-*•]|\d+[.)])\s+/

const plantFormat = (text: string): string | null => {
  const bare = bareJson(text)
  if (/^[[{]/.test(bare) && isJson(bare)) return bare.slice(0, -1)
  const lines = text.split('\n')
  if (lines.filter((line) => LIST_ITEM.test(line)).length > 1)
    return lines.map((line) => line.replace(LIST_ITEM, '').trim()).join(' ')
  return JSON.stringify({ answer: text })
}

const PLANT: Record<Fault, (text: string, random: Random, other: string) => string | null> = {
  number: plantNumber,
  name: plantName,
  date: plantDate,
  negation: plantNegation,
  omission: plantOmission,
  invention: plantInvention,
  'other-answer': (_text, _random, other) => (other.trim() === '' ? null : other),
  language: plantLanguage,
  format: plantFormat,
}

/**
 * @param other the text in the same place of the answer to another request; '' without one
 * @param random uniform in [0, 1)
 * @returns the text with one fault; null where it has nothing that this fault could change
 */
export const plantFault = (
  fault: Fault,
  { text, other }: { text: string; other: string },
  random: Random
): string | null => {
  const faulty = PLANT[fault](text, random, other)
  return faulty === null || faulty.trim() === text.trim() ? null : faulty
}

/** One of the texts has the fault; of `other-answer` all are those of the other answer, as a model would mistake them. */
const plantInTexts = (
  fault: Fault,
  { texts, others }: SoundAnswer,
  random: Random
): readonly string[] | null => {
  for (const at of shuffle(Array.from(texts.keys()), random)) {
    const pair = { text: texts[at] ?? '', other: others?.[at] ?? '' }
    const faulty = plantFault(fault, pair, random)
    if (faulty !== null) return fault === 'other-answer' ? others : texts.with(at, faulty)
  }
  return null
}

export interface PlantedFault {
  fault: Fault
  /** of the answer that it was made from */
  place: number
  /** its texts, in the places of that answer's */
  texts: readonly string[]
}

/** Of each fault; fewer where fewer answers have what it changes. */
export const FAULTS_OF_A_CLASS = 200

/**
 * Faults of every class, each from another answer, so that they are independent draws.
 * @param answers at most one of a conversation
 */
export const plantFaults = (answers: readonly SoundAnswer[], seed: number): PlantedFault[] => {
  const random = seededRandom(seed)
  return FAULTS.flatMap((fault) => {
    const places = shuffle(Array.from(answers.keys()), random)
    const planted: PlantedFault[] = []
    for (const place of places) {
      if (planted.length === FAULTS_OF_A_CLASS) break
      const answer = answers[place]
      const texts = answer === undefined ? null : plantInTexts(fault, answer, random)
      if (texts !== null) planted.push({ fault, place, texts })
    }
    return planted
  })
}
