/**
 * A completion of another model of the upstream, read as the answer of a lora is: text, or calls as text. It comes
 * from outside, so nothing of it is taken for granted.
 */
import type { ChatCompletion, FinishReason, TokenLogprob } from '../../openai/chat.ts'
import { isFields } from '../../openai/fields.ts'
import { DEFER_ANSWER, outcomeOf } from './outcome.ts'

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
 * What is neither a text nor calls goes to the upstream, as where a lora defers.
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
