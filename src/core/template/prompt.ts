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

/**
 * The prompt of the adapted model for one request: a system message with the shared text (left out
 * when empty), a user message with kept slots, retrieved examples and the query, and the following
 * messages of the conversation. The user's own text is not changed.
 */
export const studentMessages = (match: Match, prompt: StagePrompt): ChatMessage[] => {
  const shared = sharedText(prompt)
  const user = [
    ...keptSlots(match).map(({ slot, value }) => `${slot.name}: ${value}`),
    ...prompt.retrievedExamples.map((example) => `${exampleText(example)}\n`),
    match.query,
  ].join('\n')
  return [
    ...(shared === '' ? [] : [{ role: 'system', content: shared }]),
    { role: 'user', content: user },
    ...match.turns.map(({ role, content }) => ({ role, content })),
  ]
}
