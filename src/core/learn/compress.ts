/**
 * Compression of a template's text: it is cut into sentences, and whole sentences are dropped, those
 * with the least effect on the answers first, until a stage's share is met. Runs once for each
 * version and stage, never for a request. Token counts and effects are inputs.
 */
import { itemAt } from '../lists.ts'
import type { FewShot } from '../template/prompt.ts'
import type { Template, TemplateMessage } from '../template/template.ts'

/** A sentence, bullet, rule or example line of a template's text. */
export interface Sentence {
  /** with the whitespace behind it, so that joined sentences are the template's text */
  text: string
  /** has a slot, a JSON key, a number or an enum label: dropped after all others */
  protected: boolean
}

const isConstant = (message: TemplateMessage): boolean =>
  message.segments.every((segment) => segment.kind === 'anchor')

const textOf = (message: TemplateMessage): string =>
  message.segments.map((segment) => (segment.kind === 'anchor' ? segment.text : '')).join('')

/** A constant user message with a constant assistant message behind it is a few-shot example. */
const exampleAt = (messages: TemplateMessage[], at: number): FewShot | null => {
  const [user, assistant] = [messages[at], messages[at + 1]]
  return user?.role === 'user' &&
    assistant?.role === 'assistant' &&
    isConstant(user) &&
    isConstant(assistant)
    ? { query: textOf(user), answer: textOf(assistant) }
    : null
}

interface TemplateParts {
  examples: FewShot[]
  rest: TemplateMessage[]
}

const partsOf = ({ messages }: Template): TemplateParts => {
  const found = messages.map((_, at) => exampleAt(messages, at))
  return {
    examples: found.filter((example) => example !== null),
    rest: messages.filter((_, at) => !found[at] && !found[at - 1]),
  }
}

/** The template's own few-shot pairs, in its order. */
export const constantExamples = (template: Template): FewShot[] => partsOf(template).examples

/**
 * A message with its variable parts as `{name}`, so that the sentence around a slot stays complete
 * and points to the `name: value` line of the student's prompt. Variable few-shot blocks are left
 * out. A message with the query only has no text of the template.
 */
const messageText = (message: TemplateMessage): string => {
  const ownText = message.segments.some(
    (segment) => segment.kind === 'anchor' && segment.text.trim() !== ''
  )
  if (!ownText) return ''
  return message.segments
    .map((segment) => {
      if (segment.kind === 'anchor') return segment.text
      if (segment.kind === 'examples') return ''
      return segment.kind === 'slot' ? `{${segment.name}}` : '{query}'
    })
    .join('')
}

/**
 * Ends of sentences: line breaks with all blank lines behind them, and full stops and the like,
 * except after the number of a list item.
 */
const BOUNDARY = /\n\s*|(?<=[.!?]["')\]]?)(?<!(?:^|\n)[ \t]*\d{1,3}\.)[ \t]+(?=["'([]?\p{Lu})/gu

const splitText = (text: string): string[] => {
  const pieces: string[] = []
  let start = 0
  for (const match of text.matchAll(BOUNDARY)) {
    const end = match.index + match[0].length
    pieces.push(text.slice(start, end))
    start = end
  }
  pieces.push(text.slice(start))
  return pieces.filter((piece) => piece !== '')
}

const PLACEHOLDER = /\{[^{}\n]{1,64}\}/
const JSON_KEY = /"[^"\n]{1,64}"\s*:/
const NUMBER = /\d/
/** Removed before the patterns above are tried, because a list number has no meaning. */
const LIST_MARK = /^\s*(?:\d+[.)]|[-*•])\s+/
/** Labels of an enumeration: `card_arrival`, `PAST_DUE`. */
const LABEL = /\b[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+\b/

const isProtected = (text: string): boolean => {
  const body = text.replace(LIST_MARK, '')
  return [PLACEHOLDER, JSON_KEY, NUMBER, LABEL].some((pattern) => pattern.test(body))
}

/**
 * The sentences of a template without its few-shot pairs (`constantExamples`), in rendering order.
 * Joined they are the template's text: a blank line between messages, slots as `{name}`.
 */
export const sentencesOf = (template: Template): Sentence[] =>
  splitText(
    partsOf(template)
      .rest.map(messageText)
      .filter((text) => text !== '')
      .join('\n\n')
  ).map((text) => ({ text, protected: isProtected(text) }))

/**
 * The order in which sentences are dropped, as indices: unprotected ones first, least effect first,
 * the later one first where effects are equal. Protected sentences come last, but they can be
 * dropped: otherwise a stage could stay above its share, and the next stage would remove the rest at
 * once.
 */
export const leastEffectFirst = (effects: number[], protectedFlags: boolean[]): number[] =>
  [...effects.entries()]
    .sort(
      ([a, one], [b, other]) =>
        Number(protectedFlags[a]) - Number(protectedFlags[b]) || one - other || b - a
    )
    .map(([index]) => index)

export interface CompressedTemplate {
  text: string
  /** kept tokens over all tokens; never above the share that was asked for */
  measuredRate: number
}

/**
 * Drops whole sentences in the given order until at most `share` of the tokens is left.
 * @param tokens count of each sentence, in the base model's tokenizer
 */
export const compressTemplate = (
  sentences: Sentence[],
  dropOrder: number[],
  share: number,
  tokens: number[]
): CompressedTemplate => {
  const total = tokens.reduce((sum, count) => sum + count, 0)
  if (share >= 1 || total === 0)
    return { text: sentences.map(({ text }) => text).join(''), measuredRate: 1 }
  const dropped = new Set<number>()
  let kept = total
  for (const index of dropOrder) {
    if (kept <= share * total) break
    dropped.add(index)
    kept -= itemAt(tokens, index)
  }
  if (share <= 0 || kept === 0) return { text: '', measuredRate: 0 }
  const text = sentences
    .filter((_, index) => !dropped.has(index))
    .map((sentence) => sentence.text)
    .join('')
  // dropped headings and paragraphs leave their blank lines behind
  return { text: text.replace(/\n{3,}/g, '\n\n').trim(), measuredRate: kept / total }
}
