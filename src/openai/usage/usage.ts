/**
 * Reads the `usage` of every provider. Names differ, and so does which count contains which; all token
 * counts come from here, so no token is counted twice. Pure.
 */
import type { Usage } from '../chat.ts'

/** @returns a usage in OpenAI's shape */
export const usageOf = (promptTokens: number, completionTokens: number): Usage => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
})

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined

/** Names of the tier that the standard prices are of; `auto` is a wish, and says nothing of the answer. */
const STANDARD = new Set(['default', 'standard', 'auto'])
const TIER = /^[a-z][\w-]{0,30}$/i

/** Whether answers may be told apart by it. */
export const isTierName = (name: string): boolean => TIER.test(name) && !STANDARD.has(name)

const tierIn = (value: unknown): string | null =>
  typeof value === 'string' && isTierName(value) ? value : null

/**
 * The tier in which an answer was processed; null: the standard one, or not known. Anthropic's usage names it, and that
 * of others once `answerUsage` has put it there.
 */
export const serviceTierOf = (usage: Usage): string | null => tierIn(usage['service_tier'])

/** The usage of an answer, with the tier that OpenAI's answers name beside it. @param answer parsed JSON */
export const answerUsage = (answer: unknown): Usage | null => {
  const usage = memberOf(answer, 'usage')
  if (typeof usage !== 'object' || usage === null) return null
  const tier = tierIn(memberOf(answer, 'service_tier'))
  return tier === null ? (usage as Usage) : { ...(usage as Usage), service_tier: tier }
}

/** As a client gets it: the tier stands beside the usage. */
export const withoutTier = ({ service_tier: _tier, ...usage }: Usage): Usage => usage

/** What an engine does not report did not happen: no cache, sound, reasoning or prediction. */
const NO_PROMPT_DETAILS = { cached_tokens: 0, audio_tokens: 0 }
const NO_COMPLETION_DETAILS = {
  reasoning_tokens: 0,
  audio_tokens: 0,
  accepted_prediction_tokens: 0,
  rejected_prediction_tokens: 0,
}

/** An engine's usage with all the details that the API's has. */
export const detailedUsage = (usage: Usage): Usage => ({
  ...usage,
  prompt_tokens_details: { ...NO_PROMPT_DETAILS, ...usage.prompt_tokens_details },
  completion_tokens_details: {
    ...NO_COMPLETION_DETAILS,
    ...(usage['completion_tokens_details'] as object | undefined),
  },
})

/** Tokens; null where the provider gives no count, which differs from 0. */
export interface TokenCounts {
  /** all input, cached or not */
  input: number | null
  /** the part of the input that the provider's cache served */
  cachedInput: number | null
  /** the part of the input that was written to that cache */
  cacheWrite: number | null
  /** all output, with reasoning */
  output: number | null
  /** the part of the output that the client does not see */
  reasoning: number | null
}

type Path = readonly [name: string, inner?: string]

/**
 * Names of OpenAI's chat completions, of its responses (Anthropic's messages use the same) and of
 * Gemini. For caches also Anthropic's, DeepSeek's and Moonshot's, and OpenRouter's for writes.
 */
const INPUT: Path[] = [['prompt_tokens'], ['input_tokens'], ['prompt_token_count']]
const OUTPUT: Path[] = [['completion_tokens'], ['output_tokens'], ['candidates_token_count']]
const CACHED: Path[] = [
  ['prompt_tokens_details', 'cached_tokens'],
  ['input_tokens_details', 'cached_tokens'],
  ['cache_read_input_tokens'],
  ['prompt_cache_hit_tokens'],
  ['cached_content_token_count'],
  ['cached_tokens'],
]
const WRITTEN: Path[] = [
  ['prompt_tokens_details', 'cache_write_tokens'],
  ['cache_creation_input_tokens'],
]
const REASONING: Path[] = [
  ['completion_tokens_details', 'reasoning_tokens'],
  ['output_tokens_details', 'reasoning_tokens'],
]

/**
 * No request has a billion tokens. Counts of an upstream are summed for as long as the log is kept: 1e308 twice would
 * make a sum infinite, and all metrics unreadable.
 */
const MAX_TOKENS = 1e9

const countAt = (usage: Usage, [name, inner]: Path): number | null => {
  const outer = memberOf(usage, name)
  const value = inner === undefined ? outer : memberOf(outer, inner)
  const isCount =
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS
  return isCount ? (value as number) : null
}

/** @returns the largest: a provider that has two names for a count may set one of them to 0 */
const count = (usage: Usage, paths: Path[]): number | null =>
  paths.reduce<number | null>((most, path) => {
    const value = countAt(usage, path)
    return value === null ? most : Math.max(most ?? 0, value)
  }, null)

/**
 * Whether the input excludes cache tokens. Anthropic's `input_tokens` exclude them; every other
 * provider's input contains them. Gateways that give Anthropic's counts OpenAI's names do either, so
 * the sums decide.
 */
const excludesCache = (
  usage: Usage,
  input: number,
  output: number | null,
  cache: number
): boolean => {
  const isAnthropic =
    countAt(usage, ['cache_read_input_tokens']) !== null ||
    countAt(usage, ['cache_creation_input_tokens']) !== null
  if (!isAnthropic) return false
  if (countAt(usage, ['prompt_tokens']) === null) return true
  const total = countAt(usage, ['total_tokens'])
  return cache > input || (cache > 0 && total === input + cache + (output ?? 0))
}

/** Gemini's output excludes reasoning (`thoughts`); every other provider's output contains it. */
const outputOf = (usage: Usage, thoughts: number | null): number | null => {
  const output = count(usage, OUTPUT)
  return output === null || thoughts === null ? output : output + thoughts
}

/**
 * Sources: OpenAI "Prompt caching" (`cached_tokens` are part of `prompt_tokens`), Anthropic "Prompt
 * caching" (input = cache_read + cache_creation + input_tokens), DeepSeek "Context caching"
 * (prompt_tokens = hit + miss), Gemini `UsageMetadata` (the prompt includes cached content).
 */
export const tokenCounts = (usage: Usage): TokenCounts => {
  const thoughts = countAt(usage, ['thoughts_token_count'])
  const output = outputOf(usage, thoughts)
  const cachedInput = count(usage, CACHED)
  const cacheWrite = count(usage, WRITTEN)
  const input = count(usage, INPUT)
  const cache = (cachedInput ?? 0) + (cacheWrite ?? 0)
  return {
    input: input !== null && excludesCache(usage, input, output, cache) ? input + cache : input,
    cachedInput,
    cacheWrite,
    output,
    reasoning: thoughts ?? count(usage, REASONING),
  }
}
