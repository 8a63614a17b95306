/**
 * The only rendering (invariant 6): training rows, held-out evaluation and routed requests get their
 * messages from `studentMessages`. Text that all rows of a stage share comes first, so that engines can
 * pack and cache it.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { keptSlots, type Match } from './template.ts'

export interface FewShot {
  query: string
  answer: string
}

/** The parts of the template that a stage's prompt still contains. */
export interface StagePrompt {
  /** compressed text of the template; '' in the last stage */
  template: string
  /** examples that all rows share, in the template's order */
  constantExamples: FewShot[]
  /** examples retrieved for this row, most similar last */
  retrievedExamples: FewShot[]
}

/** For the last stage and for serving: nothing of the template. */
export const EMPTY_PROMPT: StagePrompt = {
  template: '',
  constantExamples: [],
  retrievedExamples: [],
}

const exampleText = ({ query, answer }: FewShot): string => `${query}\n${answer}`

const sharedText = (prompt: StagePrompt): string =>
  [prompt.template, ...prompt.constantExamples.map(exampleText)].filter(Boolean).join('\n\n')

const NEEDS_QUOTES = /^"|[\n\r\u2028\u2029]/u

/** Always one line, so that the user cannot write a line of a slot: as many lines as slots are not the user's. */
const slotLine = (name: string, value: string): string =>
  `${name}: ${NEEDS_QUOTES.test(value) ? JSON.stringify(value) : value}`

/**
 * The prompt of the adapted model for one request: a system message with the shared text (left out
 * when empty), a user message with a line for each kept slot, retrieved examples and the query, and the following
 * messages of the conversation. A slot's value that has a line break or begins with a quote is a JSON string. The
 * user's own text is not changed.
 */
export const studentMessages = (match: Match, prompt: StagePrompt): ChatMessage[] => {
  const shared = sharedText(prompt)
  const user = [
    ...keptSlots(match).map(({ slot, value }) => slotLine(slot.name, value)),
    ...prompt.retrievedExamples.map((example) => `${exampleText(example)}\n`),
    match.query,
  ].join('\n')
  return [
    ...(shared === '' ? [] : [{ role: 'system', content: shared }]),
    { role: 'user', content: user },
    ...match.turns.map(({ role, content }) => ({ role, content })),
  ]
}

/** All that the adapted model reads of a request, as one text. */
export const studentText = (match: Match): string =>
  studentMessages(match, EMPTY_PROMPT)
    .map(({ content }) => String(content ?? ''))
    .join('\n')
