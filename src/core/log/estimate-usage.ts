/**
 * Tokens of an exchange whose provider did not count them. An estimate: the tokenizer may differ from the
 * model's, images and audio count as 0, and the tokens between messages are those of OpenAI's models.
 */
import type { ChatCompletion, ChatMessage, ChatRequest, Usage } from '../../openai/chat.ts'
import { usageOf } from '../../openai/usage/usage.ts'
import { dialectOfRecord } from '../../openai/dialect.ts'
import { completionOf } from './record-bodies.ts'
import type { ExchangeRecord } from './record.ts'

/** Number of tokens of a text. */
export type CountTokens = (text: string) => number

/** of all texts of an exchange; the tokens of further ones are estimated from their bytes */
const MAX_COUNTED_BYTES = 200_000
/**
 * Byte pair encoding takes quadratic time in the length of a word, and a run of line breaks, of blanks or of
 * ideographs is one word. So a text is counted in slices, which end before a blank where they have one.
 */
const SLICE_CHARS = 256
const BYTES_PER_TOKEN = 4

/** OpenAI's cookbook, "How to count tokens with tiktoken": per message, per name, per answer. */
const MESSAGE_TOKENS = 3
const NAME_TOKENS = 1
const ANSWER_TOKENS = 3

const roughly = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN)

/** Counts a text in slices. */
const inSlices = (text: string, count: CountTokens): number => {
  let tokens = 0
  for (let from = 0; from < text.length;) {
    const slice = text.slice(from, from + SLICE_CHARS)
    const blank = from + slice.length < text.length ? slice.lastIndexOf(' ') : -1
    const counted = blank > 0 ? slice.slice(0, blank) : slice
    tokens += count(counted)
    from += counted.length
  }
  return tokens
}

/** In linear time, and of an exchange at most 200 KB: further texts count one token for 4 bytes. */
const bounded = (count: CountTokens): CountTokens => {
  let left = MAX_COUNTED_BYTES
  return (text) => {
    const bytes = Buffer.byteLength(text)
    if (bytes > left) return roughly(text)
    left -= bytes
    return inSlices(text, count)
  }
}

const textsOf = ({ content, tool_calls: calls }: ChatMessage): string[] => {
  const parts = Array.isArray(content) ? content.map(({ text }) => text) : [content]
  const texts = parts.filter((text) => typeof text === 'string')
  return Array.isArray(calls) && calls.length > 0 ? [...texts, JSON.stringify(calls)] : texts
}

const total = (texts: string[], count: CountTokens): number =>
  texts.reduce((sum, text) => sum + count(text), 0)

const messageTokens = (message: ChatMessage, count: CountTokens): number =>
  MESSAGE_TOKENS +
  count(message.role) +
  (typeof message.name === 'string' ? NAME_TOKENS + count(message.name) : 0) +
  total(textsOf(message), count)

const promptTokens = (request: ChatRequest, count: CountTokens): number => {
  const { messages, tools, response_format: format } = request
  const objects = [tools, format].filter((value) => typeof value === 'object' && value !== null)
  const texts = objects.map((value) => JSON.stringify(value))
  return (
    ANSWER_TOKENS +
    messages.reduce((sum, message) => sum + messageTokens(message, count), 0) +
    total(texts, count)
  )
}

const completionTokens = ({ choices }: ChatCompletion, count: CountTokens): number =>
  choices.reduce((sum, { message }) => sum + total(textsOf(message), count), 0)

const estimate = (request: ChatRequest, response: ChatCompletion, count: CountTokens): Usage =>
  usageOf(promptTokens(request, count), completionTokens(response, count))

/** @returns null unless its bodies are a request and its completion */
export const estimateUsage = (
  record: Pick<ExchangeRecord, 'path' | 'request' | 'response'>,
  count: CountTokens
): Usage | null => {
  try {
    const request = dialectOfRecord(record).requestOf(JSON.parse(record.request))
    const completion = completionOf(record)
    if (request === null || !Array.isArray(completion?.choices)) return null
    return estimate(request, completion, bounded(count))
  } catch {
    // the fields are not validated one by one: any other shape has no estimate
    return null
  }
}
