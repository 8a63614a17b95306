/**
 * Tokens of a request before it is made, and of an answer that does not say how many it has. Four
 * bytes a token is close for English and code, and too many for most other languages in UTF-8, which
 * errs on the safe side. Knows no tokenizer.
 */
import type { ChatCompletion, ChatMessage, ContentPart, Usage } from '../../openai/chat.ts'
import { tokenCounts, usageOf } from '../../openai/usage.ts'
import { bytesOfText, type ChatReading } from '../request/chat-reading.ts'
import { completionTokensOf } from './cost-bound.ts'

const BYTES_PER_TOKEN = 4
/** of an image or a sound, whose bytes say nothing about its tokens */
const TOKENS_PER_MEDIUM = 1000
/** of an answer, where the request sets no limit */
const DEFAULT_COMPLETION_TOKENS = 1024

const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN)

/** Bytes of the strings in a value. @param value nested `MAX_DEPTH` deep at most */
const bytesWithin = (reading: ChatReading, value: unknown): number => {
  if (typeof value === 'string') return bytesOfText(reading, value)
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce<number>((sum, field) => sum + bytesWithin(reading, field), 0)
}

const isText = (part: ContentPart | string | null): boolean =>
  typeof part === 'string' || part?.type === 'text' || part?.type === 'refusal'

const mediaOf = ({ content }: ChatMessage): ContentPart[] =>
  Array.isArray(content) ? content.filter((part) => !isText(part)) : []

/**
 * What a request takes of a rate, as far as that can be told. Of money it says nothing: an estimate may
 * be too low.
 * @throws AppError `invalid-request` for a limit that is none
 */
export const estimateRequest = (reading: ChatReading): Usage => {
  const { request, bytes } = reading
  const media = request.messages.flatMap(mediaOf)
  const mediaBytes = media.reduce<number>((sum, part) => sum + bytesWithin(reading, part), 0)
  return usageOf(
    tokensOfBytes(Math.max(0, bytes - mediaBytes)) + TOKENS_PER_MEDIUM * media.length,
    completionTokensOf(request, DEFAULT_COMPLETION_TOKENS)
  )
}

const tokensOfJson = (value: unknown): number =>
  value === undefined || value === null
    ? 0
    : tokensOfBytes(Buffer.byteLength(JSON.stringify(value)))

/** What a completion without usage has used, a stream that was not asked for it for one. */
export const estimateCompletion = (promptTokens: number, { choices }: ChatCompletion): Usage =>
  usageOf(
    promptTokens,
    // of the whole message: reasoning stands in fields of its own
    choices.reduce((sum, { message }) => sum + tokensOfJson(message), 0)
  )

/**
 * The usage that an answer carries, if it can be counted with: sums that once took up what is no
 * number are lost for good.
 */
export const countableUsage = (usage: Usage | null): Usage | null => {
  if (usage === null) return null
  const { input, output, cachedInput, cacheWrite } = tokenCounts(usage)
  if (input === null || output === null) return null
  const ofInput = (count: number | null): number => Math.min(count ?? 0, input)
  return {
    ...usageOf(input, output),
    prompt_tokens_details: {
      cached_tokens: ofInput(cachedInput),
      cache_write_tokens: ofInput(cacheWrite),
    },
  }
}
