/**
 * Tokens of a request before it is made, and of an answer that does not say how many it has. Four
 * bytes a token is close for English and code, and too many for most other languages in UTF-8, which
 * errs on the safe side. Knows no tokenizer.
 */
import type {
  ChatCompletion,
  ChatMessage,
  ChatRequest,
  ContentPart,
  Usage,
} from '../openai/chat.ts'
import { tokenCounts, usageOf } from '../openai/usage.ts'

const BYTES_PER_TOKEN = 4
/** of an image or a sound, whose bytes say nothing about its tokens */
const TOKENS_PER_MEDIUM = 1000
/** role and separators of a message */
const TOKENS_PER_MESSAGE = 4
/** of an answer, where the request sets no limit */
const DEFAULT_COMPLETION_TOKENS = 1024

const tokensOfText = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN)

const tokensOfJson = (value: unknown): number =>
  value === undefined || value === null ? 0 : tokensOfText(JSON.stringify(value))

const tokensOfPart = (part: ContentPart | string): number => {
  if (typeof part === 'string') return tokensOfText(part)
  return typeof part?.text === 'string' ? tokensOfText(part.text) : TOKENS_PER_MEDIUM
}

const tokensOfMessage = ({ content, tool_calls: toolCalls }: ChatMessage): number => {
  const parts = Array.isArray(content) ? content : [content ?? '']
  return parts.reduce<number>(
    (sum, part) => sum + tokensOfPart(part),
    TOKENS_PER_MESSAGE + tokensOfJson(toolCalls)
  )
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0

/** What a request may use at most, as far as that can be told. */
export const estimateRequest = (request: ChatRequest): Usage => {
  const limits = [request.max_completion_tokens, request.max_tokens].filter(isCount)
  const choices = isCount(request.n) ? Math.max(1, request.n) : 1
  return usageOf(
    request.messages.reduce((sum, message) => sum + tokensOfMessage(message), 0) +
      tokensOfJson(request.tools) +
      tokensOfJson(request.response_format),
    // which of two an upstream heeds is its own affair
    choices * (limits.length > 0 ? Math.max(...limits) : DEFAULT_COMPLETION_TOKENS)
  )
}

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
