/**
 * What a million requests of the task's template cost, all sent to the upstream and as routed, with
 * the provider's cache warm and without one. The upstream of the benchmark caches nothing, so both
 * are computed: T template tokens are what an answered request did not read.
 */
import { callCosts, savingsOf, type CallShape } from '../../src/core/cost/economics.ts'
import { findPrice, type Price } from '../../src/core/cost/prices.ts'
import type { Outcome } from '../../test/kit/traffic/send-all.ts'
import { mean, type Figures } from '../../test/kit/report.ts'
import type { Rendered } from './figures.ts'

const MILLION = 1e6

export interface TaskCalls {
  /** tokens of a whole prompt, and of what an answered request read instead */
  fullTokens: number
  answeredTokens: number
  outputTokens: number
  /** shares of the requests */
  answered: number
  discarded: number
  /** time of the engine for one request of the test, as busy as it was there */
  engineSeconds: number
}

export interface TaskPrices {
  prices: readonly Price[]
  /** that the client asked for */
  model: string
  /** null: not set, and the engine counts nothing */
  usdPerHour: number | null
}

/** Of the test rows, as they were routed. */
export const taskCalls = (
  test: Rendered,
  outcomes: Outcome[],
  {
    lanes,
    fullTokens,
    answeredTokens,
  }: { lanes: number; fullTokens: number; answeredTokens: number }
): TaskCalls => {
  const shareOf = (route: string): number =>
    outcomes.filter((outcome) => outcome.route === route).length / outcomes.length
  const asked = outcomes.filter(({ route }) => route === 'answered' || route === 'fallback')
  const askedMs = asked.reduce((sum, { lastTokenMs }) => sum + lastTokenMs, 0)
  return {
    fullTokens,
    // where nothing was answered, nothing is removed
    answeredTokens: shareOf('answered') === 0 ? fullTokens : answeredTokens,
    // as the replay upstream counts them
    outputTokens: mean(test.rows.map((row) => Math.max(1, Math.ceil(row.answer.length / 4)))),
    answered: shareOf('answered'),
    discarded: shareOf('fallback'),
    engineSeconds: askedMs / 1000 / lanes / outcomes.length,
  }
}

interface Column {
  usd_per_million: number
  saved_usd_per_million: number
  engine_usd_per_million: number
  net_usd_per_million: number
}

const column = (
  calls: TaskCalls,
  { upstream, usdPerHour }: { upstream: Price; usdPerHour: number },
  isWarm: boolean
): Column => {
  const templateTokens = Math.max(0, calls.fullTokens - calls.answeredTokens)
  const shape: CallShape = {
    templateTokens,
    queryTokens: calls.fullTokens - templateTokens,
    outputTokens: calls.outputTokens,
    cacheHitShare: isWarm ? templateTokens / calls.fullTokens : 0,
    cacheWriteShare: isWarm ? null : 0,
  }
  const volume = { answered: MILLION * calls.answered, discarded: MILLION * calls.discarded }
  const costs = callCosts(shape, upstream, null)
  const engineUsd = (MILLION * calls.engineSeconds * usdPerHour) / 3600
  const savings = savingsOf(costs, volume, { engineUsd, trainingUsd: 0 })
  return {
    usd_per_million: MILLION * costs.now,
    saved_usd_per_million: savings.grossUsd,
    engine_usd_per_million: engineUsd,
    net_usd_per_million: savings.netUsd,
  }
}

const figuresOf = (values: Column, suffix: string): Figures =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${name}${suffix}`, { value, unit: 'USD' }])
  )

/**
 * The plain names are with the provider's cache warm, which is what a caller of a recurring prompt
 * pays; `_no_cache` without. Empty without a price of the client's model.
 */
export const costFigures = (
  calls: TaskCalls,
  { prices, model, usdPerHour }: TaskPrices
): Figures => {
  const upstream = findPrice(prices, model)
  if (upstream === null) return {}
  const priced = { upstream, usdPerHour: usdPerHour ?? 0 }
  return {
    price_as_of: { value: upstream.asOf, unit: model },
    engine_usd_per_hour: { value: usdPerHour ?? 'not set', unit: 'USD' },
    ...figuresOf(column(calls, priced, true), ''),
    ...figuresOf(column(calls, priced, false), '_no_cache'),
  }
}

/** Rows of the closing table. */
export const costTable = (figures: Figures): string[][] => {
  const names = Object.keys(figures).filter((name) => `${name}_no_cache` in figures)
  const dollars = (name: string): string => Number(figures[name]!.value).toFixed(2)
  return names.map((name) => [
    name
      .replace('_usd_per_million', '')
      .replaceAll('_', ' ')
      .replace(/^usd per million$/, 'now'),
    dollars(name),
    dollars(`${name}_no_cache`),
  ])
}
