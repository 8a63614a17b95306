/**
 * The few-shot examples of a prompt as questions with answers, which heads learn beside the logged exchanges: pairs of
 * messages and texts, constant or retrieved for each request. Knows nothing of rows or engines.
 */
import { isCallText } from '../../answer/calls.ts'
import { DEFER_ANSWER } from '../../answer/outcome.ts'
import type { ResponseType } from '../../answer/response-type.ts'
import { itemsOf } from '../../detect/building/examples.ts'
import { groupBy } from '../../group-by.ts'
import { isJson } from '../../json.ts'
import { itemAt } from '../../lists.ts'
import { lineLabel } from '../../template/example-items.ts'
import { retrievedPairs } from '../../template/example-pairs.ts'
import type { FewShot } from '../../template/prompt.ts'
import { MIN_EXAMPLES, splitExamples } from '../../template/split-examples.ts'
import type { Match, Template, TemplateMessage } from '../../template/template.ts'
import { constantExamples } from '../compress.ts'
import { normalizeQuery } from '../dataset.ts'

/** As many as a form of answers is searched in. */
const MAX_EXAMPLES = 5_000
/** Labels of lines at which the examples of a constant text may begin. */
const MAX_STARTS = 4
/** Of an answer on a line of its own. */
const MAX_ANSWER_CHARS = 16_384

/** Whether a text is an answer of the template's upstream. */
export interface AnswerTest {
  /** of an assistant's message */
  ofMessage(text: string): boolean
  /** of a part of a text, where much else may stand behind a separator */
  inText(text: string): boolean
}

/** Looks at both ends first: a text that cannot be parsed takes microseconds, and a prompt has many lines. */
const isJsonValue = (text: string): boolean => {
  const bare = text.trim()
  return /^[[{]/u.test(bare) && /[\]}]/u.test(bare.slice(-1)) && isJson(bare)
}

const isPlainText = (text: string): boolean =>
  text.trim() !== '' && text.trim() !== DEFER_ANSWER && !isCallText(text)

/** @param answers of the training exchanges */
export const answerTestOf = (type: ResponseType, answers: Iterable<string>): AnswerTest => {
  const known = new Set(answers)
  const isKnown = (text: string): boolean => known.has(text)
  if (type === 'label') return { ofMessage: isKnown, inText: isKnown }
  if (type === 'json') return { ofMessage: isJsonValue, inText: isJsonValue }
  return { ofMessage: isPlainText, inText: isKnown }
}

export interface PromptExamplesInput {
  template: Template
  /** to learn from, oldest first */
  exchanges: readonly { match: Match }[]
  isAnswer: AnswerTest
}

/** Of an example, as of an exchange (`queryKey`). */
export const exampleKey = ({ query }: Pick<FewShot, 'query'>): string =>
  normalizeQuery(query) || query

/** A text without what the question of each request stands in: `Text: {query}`, or a prompt that ends so. */
const withoutFrame = ({ messages }: Template): ((text: string) => string) => {
  const segments = messages.flatMap((message) =>
    message.segments.some(({ kind }) => kind === 'query') ? message.segments : []
  )
  const at = segments.findIndex(({ kind }) => kind === 'query')
  const anchorAt = (place: number): string => {
    const segment = segments[place]
    return segment?.kind === 'anchor' ? segment.text : ''
  }
  const [before, after] = [anchorAt(at - 1), anchorAt(at + 1)]
  const starts = [before, before.slice(before.lastIndexOf('\n') + 1)]
  const ends = [after, after.replace(/\n.*/su, '')]
  return (text) => {
    const start = starts.find((each) => text.startsWith(each)) ?? ''
    const rest = text.slice(start.length)
    const end = ends.find((each) => rest.endsWith(each)) ?? ''
    return rest.slice(0, rest.length - end.length).trim()
  }
}

type NumberedLine = [place: number, line: string]

/** The lines in pieces that begin at some of them; what stands before the first one is left out. */
const piecesAt = (lines: string[], starts: NumberedLine[]): string[] =>
  starts.map(([from], index) => lines.slice(from, starts[index + 1]?.[0]).join('\n'))

/** Instructions may follow the last of several examples behind a blank line. */
const withoutRest = (pieces: string[]): string[] =>
  pieces.map((piece, at) =>
    at === pieces.length - 1 ? piece.replace(/\n[ \t]*(?:\r?\n|$).*/su, '') : piece
  )

