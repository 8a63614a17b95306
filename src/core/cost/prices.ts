/**
 * The price file: prices of models, each with its date. Prices are configuration, never constants in
 * code. Knows nothing of traffic or coverage; that is `economics.ts`.
 */
import { AppError } from '../../errors.ts'
import type { Usage } from '../../openai/chat.ts'
import { isTierName, serviceTierOf, tokenCounts } from '../../openai/usage/usage.ts'
import type { ChargedTokens } from '../log/traffic-hours.ts'
import { priceAt, type Amounts, type LongContext, type Tier, type Tiered } from './price-tiers.ts'

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

type Test = (value: unknown) => boolean

const isAmount: Test = (value) => Number.isFinite(value) && (value as number) >= 0

/** YYYY-MM-DD */
export const isDate = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value))

const optional =
  (test: Test): Test =>
  (value) =>
    value === undefined || test(value)

const DOLLARS = 'dollars per million tokens'
const TOKENS = 'a number of tokens'
const MINUTES = 'a number of minutes'

type Rule = [test: Test, wanted: string]

const isPositive: Test = (value) => isAmount(value) && value !== 0

const isFields: Test = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const AMOUNTS: Record<keyof Amounts, Rule> = {
  input: [isAmount, DOLLARS],
  cachedInput: [isAmount, DOLLARS],
  cacheWrite: [optional(isAmount), DOLLARS],
  output: [isAmount, DOLLARS],
}

const LONG_CONTEXT: Record<keyof LongContext, Rule> = {
  aboveTokens: [isPositive, 'a number of tokens above 0'],
  ...AMOUNTS,
}

const TIER: Record<keyof Tier, Rule> = {
  ...AMOUNTS,
  longContext: [optional(isFields), 'an object with aboveTokens and prices'],
}

const PRICE: Record<keyof Price, Rule> = {
  model: [(value) => typeof value === 'string' && value !== '', 'a model name'],
  asOf: [isDate, 'a date, YYYY-MM-DD'],
  source: [optional((value) => typeof value === 'string'), 'a text'],
  ...TIER,
  serviceTiers: [optional(isFields), 'an object with the prices of each tier'],
  minCachedPrefixTokens: [optional(isAmount), TOKENS],
  cacheLifeMinutes: [optional(isAmount), MINUTES],
  maxOutputTokens: [optional(isAmount), TOKENS],
  maxImageTokens: [optional(isAmount), TOKENS],
  deprecatedOn: [optional(isDate), 'a date, YYYY-MM-DD'],
}

type Fields = Record<string, unknown>

const wrongFields = (fields: Fields, rules: Record<string, Rule>, place: string): string[] => [
  ...Object.keys(fields)
    .filter((name) => !Object.hasOwn(rules, name))
    .map((name) => `${place}${name} is not a field of a price`),
  ...Object.entries(rules)
    .filter(([name, [test]]) => !test(fields[name]))
    .map(([name, [, wanted]]) => `${place}${name} must be ${wanted}`),
]

/** Of a member that holds an object; of another one the rules say what is wrong. */
const within = (value: unknown, read: (fields: Fields) => string[]): string[] =>
  isFields(value) ? read(value as Fields) : []

const wrongTier = (fields: Fields, rules: Record<string, Rule>, place: string): string[] => [
  ...wrongFields(fields, rules, place),
  ...within(fields['longContext'], (long) =>
    wrongFields(long, LONG_CONTEXT, `${place}longContext.`)
  ),
]

const mistakesOf = (entry: unknown, place: number): string[] => {
  if (!isFields(entry)) return [`entry ${place} is not an object`]
  const fields = entry as Fields
  return [
    ...wrongTier(fields, PRICE, `entry ${place}: `),
    ...within(fields['serviceTiers'], (tiers) =>
      Object.entries(tiers).flatMap(([name, tier]) => {
        const own = `entry ${place}: serviceTiers.${name}`
        if (!isTierName(name))
          return [`${own} is no tier of an answer; prices of the standard one stand beside model`]
        return isFields(tier)
          ? wrongTier(tier as Fields, TIER, `${own}.`)
          : [`${own} must be an object`]
      })
    ),
  ]
}

/** Of two rows of one day none is the newest. */
const repeated = (entries: readonly unknown[]): string[] => {
  const days = entries.map((entry) => {
    const { model, asOf } = (entry ?? {}) as Fields
    return `${String(model)} of ${String(asOf)}`
  })
  return days.flatMap((day, place) =>
    days.indexOf(day) < place ? [`entry ${place}: an earlier entry is ${day}, too`] : []
  )
}

const parseArray = (text: string): unknown[] => {
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value)) return value as unknown[]
  } catch (cause) {
    throw new AppError('invalid-config', 'the price file is not JSON', { cause })
  }
  throw new AppError('invalid-config', 'the price file must be a list of prices')
}

/** @throws AppError `invalid-config` that names all mistakes */
export const parsePrices = (text: string): Price[] => {
  const entries = parseArray(text)
  const wrong = entries.flatMap(mistakesOf)
  const mistakes = wrong.length > 0 ? wrong : repeated(entries)
  if (mistakes.length > 0)
    throw new AppError('invalid-config', `the price file: ${mistakes.join('; ')}`)
  return entries as Price[]
}

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

/**
 * US dollars that an answer of another model of the upstream has saved, with as many tokens; null without a price of
 * both, and without usage.
 */
export const savedByOther = (
  prices: readonly Price[],
  { model, other }: { model: string; other: string },
  usage: Usage | null
): number | null => {
  const [before, now] = [costUsd(prices, model, usage), costUsd(prices, other, usage)]
  return before === null || now === null ? null : before - now
}

/**
 * US dollars that the caller did not pay the upstream for one answer; null without a price of the model.
 * The removed prompt counts at the cached-input price, because a caller with a warm cache pays that for a
 * recurring prompt. Without usage of the engine, only the removed prompt is credited.
 */
export const savedUsd = (
  prices: readonly Price[],
  model: string,
  promptTokensSaved: number,
  usage: Usage | null
): number | null => {
  const price = findPrice(prices, model)
  if (price === null) return null
  const counts = usage && tokenCounts(usage)
  const isCached = promptTokensSaved >= (price.minCachedPrefixTokens ?? 0)
  return (
    PER_MILLION *
    (promptTokensSaved * (isCached ? price.cachedInput : price.input) +
      (counts?.input ?? 0) * price.input +
      (counts?.output ?? 0) * price.output)
  )
}
