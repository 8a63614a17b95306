/**
 * Divides the texts of few-shot examples into questions and answers: `"where is it" -> card_arrival`, or `Q:` and `A:`
 * on two lines. A prompt may be hostile, so its items are read up to a limit. Knows nothing of templates.
 */
import { groupBy } from '../group-by.ts'
import type { FewShot } from './prompt.ts'
import { zip } from '../lists.ts'

/** Fewer are a coincidence: rules and lists have separators, too. */
export const MIN_EXAMPLES = 3
const MAX_ITEMS = 20_000
/** Of all items together: some tenths of a second. */
const MAX_CHARS = 4_000_000
/** Longer items are left out. */
const MAX_ITEM_CHARS = 16_384
/**
 * Characters that are looked at as answers, for each character of an item and for each item. Behind each separator of
 * nested JSON something may begin that has to be read to the end, which would be quadratic.
 */
const READ_PER_CHAR = 16
const READ_PER_ITEM = 4_096

const SEPARATOR = /[-=]{1,2}>|→|[:=|\t\n]/gu
const OPENING = /^["'`*_“„«‘’]{1,3} ?/u
const CLOSING = /["'`*_“”»‘’,;.]{1,3}$/u
const PAIRS = ['""', "''", '``', '“”', '„“', '«»', '‘’']

/** "A", "**Answer": alone on the last line of what stands before the answer. */
const LABEL_LINE = /^\s{0,16}[*_]{0,2}\p{L}[\p{L} _-]{0,30}[*_]{0,2}[ \t]{0,4}[:=]?[*_]{0,2}$/u
/** "Label" of `Text: where is it | Label: card_arrival`. */
const LAST_WORD = /(?<=[\s|;,>→])\p{Lu}\p{L}{0,20}$/u
const LEFT_OVER = /(?:\s|[|;,→]|[-=]>){1,8}$/u

const LIST_MARK = /^\s{0,16}(?:[-*•]\s+|\(?\d{1,6}[.)]\s+|\(\d{1,6}\)\s*|#{1,6}\s+)/u
/** "Example 3:"; a number behind another word is part of the question, as in "Order 12: two tins". */
const COUNTED =
  /^[*_]{0,2}(?:example|sample|shot|case|beispiel|exemple|ejemplo)\s?#?\d{0,6}[*_]{0,2}[ \t]{0,4}[:.)\n-][*_]{0,2}\s*/iu
/** "Question:", "[people]". */
const LABEL = /^(?:\[[^\]\n]{1,40}\]:?|[*_]{0,2}\p{L}[\p{L} _-]{0,30}[*_]{0,2}\s?[:=][*_]{0,2})\s*/u
/** Marks and labels before a question: `1. Example 3: Question:`. */
const MAX_LEADS = 4

interface Cut {
  /** the separator, with the label of the answer; examples of one prompt have the same one */
  mark: string
  /** what stands before it */
  head: string
  answer: string
}

/** Where an answer may begin, from the right, with the separator before it. */
const beginningsOf = (item: string): { separator: RegExpExecArray; from: number }[] => {
  const found: { separator: RegExpExecArray; from: number }[] = []
  let [next, nextFrom] = [item.length, item.length]
  for (const separator of [...item.matchAll(SEPARATOR)].reverse()) {
    const behind = separator.index + separator[0].length
    const between = item.slice(behind, next)
    const blanks = between.length - between.trimStart().length
    // a run of blank separators is looked at once, not once for each of them
    const isBlank = blanks === between.length
    const from = isBlank && (item[next] ?? '').trim() === '' ? nextFrom : behind + blanks
    if (from < item.length && from !== nextFrom) found.push({ separator, from })
    ;[next, nextFrom] = [separator.index, from]
  }
  return found
}

/** Whether brackets around a text are those of one value, by its ends alone. */
const mayBeWhole = (text: string): boolean => {
  const [first, last] = [text[0], text.at(-1)]
  return (first === '{') === (last === '}') && (first !== '[' || last === ']')
}

/** Calls `isAnswer` with so many characters at most. */
const boundedTest = (
  item: string,
  isAnswer: (text: string) => boolean
): ((text: string) => boolean) => {
  let left = READ_PER_ITEM + READ_PER_CHAR * item.length
  return (text) => {
    if (text === '' || !mayBeWhole(text) || text.length > left) return false
    left -= text.length
    return isAnswer(text)
  }
}

/** What stands before the answer, without the answer's label if that has a line of its own. */
const withoutLabelLine = (before: string, separator: string): Pick<Cut, 'mark' | 'head'> => {
  const head = before.trimEnd()
  const end = head.lastIndexOf('\n')
  const line = head.slice(end + 1)
  const isLabel = /[:=]/u.test(separator + line.slice(-3)) && separator.trim().length < 2
  if (end < 0 || !isLabel || line.length > 60 || !LABEL_LINE.test(line))
    return { mark: separator, head }
  return { mark: `${line.trim()} ${separator}`, head: head.slice(0, end).trimEnd() }
}

const cutOf = (text: string, isAnswer: (text: string) => boolean): Cut | null => {
  const item = text.trim()
  const test = boundedTest(item, isAnswer)
  for (const { separator, from } of beginningsOf(item)) {
    const whole = item.slice(from)
    const bare = whole.replace(OPENING, '').replace(CLOSING, '').trim()
    const answer = [whole, bare].find(test)
    if (answer !== undefined)
      return { ...withoutLabelLine(item.slice(0, separator.index), separator[0]), answer }
  }
  return null
}

const withoutEnd = (text: string, end: RegExp): string => {
  // from the start, a pattern for the end would be tried at each character
  const tail = text.slice(-64)
  return text.slice(0, text.length - tail.length) + tail.replace(end, '')
}

/** Removes what the pattern finds where it finds the same in all heads. */
const withoutShared = (
  heads: string[],
  find: (head: string) => string | undefined,
  remove: (head: string, found: string) => string
): string[] => {
  const found = heads.map(find)
  const [first] = found
  if (first === undefined || found.some((each) => each !== first)) return heads
  return heads.map((head) => remove(head, first))
}

/** What stands before the answers, without their label if it is on the line of the question. */
const withoutAnswerLabel = (cuts: Cut[]): string[] => {
  const heads = cuts.map(({ head }) => head)
  if (!cuts.every(({ mark }) => /^[:=]$/u.test(mark))) return heads
  return withoutShared(
    heads,
    (head) => LAST_WORD.exec(head.slice(-64))?.[0],
    (head, label) => withoutEnd(head.slice(0, -label.length), LEFT_OVER)
  )
}

const withoutLeads = (heads: string[]): string[] => {
  let open = heads
  for (let lead = 0; lead < MAX_LEADS; lead++) {
    open = open.map((head) => head.replace(LIST_MARK, ''))
    if (open.every((head) => COUNTED.test(head)))
      open = open.map((head) => head.replace(COUNTED, ''))
    open = withoutShared(
      open,
      (head) => LABEL.exec(head)?.[0].trim(),
      (head) => head.replace(LABEL, '')
    )
  }
  return open
}

const withoutQuotes = (head: string): string => {
  const text = head.trim()
  const isQuoted = text.length > 1 && PAIRS.includes(`${text[0]}${text.at(-1)}`)
  return isQuoted ? text.slice(1, -1).trim() : text
}

/** Numbers and single letters are those of a list of answers: `1: card_arrival`. */
const isQuestion = (text: string): boolean => /\p{L}.*\p{L}|\p{Lo}/su.test(text)

/** The last ones, so many as are read. */
const readable = (items: readonly string[]): string[] => {
  let chars = 0
  const short = items.filter(({ length }) => length <= MAX_ITEM_CHARS).slice(-MAX_ITEMS)
  const read = short.toReversed().filter(({ length }) => (chars += length) <= MAX_CHARS)
  return read.toReversed()
}

/**
 * The questions and answers of items, each `<mark or label> question <separator> answer`. The separator is the last
 * one with an answer behind it. Only items with the most frequent separator count, and only if there are three.
 * @param items newest last
 * @param isAnswer whether a text, without quotes around it, is an answer
 */
export const splitExamples = (
  items: readonly string[],
  isAnswer: (text: string) => boolean
): FewShot[] => {
  const cuts = readable(items).flatMap((item) => cutOf(item, isAnswer) ?? [])
  const [counted = []] = [...groupBy(cuts, ({ mark }) => mark).values()].sort(
    (left, right) => right.length - left.length
  )
  if (counted.length < MIN_EXAMPLES) return []
  const heads = withoutLeads(withoutAnswerLabel(counted))
  const queries = heads.map(withoutQuotes)
  // `Label: card_arrival` in each item: the label is no question
  if (queries.every((query) => query === queries[0])) return []
  return zip(queries, counted).flatMap(([query, { answer }]) =>
    isQuestion(query) ? [{ query, answer }] : []
  )
}
