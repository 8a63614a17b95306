/**
 * When two answers agree: when they are equal after a normalization that cannot change a meaning, and after the
 * operator's rules for single fields (`field-rules.ts`). Agreement is an equivalence, so a third answer that agrees
 * with both of two answers makes those two agree. A graded similarity is no agreement: at 0.8 "not
 * approved" agreed with "approved".
 */
import { bareJson, canonicalJson, parseExactJson } from '../json.ts'
import { callLine, isCallText, parseCalls } from './calls.ts'
import { applyRules, type FieldRule } from './field-rules.ts'
import { textOf, type Outcome } from './outcome.ts'
import { FORMULA, SQL, type ResponseType } from './response-type.ts'

/** Differences that are looked over, because no two logged answers are told apart by them alone. */
export interface Folds {
  /** `Card_Arrival` and `card_arrival` */
  case: boolean
  /** compatibility forms (NFKC): `10²` and `102`, full width and half width */
  forms: boolean
}

export const NO_FOLDS: Folds = { case: false, forms: false }

/** How the answers of a template are compared. */
export interface Comparison {
  responseType: ResponseType
  folds: Folds
  /** of JSON; absent: all fields are compared as they are */
  fields?: readonly FieldRule[]
}

const folded = (text: string, { case: ofCase, forms }: Folds): string => {
  const unified = forms ? text.normalize('NFKC') : text
  return ofCase ? unified.toLowerCase() : unified
}

const PAIRS_OF_QUOTES: Record<string, string> = { '"': '"', "'": "'", '`': '`', '“': '”' }

/** Only a pair around the whole answer: `5'` and `5"` are two lengths. */
const withoutQuotes = (text: string): string => {
  const open = text.charAt(0)
  const close = PAIRS_OF_QUOTES[open]
  const inner = text.slice(1, -1)
  const isQuoted = close !== undefined && text.length > 2 && text.endsWith(close)
  return isQuoted && !inner.includes(open) && !inner.includes(close) ? inner.trim() : text
}

const withoutFullStop = (text: string): string =>
  text.length > 1 && text.endsWith('.') && !text.endsWith('..') ? text.slice(0, -1).trimEnd() : text

/**
 * Blanks at the ends of lines, and all but one of several blanks. Line breaks and indentation stay, and so do
 * tabs: they separate columns, of which one may be empty.
 */
const withoutSpareBlanks = (line: string): string => {
  const start = line.search(/[^ \t]|$/)
  const rest = line.slice(start).replace(/ +/g, ' ')
  return line.slice(0, start) + (rest.endsWith(' ') ? rest.slice(0, -1) : rest)
}

/** Blank lines and blanks around a text. The indentation of the first of several lines is that of a list, say. */
const withoutMargin = (text: string): string => {
  const inner = text.trimEnd().replace(/^(?:[^\S\n]*\n)+/, '')
  return inner.includes('\n') ? inner : text.trim()
}

/** `"Yes."`, `"Yes".` and `'"Yes"'`, and no more: the time is linear in the text. */
const MAX_WRAPPINGS = 4

/** Unicode composition (NFC), blanks, and the quotes and the full stop around the answer. */
const plainText = (text: string): string => {
  let bare = withoutMargin(text.normalize('NFC').replace(/\r\n?/g, '\n'))
  for (let i = 0; i < MAX_WRAPPINGS; i++) bare = withoutQuotes(withoutFullStop(bare))
  return bare.split('\n').map(withoutSpareBlanks).join('\n')
}

/** Quoted parts of a text without escapes. Backticks quote names in MySQL. */
const QUOTED = /("[^"]*"|'[^']*'|`[^`]*`)/

/** Keeps quoted parts, and applies `change` to the others. */
const outsideQuotes = (text: string, change: (part: string) => string): string =>
  text
    .split(QUOTED)
    .map((part, i) => (i % 2 === 1 ? part : change(part)))
    .join('')

/**
 * Whether quoted parts can be told from the others: without escapes, comments, and quotes that stand alone or
 * are of one language, such as `$$text$$` and `[a name]`.
 */
