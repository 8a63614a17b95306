/** Makes the parts of a chat completion from what other forms have. */
import type { ChatMessage, ContentPart, FinishReason, Usage } from '../../../openai/chat.ts'
import { isEmpty } from './fields.ts'
import { type Fields } from '../../../openai/fields.ts'

/** Of OpenAI's API reference, "Create chat completion". */
const DEFAULTS: Fields = { temperature: 1, top_p: 1, presence_penalty: 0, frequency_penalty: 0 }

/**
 * The parameters that a request may have had. Some logs write a parameter that it did not have, with its default, or
 * null; a limit of Langfuse's client is then infinite, which is a text in JSON.
 */
export const givenParameters = (parameters: Fields): Fields =>
  Object.fromEntries(
    Object.entries(parameters).filter(
      ([name, value]) =>
        !isEmpty(value) &&
        DEFAULTS[name] !== value &&
        !(name === 'max_tokens' && typeof value !== 'number')
    )
  )

/** Tokens of an exchange; the input contains what the provider's cache read and wrote. */
export interface Tokens {
  input: number | null
  output: number | null
  cacheRead: number | null
  cacheWrite: number | null
}

/** @returns null without both counts, so that they are estimated */
export const usageOf = ({ input, output, cacheRead, cacheWrite }: Tokens): Usage | null =>
  input === null || output === null
    ? null
    : {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input + output,
        ...((cacheRead !== null || cacheWrite !== null) && {
          prompt_tokens_details: {
            ...(cacheRead !== null && { cached_tokens: cacheRead }),
            ...(cacheWrite !== null && { cache_write_tokens: cacheWrite }),
          },
        }),
      }

interface Answer {
  message: Partial<ChatMessage>
  model: string
  /** by default from the message */
  finishReason?: FinishReason | null
  usage?: Usage | null
}

/** A chat completion with one choice. */
export const completionOf = ({ message, model, finishReason, usage }: Answer): Fields => {
  const { content = null, tool_calls } = message
  const hasCalls = Array.isArray(tool_calls) && tool_calls.length > 0
  return {
    id: 'imported',
    object: 'chat.completion',
    created: 0,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, ...(hasCalls && { tool_calls }) },
        logprobs: null,
        finish_reason: finishReason ?? (hasCalls ? 'tool_calls' : 'stop'),
      },
    ],
    ...(usage && { usage }),
  }
}

/** A text alone as a string, as most clients send it. @returns null without parts */
export const contentOf = (parts: ContentPart[]): string | ContentPart[] | null => {
  const [first] = parts
  if (first === undefined) return null
  return parts.length === 1 && typeof first.text === 'string' ? first.text : parts
}

/** The texts of an answer, which chat completions join. @returns null without one */
export const answerText = (texts: string[]): string | null =>
  texts.length === 0 ? null : texts.join('')

/** A call of a function, whose arguments are an object or its JSON. */
export const callOf = (id: unknown, name: unknown, given: unknown): Fields => ({
  id: typeof id === 'string' ? id : '',
  type: 'function',
  function: {
    name,
    arguments: typeof given === 'string' ? given : JSON.stringify(given ?? {}),
  },
})
