/** The fake engine's tokens and answers. Knows nothing of loras, faults and time. */
import type { ChatMessage, ChatRequest, TokenLogprob } from '../../src/openai/chat.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { cutAtStop } from '../host/cut-at-stop.ts'
import { type Memory, type Prediction, nearestChoice } from './memory.ts'
import { isFields, parseJson } from '../../src/openai/fields.ts'

const MESSAGE_TOKENS = 4
const GENERATION_PROMPT_TOKENS = 3

/** A word with the space before it is a token; tokens joined give the text back. */
export const tokensOf = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? []

const contentTokens = ({ content }: ChatMessage): number =>
  tokensOf(typeof content === 'string' ? content : '').length

/** Tokens of the rendered messages with the markers around them. */
export const countMessages = (messages: ChatMessage[]): number =>
  messages.reduce(
    (sum, message) => sum + MESSAGE_TOKENS + contentTokens(message),
    GENERATION_PROMPT_TOKENS
  )

/** The completion's words and the token that ends it. */
export const completionTokens = (row: TrainingRow): number =>
  contentTokens(row.messages.at(-1)!) + 1

const logprobEntry = (token: string, probability: number) => ({
  token,
  logprob: Math.log(probability),
  bytes: [...new TextEncoder().encode(token)],
})

/** @param alternatives how many `top_logprobs`, the token itself first */
export const tokenLogprob = (
  token: string,
  certainty: number,
  alternatives: number
): TokenLogprob => {
  const chosen = logprobEntry(token, certainty)
  const others = Array.from({ length: Math.max(0, alternatives - 1) }, (_, index) =>
    logprobEntry(` other${index + 1}`, ((1 - certainty) * certainty) / 2 ** (index + 1))
  )
  return { ...chosen, top_logprobs: alternatives > 0 ? [chosen, ...others] : [] }
}

const asJsonObject = ({ text, certainty }: Prediction): Prediction => ({
  text: isFields(parseJson(text)) ? text : JSON.stringify({ answer: text }),
  certainty,
})

const shaped = (prediction: Prediction, request: ChatRequest): Prediction => {
  const choices = request.structured_outputs?.choice
  if (choices) return nearestChoice(prediction, choices)
  return request.response_format?.type === 'json_object' ? asJsonObject(prediction) : prediction
}

/** The whole answer, stop sequences applied, before any limit on its length. */
export const answer = (memory: Memory, request: ChatRequest): Prediction => {
  const { temperature, seed, stop, messages } = request
  const sampling = temperature ? { temperature, seed: seed ?? 0 } : undefined
  const { text, certainty } = shaped(memory.predict(messages, sampling), request)
  return { text: cutAtStop(text, stop), certainty }
}
