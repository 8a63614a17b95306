/**
 * Prices of models, each with its date, and what an answer costs at them. Knows nothing of traffic or coverage; that is
 * `economics.ts`.
 */
import type { Usage } from '../../openai/chat.ts'
import { serviceTierOf, tokenCounts } from '../../openai/usage/usage.ts'
import type { ChargedTokens } from '../log/traffic-hours.ts'

/** US dollars per million tokens. */
export interface Price extends Tiered {
  model: string
  /** day on which the price was read, YYYY-MM-DD */
  asOf: string
  /** page that it was read from */
  source?: string
  /** prompts shorter than this are not cached by the provider; 0 when absent */
  minCachedPrefixTokens?: number
  /** minutes for which the provider's cache keeps a prefix that no request reads; 5 when absent */
  cacheLifeMinutes?: number
  /** length of the longest answer, for budgets of keys; unknown when absent */
  maxOutputTokens?: number
  /** of one image, for budgets of keys; unknown when absent */
  maxImageTokens?: number
  /** day on which the provider retires the model, YYYY-MM-DD; unknown when absent */
  deprecatedOn?: string
}

export const PER_MILLION = 1e-6

/** OpenAI, "Prompt caching": 5 to 10 minutes of inactivity; Anthropic: 5 minutes. */
const CACHE_LIFE_MINUTES = 5

/** OpenAI and Anthropic ("Prompt caching"), of most models; a lower one would promise savings that there may not be. */
const CACHED_FROM_TOKENS = 1024

/** Tokens of the shortest prefix that counts as cacheable where a mend of the cache is priced. */
export const leastCachedTokens = (price: Price | null): number =>
  price?.minCachedPrefixTokens ?? CACHED_FROM_TOKENS

/** Milliseconds for which the provider's cache keeps a prefix. @param price null: not known */
export const cacheLifeMs = (price: Price | null): number =>
  60_000 * (price?.cacheLifeMinutes ?? CACHE_LIFE_MINUTES)

/** YYYY-MM-DD */
export const isDate = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value))

/** A dated model such as `gpt-4o-mini-2024-07-18` or `claude-haiku-4-5-20251001` without its date. */
export const withoutDate = (model: string): string => model.replace(/-\d{4}-?\d{2}-?\d{2}$/, '')

/** The newest price of the model, by its exact name or else by its name without a trailing date. */
export const findPrice = (prices: readonly Price[], model: string): Price | null => {
  const newest = (name: string): Price | undefined =>
    prices
      .filter((price) => price.model === name)
      .toSorted((a, b) => (a.asOf < b.asOf ? 1 : -1))
      .at(0)
  return newest(model) ?? newest(withoutDate(model)) ?? null
}

/** US dollars, with cached tokens and writes to the provider's cache at their own prices. */
export const tokensCost = (
  price: Price,
  { input, cachedInput, cacheWrite, output }: ChargedTokens
): number =>
  PER_MILLION *
  (Math.max(0, input - cachedInput - cacheWrite) * price.input +
    cachedInput * price.cachedInput +
    cacheWrite * (price.cacheWrite ?? price.input) +
    output * price.output)

/**
 * Charged by the provider for one answer, in the tier that its usage names; null where `usage` lacks the input or the
 * output.
 */
export const requestCost = (price: Price, usage: Usage): number | null => {
  const { input, cachedInput, cacheWrite, output } = tokenCounts(usage)
  if (input === null || output === null) return null
  return tokensCost(priceAt(price, input, serviceTierOf(usage)), {
    input,
    cachedInput: cachedInput ?? 0,
    cacheWrite: cacheWrite ?? 0,
    output,
  })
}

/** The same by the model's name; null also without a price of it and without usage. */
export const costUsd = (
  prices: readonly Price[],
  model: string,
  usage: Usage | null
): number | null => {
  const price = usage && findPrice(prices, model)
  return price && requestCost(price, usage)
}

/** US dollars per million tokens. */
export interface Amounts {
  input: number
  cachedInput: number
  /** of a token that is written to the provider's cache; `input` when absent */
  cacheWrite?: number
  output: number
}

/** Prices of the whole request, where it has more input tokens. */
export interface LongContext extends Amounts {
  aboveTokens: number
}

export interface Tier extends Amounts {
  /** absent: requests of any length have one price */
  longContext?: LongContext
}

export interface Tiered extends Tier {
  /** by the `service_tier` of the answer; absent: all have one price */
  serviceTiers?: Record<string, Tier>
}

/**
 * The price of requests with so many input tokens; the price itself where the standard one counts.
 * @param serviceTier of the answer; null: the standard one, or not known
 */
export const priceAt = <P extends Tiered>(
  price: P,
  inputTokens: number,
  serviceTier: string | null
): P => {
  const { serviceTiers = {} } = price
  const named = serviceTier !== null && Object.hasOwn(serviceTiers, serviceTier)
  const tier: Tier = (named ? serviceTiers[serviceTier] : undefined) ?? price
  const { longContext } = tier
  const isLong = longContext !== undefined && inputTokens > longContext.aboveTokens
  if (tier === price && !isLong) return price
  const { input, cachedInput, cacheWrite = input, output } = isLong ? longContext : tier
  return { ...price, input, cachedInput, cacheWrite, output }
}
