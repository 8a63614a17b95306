/**
 * The form of an upstream's answer. A lora can give plain text, and calls of functions as text
 * (`calls.ts`); every other outcome counts against a lora that answers. Knows nothing of the quality
 * of the text.
 */
import type {
  ChatChoice,
  ChatCompletion,
  ChatMessage,
  FinishReason,
  TokenLogprob,
} from '../../openai/chat.ts'
import { callsText, isCallText } from './calls.ts'
import { isFields } from '../../openai/fields.ts'

/**
 * Outcomes other than text. `tool-calls`: calls that have no text, or stand beside one; `unreadable`: the log
 * has no completion for this answer.
 */
type OtherOutcome =
  'tool-calls' | 'refusal' | 'filtered' | 'cut-off' | 'several-choices' | 'no-text' | 'unreadable'

export type Outcome = { kind: 'text'; text: string } | { kind: OtherOutcome }

/**
 * The answer that an arm learns where the upstream's outcome is not plain text. When a lora gives
 * it, the request goes to the upstream.
 */
export const DEFER_ANSWER = '[[upstream]]'

const hasItems = (value: unknown): value is unknown[] => Array.isArray(value) && value.length > 0

/** Models end with `stop` where the request forced the call. */
const ENDS_OF_CALLS = new Set<FinishReason | null>(['tool_calls', 'stop'])

const calledIn = (
  calls: readonly unknown[],
  content: ChatMessage['content'],
  finishReason: FinishReason | null
): Outcome => {
  const text = isFilled(content) ? null : callsText(calls)
  if (text === null) return { kind: 'tool-calls' }
  return ENDS_OF_CALLS.has(finishReason) ? { kind: 'text', text } : { kind: 'cut-off' }
}

const isFilled = (value: unknown): boolean => value !== undefined && value !== null && value !== ''

/** @param completion null where the log has no completion, or a text that is not a completion */
export const outcomeOf = (completion: ChatCompletion | null): Outcome => {
  const choices = completion?.choices
  if (!Array.isArray(choices) || choices.length === 0) return { kind: 'unreadable' }
  if (choices.length > 1) return { kind: 'several-choices' }
  // an upstream's word, not checked
  const { message, finish_reason: finishReason = null } = (choices[0] ?? {}) as Partial<ChatChoice>
  if (isFilled(message?.['function_call'])) return { kind: 'tool-calls' }
  if (hasItems(message?.tool_calls))
    return calledIn(message.tool_calls, message.content, finishReason)
  if (isFilled(message?.['refusal'])) return { kind: 'refusal' }
  if (finishReason === 'content_filter') return { kind: 'filtered' }
  if (finishReason !== 'stop') return { kind: 'cut-off' }
  const content = message?.content
  if (typeof content !== 'string' || content === '' || isFilled(message?.['audio']))
    return { kind: 'no-text' }
  // an answer that happens to be a reserved text cannot be told from a deferral or a call
  return content.trim() === DEFER_ANSWER || isCallText(content)
    ? { kind: 'no-text' }
    : { kind: 'text', text: content }
}

/** The text of a plain outcome, else null. */
export const textOf = (outcome: Outcome): string | null =>
  outcome.kind === 'text' ? outcome.text : null

export interface Answered {
  outcome: Outcome
}

export const textsOf = (exchanges: readonly Answered[]): string[] =>
  exchanges.flatMap(({ outcome }) => textOf(outcome) ?? [])

export type OutcomeCounts = Partial<Record<Outcome['kind'], number>>

export const countOutcomes = (exchanges: readonly Answered[]): OutcomeCounts => {
  const counts: OutcomeCounts = {}
  for (const { outcome } of exchanges) counts[outcome.kind] = (counts[outcome.kind] ?? 0) + 1
  return counts
}

/** The answer that an arm is trained to give. */
export const targetOf = (outcome: Outcome): string => textOf(outcome) ?? DEFER_ANSWER

interface OtherAnswer {
  text: string
  finishReason: FinishReason
  /** empty where the completion has none, or none that can be read */
  logprobs: TokenLogprob[]
}

const tokenOf = (value: unknown): TokenLogprob | null => {
  if (!isFields(value)) return null
  const { token, logprob, bytes, top_logprobs: others } = value
  if (typeof token !== 'string' || typeof logprob !== 'number') return null
  return {
    token,
    logprob,
    bytes: Array.isArray(bytes) ? (bytes as number[]) : null,
    top_logprobs: (Array.isArray(others) ? others : []).flatMap((other) => tokenOf(other) ?? []),
  }
}

/** A confidence of some of the tokens would be too high. */
const logprobsOf = (completion: ChatCompletion): TokenLogprob[] => {
  const content: unknown = completion.choices[0]?.logprobs?.content
  const tokens = (Array.isArray(content) ? content : []).map(tokenOf)
  return tokens.includes(null) ? [] : tokens.flatMap((token) => token ?? [])
}

/**
 * A completion of another model of the upstream, read as the answer of a lora is: text, or calls as text. It comes from
 * outside, so nothing of it is taken for granted. What is neither goes to the upstream, as where a lora defers.
 * @returns null where there is no completion
 */
export const answerOfModel = (completion: ChatCompletion | null): OtherAnswer | null => {
  const outcome = outcomeOf(completion)
  if (completion === null || outcome.kind === 'unreadable') return null
  const logprobs = logprobsOf(completion)
  if (outcome.kind === 'text') return { text: outcome.text, finishReason: 'stop', logprobs }
  if (outcome.kind === 'cut-off') return { text: '', finishReason: 'length', logprobs }
  return { text: DEFER_ANSWER, finishReason: 'stop', logprobs }
}