/** Lines up to one that is JSON as a whole, since the last such line or a blank one. Other answers may be a list. */
const piecesUpToJson = (lines: string[], isAnswer: (text: string) => boolean): string[] => {
  const pieces: string[][] = []
  let open: string[] = []
  for (const line of lines) {
    const text = line.trim()
    const mayEnd = open.length > 0 && text.length <= MAX_ANSWER_CHARS && /^[[{]/u.test(text)
    const isEnd = mayEnd && isAnswer(text)
    if (text === '' || isEnd) {
      if (isEnd) pieces.push([...open, text])
      open = []
    } else open.push(line)
  }
  const [first, second] = pieces
  // a heading may stand before the first one
  if (first && second) pieces[0] = first.slice(-second.length)
  return pieces.map((piece) => piece.join('\n'))
}

/** The ways in which a constant text may be divided into examples. */
const divisionsOf = (text: string, isAnswer: (text: string) => boolean): string[][] => {
  const lines = text.split('\n')
  // pushed one by one: a text may have a million blank lines, which need no entries
  const filled: NumberedLine[] = []
  for (const [at, line] of lines.entries()) if (line.trim() !== '') filled.push([at, line])
  const byLabel = groupBy(filled, ([, line]) => lineLabel(line))
  byLabel.delete(null)
  const labelled = [...byLabel.values()]
    .filter((starts) => starts.length >= MIN_EXAMPLES)
    .sort((left, right) => right.length - left.length)
    .slice(0, MAX_STARTS)
  const afterBlank = filled.filter(([at]) => !lines[at - 1]?.trim())
  return [
    ...labelled.map((starts) => withoutRest(piecesAt(lines, starts))),
    filled.map(([, line]) => line),
    piecesUpToJson(lines, isAnswer),
    piecesAt(lines, afterBlank),
  ]
}

/** Questions that differ in numbers alone and have several answers are no questions: `Category 3: card_arrival`. */
const unambiguous = (examples: FewShot[]): FewShot[] =>
  [
    ...groupBy(examples, (example) => exampleKey(example).replace(/\p{N}+/gu, '0')).values(),
  ].flatMap((alike) => (alike.every(({ answer }) => answer === alike[0].answer) ? alike : []))

/** Whether a question has a line that is another answer: then the text is a list of answers. */
const isListOfAnswers = (examples: FewShot[], isAnswer: (text: string) => boolean): boolean =>
  examples.some(({ query, answer }) =>
    query.split('\n').some((line) => line.trim() !== answer && isAnswer(line.trim()))
  )

/** Of the division that gives the most. */
const inConstantText = (text: string, isAnswer: AnswerTest): FewShot[] =>
  divisionsOf(text, isAnswer.inText)
    .map((items) => splitExamples(items, isAnswer.inText))
    .map((examples) => (isListOfAnswers(examples, isAnswer.inText) ? [] : unambiguous(examples)))
    .reduce((best, examples) => (examples.length > best.length ? examples : best))

const constantTexts = ({ messages }: Template): string[] =>
  messages.flatMap(({ segments }) =>
    segments.flatMap((segment) => (segment.kind === 'anchor' ? segment.text : []))
  )

/** One value of each key, the last one, at its own place. */
const lastOfEach = <Value>(values: readonly Value[], keyOf: (value: Value) => string): Value[] => {
  const last = new Map<string, Value>()
  for (const value of values) {
    const key = keyOf(value)
    // a key that is set again stays at its first place
    last.delete(key)
    last.set(key, value)
  }
  return [...last.values()]
}

/** Of each place of retrieved examples in a text. */
const inRetrievedText = ({ template, exchanges, isAnswer }: PromptExamplesInput): FewShot[] =>
  template.messages
    .flatMap(({ segments }) => segments)
    .flatMap((segment) => {
      if (segment.kind !== 'examples' || segment.pool === undefined) return []
      const { division } = segment.pool
      const items = exchanges.flatMap(({ match }) =>
        itemsOf(match.examples[segment.name] ?? '', division)
      )
      return splitExamples(
        lastOfEach(items, (item) => item),
        isAnswer.inText
      )
    })

/** The text of a message of retrieved examples in one request. */
const retrievedText = ({ segments }: TemplateMessage, { examples }: Match): string =>
  segments
    .map((segment) => {
      if (segment.kind === 'anchor') return segment.text
      return segment.kind === 'examples' ? (examples[segment.name] ?? '') : ''
    })
    .join('')

const inMessages = ({ template, exchanges, isAnswer }: PromptExamplesInput): FewShot[] => {
  const starts = retrievedPairs(template)
  const retrieved = exchanges.flatMap(({ match }) =>
    starts.map((at) => ({
      query: retrievedText(itemAt(template.messages, at), match),
      answer: retrievedText(itemAt(template.messages, at + 1), match),
    }))
  )
  const bare = withoutFrame(template)
  return [...constantExamples(template), ...retrieved].flatMap(({ query, answer: sent }) => {
    const answer = [sent, sent.trim()].find(isAnswer.ofMessage)
    const asked = bare(query)
    return answer === undefined || asked === '' ? [] : [{ query: asked, answer }]
  })
}

/** The examples of a prompt, each question once with its newest answer, the newest last. */
export const promptExamples = (input: PromptExamplesInput): FewShot[] => {
  const { template, isAnswer } = input
  const found = [
    ...constantTexts(template).flatMap((text) => inConstantText(text, isAnswer)),
    ...inRetrievedText(input),
    ...inMessages(input),
  ]
  return lastOfEach(found, exampleKey).slice(-MAX_EXAMPLES)
}
