/**
 * The response type of a template, which follows from its logged answers and decides how two answers are
 * compared (`agreement.ts`). Reads texts, executes nothing. Knows nothing of arms or thresholds.
 */
import { countsOf } from '../counts.ts'
import { bareJson, isJson } from '../json.ts'
import { isCallText } from './calls.ts'

/** Share of the logged answers that a type must fit. */
const TYPE_SHARE = 0.9
/** Lower for code: shell commands and formulas are harder to recognize than JSON. */
const CODE_SHARE = 0.75
const SHORT_TEXT_CHARS = 240

/** Good-Turing: highest chance that the next answer is a label that was never seen. */
const MAX_UNSEEN_SHARE = 0.05
const MAX_LABELS = 500
const MAX_LABEL_CHARS = 100
/** Fewest rows for each label, on average. */
const MIN_ROWS_PER_LABEL = 4
/** Answers that are seen twice on average recur; 1,000 distinct sentences never do. */
const MIN_ROWS_TO_RECUR = 2

const fits = (answers: string[], share: number, test: (answer: string) => boolean): boolean =>
  answers.length > 0 && answers.filter(test).length >= share * answers.length

const isLabelText = (answer: string): boolean =>
  answer !== '' && answer.length <= MAX_LABEL_CHARS && !answer.includes('\n')

/** Whether a text, such as a prompt, has an answer as a word or several. */
export type IsListed = (answer: string) => boolean

export const noneListed: IsListed = () => false

const WORD_PART = /[\p{L}\p{M}\p{N}_]/u

/** Whether the character at a place would continue a word. */
const isInWord = (text: string, at: number): boolean => WORD_PART.test(text.charAt(at))

/** Of the prompts that name their labels: with them, fewer answers show that these are labels. */
export const listedIn = (text: string): IsListed => {
  const known = new Map<string, boolean>()
  const find = (answer: string): boolean => {
    if (answer === '') return false
    for (let at = text.indexOf(answer); at >= 0; at = text.indexOf(answer, at + 1))
      if (!isInWord(text, at - 1) && !isInWord(text, at + answer.length)) return true
    return false
  }
  return (answer) => {
    const found = known.get(answer) ?? find(answer)
    known.set(answer, found)
    return found
  }
}

interface AnswerCounts {
  counts: Map<string, number>
  /** answers that were seen once and are not listed */
  once: number
  /** fewest rows that make so many different answers labels */
  wanted: number
}

const countAnswers = (answers: readonly string[], isListed: IsListed): AnswerCounts => {
  const counts = countsOf(answers)
  const unlisted = [...counts].filter(([answer]) => !isListed(answer))
  const listed = counts.size - unlisted.length
  return {
    counts,
    once: unlisted.filter(([, count]) => count === 1).length,
    wanted: listed * MIN_ROWS_TO_RECUR + unlisted.length * MIN_ROWS_PER_LABEL,
  }
}

/**
 * The distinct answers, most frequent first, if they are a closed set of short texts; else null.
 *
 * Closed: answers seen once are at most 5 % of all rows. Their share estimates the share of future
 * requests with an answer that was never seen (Good 1953). 77 labels are closed from about 400 rows
 * on, or from 154 on if the prompt lists them; 1,000 distinct JSON objects never are.
 */
export const knownLabels = (
  answers: readonly string[],
  isListed: IsListed = noneListed
): string[] | null => {
  const { counts, once, wanted } = countAnswers(answers, isListed)
  if (answers.length === 0 || counts.size > MAX_LABELS) return null
  if (wanted > answers.length) return null
  if (![...counts.keys()].every(isLabelText)) return null
  if (once > MAX_UNSEEN_SHARE * answers.length) return null
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([label]) => label)
}

/**
 * How many more rows it takes until recurring answers can count as labels: as many as `knownLabels` wants for
 * the answers so far. Null where they are labels already, or are unlike labels.
 */
export const rowsUntilLabels = (
  answers: readonly string[],
  isListed: IsListed = noneListed
): number | null => {
  const { counts, once, wanted } = countAnswers(answers, isListed)
  if (counts.size === 0 || counts.size > MAX_LABELS) return null
  if (counts.size * MIN_ROWS_TO_RECUR > answers.length) return null
  if (![...counts.keys()].every(isLabelText)) return null
  const rows = Math.max(wanted, Math.ceil(once / MAX_UNSEEN_SHARE))
  return rows <= answers.length ? null : rows - answers.length
}

