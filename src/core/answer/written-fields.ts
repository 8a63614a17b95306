/**
 * JSON answers with written fields: all that is compared as it is, and the texts that a judge compares. An answer of
 * another kind is one text as a whole. Knows nothing of judges.
 */
import { canonicalJson, doubleOf, scalarText } from '../json.ts'
import { answerJson, normalForm, type Comparison } from './agreement.ts'
import {
  applyRules,
  isMarked,
  marked,
  replaceFields,
  writtenRules,
  type FieldRule,
} from './field-rules.ts'

/** Of one answer; further ones are compared as they are. Each is compared with the facts of the whole request. */
export const MAX_WRITTEN_TEXTS = 50

export interface WrittenText {
  /** of its rule; `.` is the whole answer */
  path: string
  text: string
}

export interface SplitAnswer {
  /** equal for two answers whose fields agree but for the written texts */
  fixed: string
  /** what else the answer states, a line for each value; '' where it states nothing else */
  beside: string
  texts: WrittenText[]
}

/** In the place of the value of a free field. */
class Free {
  constructor(readonly value: unknown) {}
}

/** An id, an amount, a date or a name. */
const MAX_FREE_WORDS = 3

/** Of what nobody compares, a fact may rest on a value, which the upstream makes up, and not on sentences. */
const isSentence = (text: string): boolean => text.trim().split(/\s+/u).length > MAX_FREE_WORDS

interface StatedValue {
  name: string | null
  value: unknown
  isFree: boolean
}

const innerOf = (value: object, isFree: boolean): StatedValue[] =>
  Array.isArray(value)
    ? value.map((item: unknown) => ({ name: null, value: item, isFree }))
    : Object.entries(value).map(([name, item]) => ({ name, value: item as unknown, isFree }))

/**
 * The values without the marks, and the names of members. In JSON two numbers of a list would be read as one of both,
 * `[10,50]` as 10.50, and the escapes of marks and line breaks as letters and digits.
 */
const statedBy = (root: unknown): string => {
  const lines: string[] = []
  // not recursive: an answer may be nested deeper than the stack
  const open: StatedValue[] = [{ name: null, value: root, isFree: false }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { name, value, isFree } = next
    if (isMarked(value)) continue
    const isNamed = name !== null && !(isFree && isSentence(name))
    const named = isNamed ? `${name}: ` : ''
    if (value instanceof Free) open.push({ name, value: value.value, isFree: true })
    else if (typeof value === 'object' && value !== null) {
      if (isNamed) lines.push(named)
      // one by one: a call takes only so many parameters
      for (const each of innerOf(value, isFree).toReversed()) open.push(each)
    } else {
      const text = scalarText(value)
      if (!isFree || !isSentence(text)) lines.push(named + text)
    }
  }
  return lines.join('\n\n')
}

/** A blank text is no text to compare, and neither is a number that is kept as one. */
const isWritten = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && doubleOf(value) === null

interface MarkedAnswer {
  /** what is compared, with a mark in the place of each written text */
  value: unknown
  beside: string
  texts: WrittenText[]
}

const readMarked = (rules: readonly FieldRule[], parsed: unknown): MarkedAnswer => {
  const places = new Map<unknown, WrittenText>()
  const open = replaceFields('written', parsed, rules, (value, path) => {
    if (!isWritten(value) || places.size === MAX_WRITTEN_TEXTS) return value
    const place = marked()
    places.set(place, { path, text: value })
    return place
  })
  const beside = statedBy(replaceFields('free', open, rules, (value) => new Free(value)))
  const value = applyRules(open, rules)
  // only now: a set has another order than the answer, and a free field has no texts
  const texts: WrittenText[] = []
  replaceFields('written', value, rules, (found) => {
    const text = places.get(found)
    if (text !== undefined) texts.push(text)
    return found
  })
  return { value, beside, texts }
}

/** What is compared of an answer in JSON without its written texts; undefined for any other answer. */
export const fixedJson = (rules: readonly FieldRule[], answer: string): unknown => {
  const parsed = answerJson(answer)
  return parsed === undefined ? undefined : readMarked(rules, parsed).value
}

/**
 * Two answers with equal fixed parts have the same written places, and agree where their texts are equal, too. Items of a
 * set that differ in their texts alone may agree in another order.
 */
export const splitAnswer = (comparison: Comparison, answer: string): SplitAnswer => {
  const { fields = [] } = comparison
  if (writtenRules(fields).length === 0)
    return { fixed: '', beside: '', texts: [{ path: '.', text: answer }] }
  const parsed = answerJson(answer)
  if (parsed === undefined) return { fixed: normalForm(comparison, answer), beside: '', texts: [] }
  const { value, ...rest } = readMarked(fields, parsed)
  return { fixed: canonicalJson(value), ...rest }
}

/** A text of two answers, in the same place. */
export interface TextPair {
  path: string
  first: string
  other: string
}

/** What a judge is asked about two answers that do not agree: the texts that differ. @returns null where no text decides */
export const textPairs = (one: SplitAnswer, two: SplitAnswer): TextPair[] | null => {
  if (one.fixed !== two.fixed || one.texts.length !== two.texts.length) return null
  return one.texts.flatMap(({ path, text: first }, at) => {
    const other = two.texts[at]?.text ?? ''
    return first === other ? [] : { path, first, other }
  })
}

/** All that a model may read as a new line. */
const LINE_END = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/g

const indented = (text: string): string => `  ${text.replaceAll(LINE_END, '$&  ')}`

/** Texts as a judge reads them: one as it is, several below their paths and indented, so that none can end another. */
export const judgedText = (texts: readonly WrittenText[]): string => {
  const [first] = texts
  return first !== undefined && texts.length === 1
    ? first.text
    : texts.map(({ path, text }) => `${path}:\n${indented(text)}`).join('\n\n')
}

/** Both sides of pairs as a judge reads them. */
export const judgedTexts = (pairs: readonly TextPair[]): Pick<TextPair, 'first' | 'other'> => ({
  first: judgedText(pairs.map(({ path, first }) => ({ path, text: first }))),
  other: judgedText(pairs.map(({ path, other }) => ({ path, text: other }))),
})

/** All that an answer writes, as one text that is read for facts. */
export const writtenText = ({ texts }: SplitAnswer): string =>
  texts.map(({ text }) => text).join('\n\n')

/** What a fact may rest on: the request, and the other fields of the answer, but for sentences in free ones. */
export const supportOf = (request: string, { beside }: SplitAnswer): string =>
  beside === '' ? request : `${request}\n\n${beside}`
