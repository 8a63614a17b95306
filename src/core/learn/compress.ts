/**
 * A template as text: cut into segments (sentences, bullets, rules, example lines), ranked by what
 * they do for the answer, and dropped whole until a stage's share is met. Done once a version and
 * stage, never per request. Knows nothing of tokenizers or models: token counts and effects are
 * handed in.
 */
import type { FewShot } from '../template/prompt.ts'
import type { Template, TemplateMessage } from '../template/template.ts'

export interface TextSegment {
  /** with the whitespace behind it, so that joined segments are the template's text */
  text: string
  /** holds a slot, a JSON key, a number or an enum label: dropped after all others */
  protected: boolean
}

const isConstant = (message: TemplateMessage): boolean =>
  message.segments.every((segment) => segment.kind === 'anchor')

const textOf = (message: TemplateMessage): string =>
  message.segments.map((segment) => (segment.kind === 'anchor' ? segment.text : '')).join('')

/** A constant user message and the constant assistant message behind it are a few-shot example. */
const isExampleAt = (messages: TemplateMessage[], at: number): boolean => {
  const [user, assistant] = [messages[at], messages[at + 1]]
  return (
    user?.role === 'user' &&
    assistant?.role === 'assistant' &&
    isConstant(user) &&
    isConstant(assistant)
  )
}

interface TemplateParts {
  examples: FewShot[]
  rest: TemplateMessage[]
}

const partsOf = ({ messages }: Template): TemplateParts => {
  const parts: TemplateParts = { examples: [], rest: [] }
  for (let at = 0; at < messages.length; at++) {
    if (isExampleAt(messages, at)) {
      parts.examples.push({ query: textOf(messages[at]!), answer: textOf(messages[at + 1]!) })
      at++
    } else parts.rest.push(messages[at]!)
  }
  return parts
}

/** The template's own few-shot pairs, in its order. */
export const constantExamples = (template: Template): FewShot[] => partsOf(template).examples

/**
 * A message with its variable parts as `{name}`, so that a sentence around one stays a sentence
 * and points to the `name: value` line of the student's prompt. Few-shot blocks that vary leave
 * nothing. A message of the query alone has no text of the template.
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
 * Ends of segments: line breaks with all blank lines behind them, and ends of sentences, which the
 * number of a list item is not.
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
/** Digits, but not the number of a list item. */
const NUMBER = /\d/
const LIST_MARK = /^\s*(?:\d+[.)]|[-*•])\s+/
/** What enumerations of labels look like: `card_arrival`, `PAST_DUE`, `in-transit`. */
const LABEL = /\b[A-Za-z0-9]+(?:[_][A-Za-z0-9]+)+\b/

const isProtected = (text: string): boolean => {
  const body = text.replace(LIST_MARK, '')
  return [PLACEHOLDER, JSON_KEY, NUMBER, LABEL].some((pattern) => pattern.test(body))
}

/**
 * Sentences, bullets, rules and example lines of the template, in rendering order; few-shot pairs
 * are `constantExamples`. Joining all texts gives the template's text: messages apart by a blank
 * line, slots as `{name}`.
 */
export const textSegments = (template: Template): TextSegment[] =>
  splitText(
    partsOf(template)
      .rest.map(messageText)
      .filter((text) => text !== '')
      .join('\n\n')
  ).map((text) => ({ text, protected: isProtected(text) }))

/**
 * The order in which segments are dropped, as indices: unprotected ones first, least effect first,
 * the later one first where effects are equal. Protected ones end the list: a stage drops them only
 * when nothing else is left, because a stage that stays above its share makes the next step the
 * sudden removal that a schedule is there to avoid.
 */
export const leastEffectFirst = (effects: number[], protectedFlags: boolean[]): number[] =>
  effects
    .map((_, index) => index)
    .sort(
      (a, b) =>
        Number(protectedFlags[a] ?? false) - Number(protectedFlags[b] ?? false) ||
        effects[a]! - effects[b]! ||
        b - a
    )

export interface CompressedTemplate {
  text: string
  /** kept tokens over all tokens; never above the share that was asked for */
  measuredRate: number
}

/**
 * Drops whole segments in the given order until at most `share` of the tokens is left.
 * @param tokens one count a segment, in the base model's tokenizer
 */
export const compressTemplate = (
  segments: TextSegment[],
  dropOrder: number[],
  share: number,
  tokens: number[]
): CompressedTemplate => {
  const total = tokens.reduce((sum, count) => sum + count, 0)
  if (share >= 1 || total === 0)
    return { text: segments.map(({ text }) => text).join(''), measuredRate: 1 }
  const dropped = new Set<number>()
  let kept = total
  for (const index of dropOrder) {
    if (kept <= share * total) break
    dropped.add(index)
    kept -= tokens[index]!
  }
  if (share <= 0 || kept === 0) return { text: '', measuredRate: 0 }
  const text = segments
    .filter((_, index) => !dropped.has(index))
    .map((segment) => segment.text)
    .join('')
  // headings and paragraphs that went leave their blank lines behind
  return { text: text.replace(/\n{3,}/g, '\n\n').trim(), measuredRate: kept / total }
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []

/**
 * Effects where no local model is at hand: mean self-information of a segment's words in bits
 * (unigrams of the template, as Selective Context does with a model, arXiv 2310.06201), doubled for
 * words that occur in the logged answers. One value a segment.
 */
export const selfInformationEffects = (segments: TextSegment[], answers: string[]): number[] => {
  const words = segments.map(({ text }) => wordsOf(text))
  const counts = new Map<string, number>()
  for (const word of words.flat()) counts.set(word, (counts.get(word) ?? 0) + 1)
  const total = words.flat().length
  const answered = new Set(answers.flatMap(wordsOf))
  const bits = (word: string): number =>
    -Math.log2(counts.get(word)! / total) * (answered.has(word) ? 2 : 1)
  return words.map((own) =>
    own.length === 0 ? 0 : own.reduce((sum, word) => sum + bits(word), 0) / own.length
  )
}