/** Statements whose first words are no English and no other language: `with open(path) as file:` is Python. */
const STATEMENTS = [
  String.raw`select\s(?!\s*\w+\s+in\b)`,
  String.raw`insert\s+(?:\w+\s+){0,3}into\b`,
  String.raw`update\s+(?:only\s+)?\S+(?:\s+(?:as\s+)?\w+)?\s+set\b`,
  String.raw`delete\s+from\b`,
  String.raw`with\s+(?:recursive\s+)?["\w]+\s*(?:\([^()]*\)\s*)?as(?:\s+(?:not\s+)?(?:materialized\s+)?)?\(`,
  String.raw`(?:create|alter|drop)\s+(?:\w+\s+){0,4}(?:table|view|index|database|schema|function|procedure|trigger|type|sequence|role|user)\b`,
]
export const SQL = new RegExp(`^\\s*(?:${STATEMENTS.join('|')})`, 'i')
export const FORMULA = /^\s*=\s*[A-Z(]/
const FENCE = /^\s*```/
/** Statements of common languages at the start of a line. */
const STATEMENT =
  /^\s*(?:def |class |import |from \w+ import|function |const |let |var |#include|#!|<\w+)/m
/** A command word, then an option, a pipe, a redirection, a variable or a path. */
const SHELL =
  /^[a-z][\w.+-]*(?:\s+\S+)*?\s+(?:-{1,2}\w|[|;<>&]|\$|["']|\.|\/|\S*[/*])|^[a-z][\w.+-]*\s*[|;>]/

/** Bounds the time of the patterns on long prose; code shows in its first characters. */
const CODE_HEAD_CHARS = 300

const looksLikeCode = (answer: string): boolean => {
  const head = answer.trim().slice(0, CODE_HEAD_CHARS)
  if ([SQL, FORMULA, FENCE, STATEMENT].some((pattern) => pattern.test(head))) return true
  const isSentence = /\w[.!?]$/.test(head)
  return !head.includes('\n') && !isSentence && SHELL.test(head)
}

/** Whether a text is a JSON object or list; a code fence around it is accepted. */
const isJsonContainer = (answer: string): boolean => {
  const bare = bareJson(answer)
  return /^[[{]/.test(bare) && isJson(bare)
}

const textsAmong = (answers: string[]): string[] => answers.filter((answer) => !isCallText(answer))

/** Whether answers are JSON, a closed list of labels or not. Calls among them have a form of their own. */
export const isMostlyJson = (answers: string[]): boolean =>
  fits(textsAmong(answers), TYPE_SHARE, isJsonContainer)

const isShortText = (answer: string): boolean => answer.length <= SHORT_TEXT_CHARS

/** Whether an odd number of backslashes is before a place. */
const isEscaped = (code: string, at: number): boolean => {
  let first = at
  while (code[first - 1] === '\\') first--
  return (at - first) % 2 === 1
}

/** The last place where a quote can be closed; -1 without one. */
const lastClosing = (code: string, quote: string): number => {
  let at = code.lastIndexOf(quote)
  while (at > 0 && isEscaped(code, at)) at = code.lastIndexOf(quote, at - 1)
  return at
}

const closingAfter = (code: string, quote: string, open: number): number => {
  let at = code.indexOf(quote, open + 1)
  while (isEscaped(code, at)) at = code.indexOf(quote, at + 1)
  return at
}

/**
 * Whether quotes and brackets are closed; in an answer that was cut they are not. A quote behind the last place
 * that could close it is not searched for its end: with many of them that would be quadratic.
 */
const isBalanced = (code: string): boolean => {
  const last: Record<string, number> = {
    '"': lastClosing(code, '"'),
    "'": lastClosing(code, "'"),
  }
  let [open, quotes] = [0, 0]
  for (let at = 0; at < code.length; at++) {
    const character = code.charAt(at)
    if (at < (last[character] ?? -1)) at = closingAfter(code, character, at)
    else if (character === '(') open++
    else if (character === ')') open--
    else if (character === '"') quotes++
  }
  return open === 0 && quotes % 2 === 0
}

/** Fault in the form of an answer, as against the logged answers of its type. */
export type FormFault = 'not-json' | 'unbalanced'

interface Form {
  /** whether the logged answers are of this type */
  fits(answers: string[]): boolean
  faultOf?(answer: string): FormFault | null
}

/** By response type; the first that fits the logged answers is taken, and the last fits any. */
const FORMS = {
  label: { fits: (answers) => knownLabels(answers) !== null },
  json: {
    fits: isMostlyJson,
    faultOf: (answer) => (isJsonContainer(answer) ? null : 'not-json'),
  },
  calls: { fits: (answers) => fits(answers, 1, isCallText) },
  code: {
    fits: (answers) => fits(answers, CODE_SHARE, looksLikeCode),
    faultOf: (answer) => (isBalanced(answer) ? null : 'unbalanced'),
  },
  'short-text': { fits: (answers) => fits(answers, TYPE_SHARE, isShortText) },
  'free-text': { fits: () => true },
} satisfies Record<string, Form>

/** Form of a template's logged answers; decides how two answers are compared. */
export type ResponseType = keyof typeof FORMS

export const RESPONSE_TYPES = Object.keys(FORMS) as ResponseType[]

const formOf = (type: ResponseType): Form => FORMS[type]

/** The type of the logged answers. Calls have a form of their own, so the texts among them decide. */
export const detectResponseType = (
  answers: string[],
  isListed: IsListed = noneListed
): ResponseType => {
  if (knownLabels(answers, isListed) !== null) return 'label'
  const texts = textsAmong(answers)
  const judged = texts.length > 0 || answers.length === 0 ? texts : answers
  return RESPONSE_TYPES.find((type) => type !== 'label' && formOf(type).fits(judged))!
}

/** @param answer a text, no calls */
export const formFault = (type: ResponseType, answer: string): FormFault | null =>
  formOf(type).faultOf?.(answer) ?? null
