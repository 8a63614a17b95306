/**
 * Estimates the tokens of a request before it is sent, and of an answer without usage. Four bytes a token
 * is close for English and code, and too many tokens for most other languages in UTF-8, which is the safe
 * side. Uses no tokenizer.
 */
import type { ChatCompletion, ChatMessage, ContentPart, Usage } from '../../openai/chat.ts'
import { serviceTierOf, tokenCounts, usageOf } from '../../openai/usage/usage.ts'
import { withoutAttachments } from '../request/attachments.ts'
import { bytesOfText, type ChatReading } from '../request/chat-reading.ts'
import { completionTokensOf } from './cost-bound.ts'

export const BYTES_PER_TOKEN = 4
/** of an image or a sound, whose tokens do not depend on its bytes */
const TOKENS_PER_MEDIUM = 1000
/** of an answer, where the request sets no limit */
const DEFAULT_COMPLETION_TOKENS = 1024

const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN)

/** Bytes of the strings in a value. @param value nested at most `MAX_DEPTH` deep */
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
 * Tokens that a request takes of a rate limit. Not for budgets: an estimate may be too low.
 * @throws AppError `invalid-request` for a limit that is not a whole number of at least 1
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

/** Tokens of a request that is not parsed, without its attachments and its answer. */
export const estimatePrompt = (body: Buffer): Usage =>
  usageOf(tokensOfBytes(withoutAttachments(body).length), 0)

const tokensOfJson = (value: unknown): number =>
  value === undefined || value === null
    ? 0
    : tokensOfBytes(Buffer.byteLength(JSON.stringify(value)))

/** For a completion without usage, such as a stream whose request did not ask for it. */
export const estimateCompletion = (promptTokens: number, { choices }: ChatCompletion): Usage =>
  usageOf(
    promptTokens,
    // of the whole message, because reasoning has its own fields
    choices.reduce((sum, { message }) => sum + tokensOfJson(message), 0)
  )

/**
 * The usage of an answer; null unless its counts are numbers, because adding NaN to a running total would
 * corrupt it permanently.
 */
export const countableUsage = (usage: Usage | null): Usage | null => {
  if (usage === null) return null
  const { input, output, cachedInput, cacheWrite } = tokenCounts(usage)
  if (input === null || output === null) return null
  const tier = serviceTierOf(usage)
  const ofInput = (count: number | null): number => Math.min(count ?? 0, input)
  return {
    ...usageOf(input, output),
    ...(tier !== null && { service_tier: tier }),
    prompt_tokens_details: {
      cached_tokens: ofInput(cachedInput),
      cache_write_tokens: ofInput(cacheWrite),
    },
  }
}
