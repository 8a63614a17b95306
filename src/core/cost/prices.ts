/**
 * The price file: what models cost, with the date at which it held. Prices are configuration, never
 * constants in code. Knows nothing of traffic or coverage; that is `economics.ts`.
 */
import { AppError } from '../../errors.ts'
import type { Usage } from '../../openai/chat.ts'
import { tokenCounts } from '../../openai/usage.ts'

/** US dollars per million tokens. */
export interface Price {
  model: string
  /** day at which it held, YYYY-MM-DD */
  asOf: string
  input: number
  cachedInput: number
  /** of a token that is written to the provider's cache; `input` when absent */
  cacheWrite?: number
  output: number
  /** prompts shorter than this are not cached by the provider; 0 when absent */
  minCachedPrefixTokens?: number
  /** the longest answer that the model gives, for budgets of keys; unknown when absent */
  maxOutputTokens?: number
  /** the most tokens that an image takes, for budgets of keys; unknown when absent */
  maxImageTokens?: number
}

const DATE = /^\d{4}-\d{2}-\d{2}$/

const isPositiveNumber = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0

const isDate = (value: unknown): boolean =>
  typeof value === 'string' && DATE.test(value) && !Number.isNaN(Date.parse(value))

const optional =
  (test: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || test(value)

const FIELDS: Record<keyof Price, [test: (value: unknown) => boolean, wanted: string]> = {
  model: [(value) => typeof value === 'string' && value !== '', 'a model name'],
  asOf: [isDate, 'a date, YYYY-MM-DD'],
  input: [isPositiveNumber, 'dollars per million tokens'],
  cachedInput: [isPositiveNumber, 'dollars per million tokens'],
  cacheWrite: [optional(isPositiveNumber), 'dollars per million tokens'],
  output: [isPositiveNumber, 'dollars per million tokens'],
  minCachedPrefixTokens: [optional(isPositiveNumber), 'a number of tokens'],
  maxOutputTokens: [optional(isPositiveNumber), 'a number of tokens'],
  maxImageTokens: [optional(isPositiveNumber), 'a number of tokens'],
}

const mistakesOf = (entry: unknown, place: number): string[] => {
  if (typeof entry !== 'object' || entry === null) return [`entry ${place} is not an object`]
  const fields = entry as Record<string, unknown>
  const unknown = Object.keys(fields)
    .filter((name) => !(name in FIELDS))
    .map((name) => `entry ${place}: ${name} is not a field of a price`)
  const wrong = Object.entries(FIELDS)
    .filter(([name, [test]]) => !test(fields[name]))
    .map(([name, [, wanted]]) => `entry ${place}: ${name} must be ${wanted}`)
  return [...unknown, ...wrong]
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

/** @throws AppError `invalid-config` that names every mistake at once */
export const parsePrices = (text: string): Price[] => {
  const entries = parseArray(text)
  const mistakes = entries.flatMap(mistakesOf)
  if (mistakes.length > 0)
    throw new AppError('invalid-config', `the price file: ${mistakes.join('; ')}`)
  return entries as Price[]
}

/** A dated model such as `gpt-4o-mini-2024-07-18` without its date. */
const withoutDate = (model: string): string => model.replace(/-\d{4}-\d{2}-\d{2}$/, '')

/** The newest price of the model, by its exact name or else without a trailing date. */
export const findPrice = (prices: readonly Price[], model: string): Price | null => {
  const newest = (name: string): Price | undefined =>
    prices
      .filter((price) => price.model === name)
      .toSorted((a, b) => (a.asOf < b.asOf ? 1 : -1))
      .at(0)
  return newest(model) ?? newest(withoutDate(model)) ?? null
}

const PER_MILLION = 1e-6

/** What reading the recurring prompt costs the caller today when the cache is warm. */
const cachedInput = (price: Price, prefixTokens: number): number =>
  prefixTokens >= (price.minCachedPrefixTokens ?? 0) ? price.cachedInput : price.input

/**
 * What the provider charges for one answer, cached tokens and writes to its cache at their own
 * prices; null where it does not say what was read and written.
 */
export const requestCost = (price: Price, usage: Usage): number | null => {
  const { input, cachedInput: cached, cacheWrite, output } = tokenCounts(usage)
  if (input === null || output === null) return null
  const [hits, writes] = [cached ?? 0, cacheWrite ?? 0]
  const plain = Math.max(0, input - hits - writes)
  return (
    PER_MILLION *
    (plain * price.input +
      hits * price.cachedInput +
      writes * (price.cacheWrite ?? price.input) +
      output * price.output)
  )
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
 * Dollars that the caller did not pay the upstream for one answer; null without a price of the model.
 * The removed prompt counts at the cached-input price, because that is what a caller with a warm cache
 * pays for a recurring prompt today. Where the engine does not say what it read and wrote, the removed
 * prompt alone is credited. Noted at each answer; what the answer cost is `economics.ts`.
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
  return (
    PER_MILLION *
    (promptTokensSaved * cachedInput(price, promptTokensSaved) +
      (counts?.input ?? 0) * price.input +
      (counts?.output ?? 0) * price.output)
  )
}
