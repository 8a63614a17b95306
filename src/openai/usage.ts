/**
 * What a provider's `usage` means. Every provider has its own names, and what is contained in what
 * differs: read here once, so that nobody counts a token twice. Pure.
 */
import type { Usage } from './chat.ts'

/** A usage in OpenAI's shape, of what was counted here. */
export const usageOf = (promptTokens: number, completionTokens: number): Usage => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
})

/** Tokens; null where the provider does not say: absent is not 0. */
export interface TokenCounts {
  /** all that the model read, from a cache or not */
  input: number | null
  /** of the input, what the provider's cache served */
  cachedInput: number | null
  /** of the input, what was written to that cache */
  cacheWrite: number | null
  /** all that the model wrote, reasoning too */
  output: number | null
  /** of the output, what the client does not see */
  reasoning: number | null
}

type Path = readonly [name: string, inner?: string]

/**
 * OpenAI's chat completions, its responses (Anthropic's messages have the same names), Gemini; then
 * for caches also Anthropic, DeepSeek and Moonshot, and OpenRouter's name for writes.
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

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined

const countAt = (usage: Usage, [name, inner]: Path): number | null => {
  const outer = memberOf(usage, name)
  const value = inner === undefined ? outer : memberOf(outer, inner)
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}

/** The largest: a provider that says one thing under two names leaves one of them at 0. */
const count = (usage: Usage, paths: Path[]): number | null =>
  paths.reduce<number | null>((most, path) => {
    const value = countAt(usage, path)
    return value === null ? most : Math.max(most ?? 0, value)
  }, null)

/**
 * Whether cache tokens come beside the input. Anthropic's `input_tokens` are what no cache had to do
 * with; everybody else's input contains them. Gateways give Anthropic's under OpenAI's names in
 * both ways: then the sums decide.
 */
const areBeside = (usage: Usage, input: number, output: number | null, cache: number): boolean => {
  const isAnthropic =
    countAt(usage, ['cache_read_input_tokens']) !== null ||
    countAt(usage, ['cache_creation_input_tokens']) !== null
  if (!isAnthropic) return false
  if (countAt(usage, ['prompt_tokens']) === null) return true
  const total = countAt(usage, ['total_tokens'])
  return cache > input || (cache > 0 && total === input + cache + (output ?? 0))
}

/** Gemini counts its thoughts beside what it answers; elsewhere the output contains reasoning. */
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
    input: input !== null && areBeside(usage, input, output, cache) ? input + cache : input,
    cachedInput,
    cacheWrite,
    output,
    reasoning: thoughts ?? count(usage, REASONING),
  }
}
