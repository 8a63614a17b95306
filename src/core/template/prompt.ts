/**
 * The one rendering (invariant 6): training rows, held-out evaluation and routed requests all get
 * their messages from `studentMessages`. What all rows of a stage share comes first, what differs
 * comes last, so that engines can pack and cache the shared prefix.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { keptSlots, type Match } from './template.ts'

export interface FewShot {
  query: string
  answer: string
}

/** What a stage's prompt still has of the template. */
export interface StagePrompt {
  /** compressed template text, '' when it is gone */
  template: string
  /** examples that all rows share, in the template's order */
  constantExamples: FewShot[]
  /** examples retrieved for this row, most similar last */
  retrievedExamples: FewShot[]
}

/** The last stage, and what is served: nothing of the template. */
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
 * when empty), a user message with kept slots, retrieved examples and the query, and the turns of
 * the conversation that followed. The user's own text is passed on letter by letter.
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
    ...match.turns,
  ]
}
