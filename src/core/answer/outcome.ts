/**
 * How the upstream answered a request, as far as a lora could answer in its place. Only plain text
 * is such an answer; every other outcome counts against a lora that answers with text. Knows nothing
 * of whether the text is right.
 */
import type { ChatCompletion } from '../../openai/chat.ts'

/** Outcomes that are no plain text; `unreadable`: the log has no completion of this answer. */
export type OtherOutcome =
  'tool-calls' | 'refusal' | 'filtered' | 'cut-off' | 'several-choices' | 'no-text' | 'unreadable'

export type Outcome = { kind: 'text'; text: string } | { kind: OtherOutcome }

/**
 * What an arm learns to answer where the upstream's outcome is no plain text, and what sends a
 * request to the upstream when a lora says it.
 */
export const DEFER_ANSWER = '[[upstream]]'

const hasItems = (value: unknown): boolean => Array.isArray(value) && value.length > 0

const isFilled = (value: unknown): boolean => value !== undefined && value !== null && value !== ''

/** @param completion null where the log has none, or a text that is no completion */
export const outcomeOf = (completion: ChatCompletion | null): Outcome => {
  const choices = completion?.choices
  if (!Array.isArray(choices) || choices.length === 0) return { kind: 'unreadable' }
  if (choices.length > 1) return { kind: 'several-choices' }
  const { message, finish_reason: finishReason } = choices[0]!
  if (hasItems(message?.tool_calls) || isFilled(message?.['function_call']))
    return { kind: 'tool-calls' }
  if (isFilled(message?.['refusal'])) return { kind: 'refusal' }
  if (finishReason === 'content_filter') return { kind: 'filtered' }
  if (finishReason !== 'stop') return { kind: 'cut-off' }
  const content = message?.content
  if (typeof content !== 'string' || content === '' || isFilled(message?.['audio']))
    return { kind: 'no-text' }
  // an answer that happens to be the reserved text cannot be told from a deferral
  return content.trim() === DEFER_ANSWER ? { kind: 'no-text' } : { kind: 'text', text: content }
}

/** The text of a plain outcome, else null. */
export const textOf = (outcome: Outcome): string | null =>
  outcome.kind === 'text' ? outcome.text : null

/** What an arm is trained to answer. */
export const targetOf = (outcome: Outcome): string => textOf(outcome) ?? DEFER_ANSWER
