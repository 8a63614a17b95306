/**
 * Does internalizing a template pay, and what of it is the prompt and what the smaller model?
 * Pure arithmetic over measured traffic and configured prices. In the formulas: T template, Q query
 * and O output tokens, h share of cache hits, w price factor of a cache write, p prices of the
 * upstream, p' of the adapted model, c coverage, V calls a month.
 */
import type { Usage } from '../openai/chat.ts'
import { tokenCounts } from '../openai/usage.ts'
import type { Price } from './prices.ts'

/** Token counts of one call, and how much of the prompt the provider's cache serves. */
export interface CallShape {
  /** removed with the prompt */
  templateTokens: number
  /** query with the kept slots */
  queryTokens: number
  outputTokens: number
  /** share of the template's tokens read from the provider's cache, 0 to 1 */
  cacheHitShare: number
}

/** Dollars per call. */
export interface CallCosts {
  /** what the caller pays today */
  now: number
  /** the smaller or tuned model with the whole prompt */
  keep: number
  /** the adapted model without it, falling back where it is unsure */
  internalized: number
}

/** Share of prompt tokens that came from the provider's cache over the logged calls. */
export const cacheHitShare = (usages: readonly Usage[]): number => {
  const counts = usages.map(tokenCounts)
  const prompt = counts.reduce((sum, { input }) => sum + (input ?? 0), 0)
  const cached = counts.reduce((sum, { cachedInput }) => sum + (cachedInput ?? 0), 0)
  return prompt === 0 ? 0 : Math.min(1, cached / prompt)
}

/** T·(h·p_cached + (1−h)·w·p_in) + Q·p_in + O·p_out; prompts under the minimum are never cached. */
const costWithPrompt = (call: CallShape, price: Price): number => {
  const cacheable = call.templateTokens >= (price.minCachedPrefixTokens ?? 0)
  const hits = cacheable ? call.cacheHitShare : 0
  const write = cacheable ? (price.cacheWrite ?? price.input) : price.input
  return (
    1e-6 *
    (call.templateTokens * (hits * price.cachedInput + (1 - hits) * write) +
      call.queryTokens * price.input +
      call.outputTokens * price.output)
  )
}

const costWithoutPrompt = (call: CallShape, price: Price): number =>
  1e-6 * (call.queryTokens * price.input + call.outputTokens * price.output)

export interface Prices {
  upstream: Price
  /** the adapted model; the same model with the prompt is what `keep` compares with */
  adapted: Price
}

/**
 * C_int = c·(Q·p'_in + O·p'_out) + (1−c)·(C_now + the discarded answer).
 * @param coverage share of requests that the adapted model answers, 0 to 1
 */
export const callCosts = (call: CallShape, prices: Prices, coverage: number): CallCosts => {
  const now = costWithPrompt(call, prices.upstream)
  const adapted = costWithoutPrompt(call, prices.adapted)
  return {
    now,
    keep: costWithPrompt(call, prices.adapted),
    internalized: coverage * adapted + (1 - coverage) * (now + adapted),
  }
}

export interface Plan {
  callsPerMonth: number
  coverage: number
  /** dollars a month that the engine costs whatever it answers: hourly hardware goes here */
  fixedPerMonth: number
  retrainingPerMonth: number
  /** dollars, once */
  training: number
  evaluation: number
  /** share of requests that stay on the upstream for good, as control */
  controlShare: number
  /** share of requests that both answer */
  shadowShare: number
  /** months until the template is expected to change */
  lifeMonths: number
}

export type Advice = 'internalize' | 'swap-model' | 'do-not-internalize'

export interface Economics {
  costs: CallCosts
  /** S, dollars a month after everything that recurs */
  savingsPerMonth: number
  /** S_int, of the gross: what removing the prompt earns against keeping it on the same model */
  promptSavingsPerMonth: number
  /** what the smaller model earns with the prompt kept */
  modelSavingsPerMonth: number
  /** null when it never pays back */
  paybackDays: number | null
  advice: Advice
  /** every bar that is missed, for a person to read; empty when all hold */
  reasons: string[]
}

const HORIZON_MONTHS = 6
const RETURN_ON_TRAINING = 3
const MAX_PAYBACK_DAYS = 60
const MIN_PROMPT_SHARE = 0.2
const DAYS_PER_MONTH = 365 / 12

const missedBars = (figures: Omit<Economics, 'advice' | 'reasons'>, plan: Plan): string[] => {
  const { savingsPerMonth, promptSavingsPerMonth, paybackDays } = figures
  if (savingsPerMonth <= 0) return ['it would cost more than it saves']
  const once = plan.training + plan.evaluation
  const horizon = Math.min(plan.lifeMonths, HORIZON_MONTHS)
  return [
    savingsPerMonth * horizon < RETURN_ON_TRAINING * once &&
      `savings over ${horizon} months are less than three times training and evaluation`,
    paybackDays !== null &&
      paybackDays > MAX_PAYBACK_DAYS &&
      `pays back after ${Math.ceil(paybackDays)} days, more than ${MAX_PAYBACK_DAYS}`,
    promptSavingsPerMonth < MIN_PROMPT_SHARE * savingsPerMonth &&
      'less than a fifth of the savings comes from removing the prompt',
  ].filter((reason) => reason !== false)
}

/** Removing the prompt must pay; where only the smaller model does, swapping it is the advice. */
const adviceOf = (reasons: string[], modelSavings: number): Advice => {
  if (reasons.length === 0) return 'internalize'
  return modelSavings > 0 ? 'swap-model' : 'do-not-internalize'
}

/**
 * Go if S·min(life, 6 months) ≥ 3·(train + evaluate), payback ≤ 60 days and S_int ≥ 20 % of S.
 * Hourly hardware has a price of 0 a token and its hours in `fixedPerMonth`: removing the prompt
 * then earns nothing by itself, and the advice says so. Latency, context room and rate limits are
 * reasons of their own that no dollar here stands for.
 */
export const assess = (call: CallShape, prices: Prices, plan: Plan): Economics => {
  const costs = callCosts(call, prices, plan.coverage)
  const perCall = costs.now - costs.internalized
  const gross = plan.callsPerMonth * perCall
  const control = plan.controlShare * gross
  const shadow = plan.shadowShare * plan.callsPerMonth * costs.now
  const savingsPerMonth = gross - control - shadow - plan.fixedPerMonth - plan.retrainingPerMonth
  const figures = {
    costs,
    savingsPerMonth,
    promptSavingsPerMonth: plan.callsPerMonth * (costs.keep - costs.internalized),
    modelSavingsPerMonth: plan.callsPerMonth * (costs.now - costs.keep) - plan.fixedPerMonth,
    paybackDays:
      savingsPerMonth > 0
        ? ((plan.training + plan.evaluation) / savingsPerMonth) * DAYS_PER_MONTH
        : null,
  }
  const reasons = missedBars(figures, plan)
  return { ...figures, advice: adviceOf(reasons, figures.modelSavingsPerMonth), reasons }
}