const isPlainlyQuoted = (code: string): boolean =>
  !code.includes('\\') &&
  code.split(QUOTED).every((part, i) => i % 2 === 1 || !/["'`#$[]|--|\/[*/]/.test(part))

/** Code without its fence. */
const bareCode = (text: string): string => {
  const fenced = text.trim().replace(/\r\n?/g, '\n')
  const inner = fenced.startsWith('```')
    ? fenced.replace(/^```\w*\n?|\n?```$/g, '')
    : text.replace(/\r\n?/g, '\n')
  return withoutMargin(inner)
}

/** Blanks and line breaks mean nothing outside of quotes in SQL and formulas. */
const plainCode = (bare: string, { case: ofCase }: Folds): string => {
  const isSpacedFreely = (SQL.test(bare) || FORMULA.test(bare)) && isPlainlyQuoted(bare)
  if (!isSpacedFreely) return bare
  const statement = bare.trim()
  return outsideQuotes(statement.endsWith(';') ? statement.slice(0, -1) : statement, (part) => {
    const spaced = part.replace(/\s+/g, ' ').replace(/ ?([(),=<>*+]) ?/g, '$1')
    return ofCase ? spaced.toLowerCase() : spaced
  }).trim()
}

/** The value of an answer in JSON; undefined for any other answer, and for calls. */
export const answerJson = (answer: string): unknown =>
  isCallText(answer) ? undefined : parseExactJson(bareJson(answer))

/** What is compared of an answer in JSON; undefined for any other answer. */
export const comparedJson = (fields: readonly FieldRule[], answer: string): unknown => {
  const value = answerJson(answer)
  return value === undefined ? undefined : applyRules(value, fields)
}

const plainJson = (fields: readonly FieldRule[], answer: string): string | null => {
  const value = comparedJson(fields, answer)
  return value === undefined ? null : canonicalJson(value)
}

/** Whether answers are compared as JSON, field by field. Closed lists of JSON are labels, and may have rules, too. */
export const isComparedByField = ({ responseType, fields = [] }: Comparison): boolean =>
  responseType === 'json' || fields.length > 0

/** Equal for two answers exactly where they agree. */
export const normalForm = (comparison: Comparison, answer: string): string => {
  const { responseType, folds, fields = [] } = comparison
  if (isCallText(answer)) return `calls ${parseCalls(answer)?.map(callLine).join('\n') ?? answer}`
  const json = isComparedByField(comparison) ? plainJson(fields, answer) : null
  if (json !== null) return json
  switch (responseType) {
    case 'json':
      return `no JSON ${answer.trim()}`
    case 'code':
      return `code ${plainCode(bareCode(answer), folds)}`
    case 'label':
      return `text ${folded(plainText(answer), folds)}`
    default:
      return `text ${plainText(answer)}`
  }
}

/** Whether two answers say the same. */
export const agree = (comparison: Comparison, one: string, other: string): boolean =>
  normalForm(comparison, one) === normalForm(comparison, other)

/** Answers that are no text agree where they are of one kind, such as two refusals. */
export const outcomesAgree = (comparison: Comparison, one: Outcome, other: Outcome): boolean => {
  const [first, second] = [textOf(one), textOf(other)]
  if (first === null || second === null) return one.kind === other.kind
  return agree(comparison, first, second)
}

/**
 * The folds that make no two of the logged answers equal which are not equal without them. Sentences have
 * none: each of them is logged once, so the log cannot show that `5 mW` and `5 MW` are two things.
 * @param answers all that the log has of the template
 */
export const foldsOf = (responseType: ResponseType, answers: readonly string[]): Folds => {
  if (responseType !== 'label' && responseType !== 'code') return NO_FOLDS
  const texts = [...new Set(answers)]
  const distinct = (folds: Folds): number =>
    new Set(texts.map((text) => normalForm({ responseType, folds }, text))).size
  const apart = distinct(NO_FOLDS)
  const ofCase = distinct({ case: true, forms: false }) === apart
  const forms = responseType === 'label' && distinct({ case: ofCase, forms: true }) === apart
  return { case: ofCase, forms }
}
