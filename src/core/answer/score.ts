/**
 * Do two answers say the same? The response type is read off the logged answers; each type has its
 * similarity and its hard gates. Pure text; executes nothing. Knows nothing of arms or thresholds.
 */
import { chrF } from './score-chrf.ts'
import { canonicalJson, fieldF1, parseJson } from './score-json.ts'

/** Form of a template's logged answers; decides how two answers are compared. */
export type ResponseType = 'json' | 'label' | 'code' | 'short-text' | 'free-text'

/** Share of the logged answers that a type must fit. */
const TYPE_SHARE = 0.9
/** Shell commands and formulas look like code less surely than JSON looks like JSON. */
const CODE_SHARE = 0.75
const SHORT_TEXT_CHARS = 240

/** Good-Turing: the chance that the next answer is a label never seen may be no larger. */
const MAX_UNSEEN_SHARE = 0.05
const MAX_LABELS = 500
const MAX_LABEL_CHARS = 100
/** Rows that each label must have on average. */
const MIN_ROWS_PER_LABEL = 4

const fits = (answers: string[], share: number, test: (answer: string) => boolean): boolean =>
  answers.length > 0 && answers.filter(test).length >= share * answers.length

const isLabelText = (answer: string): boolean =>
  answer !== '' && answer.length <= MAX_LABEL_CHARS && !answer.includes('\n')

/**
 * The distinct answers, most frequent first, when they are a closed set of short ones; else null.
 * Closed: answers seen once are at most 5 % of all rows, which estimates the share of coming
 * requests with an answer never seen (Good 1953). 77 labels are closed from about 400 rows on; 1,000
 * distinct JSON objects never are. A label that comes up later all the same is a wrong answer.
 */
export const knownLabels = (answers: string[]): string[] | null => {
  const counts = new Map<string, number>()
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1)
  if (counts.size === 0 || counts.size > MAX_LABELS) return null
  if (counts.size * MIN_ROWS_PER_LABEL > answers.length) return null
  if (![...counts.keys()].every(isLabelText)) return null
  const once = [...counts.values()].filter((count) => count === 1).length
  if (once > MAX_UNSEEN_SHARE * answers.length) return null
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([label]) => label)
}

const SQL = /^\s*(?:select|insert|update|delete|with|create|alter|drop)\b/i
const FORMULA = /^\s*=\s*[A-Z(]/
const FENCE = /^\s*```/
/** Statements of common languages at the start of a line. */
const STATEMENT =
  /^\s*(?:def |class |import |from \w+ import|function |const |let |var |#include|#!|<\w+)/m
/** A command word, then an option, a pipe, a redirection, a variable or a path. */
const SHELL =
  /^[a-z][\w.+-]*(?:\s+\S+)*?\s+(?:-{1,2}\w|[|;<>&]|\$|["']|\.|\/|\S*[/*])|^[a-z][\w.+-]*\s*[|;>]/

/** What follows says no more, and long prose must not keep the pattern busy. */
const CODE_HEAD_CHARS = 300

const looksLikeCode = (answer: string): boolean => {
  const head = answer.trim().slice(0, CODE_HEAD_CHARS)
  if ([SQL, FORMULA, FENCE, STATEMENT].some((pattern) => pattern.test(head))) return true
  const isSentence = /\w[.!?]$/.test(head)
  return !head.includes('\n') && !isSentence && SHELL.test(head)
}

/** Whether a text is a JSON object or list, a code fence around it allowed. */
export const isJsonContainer = (answer: string): boolean => {
  const value = parseJson(answer)
  return typeof value === 'object' && value !== null
}

const isShortText = (answer: string): boolean => answer.length <= SHORT_TEXT_CHARS

/** The type that decides similarity and gates, from the logged answers. */
export const detectResponseType = (answers: string[]): ResponseType => {
  if (knownLabels(answers) !== null) return 'label'
  if (fits(answers, TYPE_SHARE, isJsonContainer)) return 'json'
  if (fits(answers, CODE_SHARE, looksLikeCode)) return 'code'
  return fits(answers, TYPE_SHARE, isShortText) ? 'short-text' : 'free-text'
}

/** Compatibility forms folded, lower case, blanks collapsed, no quotes or full stop around it. */
const normalizeLabel = (text: string): string =>
  text
    .normalize('NFKC')
    .trim()
    .replace(/^["'`]+|["'`.]+$/g, '')
    .replace(/\s+/g, ' ')
    .toLowerCase()

const QUOTED = /("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/

/** Quoted parts as they are, the rest through `change`. */
const outsideQuotes = (text: string, change: (part: string) => string): string =>
  text
    .split(QUOTED)
    .map((part, i) => (i % 2 === 1 ? part : change(part)))
    .join('')

/** No fence, no semicolon at the end, blanks collapsed; SQL and formulas without regard to case. */
const normalizeCode = (text: string): string => {
  const bare = text
    .trim()
    .replace(/^```\w*\n?|\n?```$/g, '')
    .trim()
    .replace(/\s*;$/, '')
  const ignoreCase = SQL.test(bare) || FORMULA.test(bare)
  return outsideQuotes(bare, (part) => {
    const spaced = part.replace(/\s+/g, ' ')
    if (!ignoreCase) return spaced
    return spaced.toLowerCase().replace(/ ?([(),=<>*+]) ?/g, '$1')
  }).trim()
}

/** 1 when equal in canonical form, else the fields' F1; 0 when the first is no JSON. */
const jsonSimilarity = (adapted: string, logged: string): number => {
  const [a, b] = [parseJson(adapted), parseJson(logged)]
  if (a === undefined || b === undefined) return 0
  return canonicalJson(a) === canonicalJson(b) ? 1 : Math.min(fieldF1(a, b), 0.999)
}

/** Up to this many words there is nothing to grade: `top_up_failed` is not nearly `top_up_limits`. */
const EXACT_WORDS = 5

const textSimilarity = (adapted: string, logged: string): number => {
  const [a, b] = [normalizeLabel(adapted), normalizeLabel(logged)]
  if (a === b) return 1
  return b.split(' ').length <= EXACT_WORDS ? 0 : Math.min(chrF(a, b), 0.999)
}

/**
 * How far an answer says what the logged one says, 0 to 1. JSON: 1 when canonically equal, else F1
 * of its fields; label, code and text of up to five words: 1 or 0 after normalization; longer text: chrF.
 */
export const similarity = (type: ResponseType, adapted: string, logged: string): number => {
  switch (type) {
    case 'json':
      return jsonSimilarity(adapted, logged)
    case 'label':
      return Number(normalizeLabel(adapted) === normalizeLabel(logged))
    case 'code':
      return Number(normalizeCode(adapted) === normalizeCode(logged))
    default:
      return textSimilarity(adapted, logged)
  }
}

/** False for an answer that was cut: open quotes or brackets. */
export const isBalanced = (code: string): boolean => {
  const bare = code.split(QUOTED).filter((_, i) => i % 2 === 0)
  const count = (pattern: RegExp): number => bare.join('').match(pattern)?.length ?? 0
  return count(/\(/g) === count(/\)/g) && count(/"/g) % 2 === 0
}
