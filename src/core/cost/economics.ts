/**
 * Whether internalizing a template pays, and how much of the savings comes from removing the prompt and
 * how much from the smaller model. Arithmetic over measured traffic and configured prices. In the
 * formulas: T template, Q query and O output tokens, h share of cache hits, w price factor of a cache
 * write, p prices of the upstream, p' of the adapted model, c coverage, V calls a month.
 */
import { PER_MILLION, type Price } from './prices.ts'

/** Token counts of one call, and the share of its prompt in the provider's cache. */
export interface CallShape {
  /** removed by internalization */
  templateTokens: number
  /** query with the kept slots */
  queryTokens: number
  outputTokens: number
  /** share of the prompt's tokens read from the provider's cache, 0 to 1 */
  cacheHitShare: number
  /**
   * share of them written to that cache; null where the provider does not report it: then the part of
   * the template that was not read counts as written
   */
  cacheWriteShare: number | null
}

/** Dollars per call. */
export interface CallCosts {
  /** the upstream, as the caller pays today */
  now: number
  /** the adapted model with the whole prompt and its own caching */
  keep: number
  /** the adapted model without it, or with it where the prompt is not removed */
  adapted: number
}

/** T·(h·p_cached + (1−h)·w·p_in) + Q·p_in + O·p_out; prompts under the minimum are never cached. */
const costWithPrompt = (call: CallShape, price: Price): number => {
  const prompt = call.templateTokens + call.queryTokens
  const isCacheable = prompt >= (price.minCachedPrefixTokens ?? 0)
  const read = isCacheable ? call.cacheHitShare * prompt : 0
  const assumed = Math.max(0, call.templateTokens - read)
  const reported = call.cacheWriteShare === null ? assumed : call.cacheWriteShare * prompt
  const written = isCacheable ? Math.min(reported, prompt - read) : 0
  return (
    PER_MILLION *
    (read * price.cachedInput +
      written * (price.cacheWrite ?? price.input) +
      (prompt - read - written) * price.input +
      call.outputTokens * price.output)
  )
}

const costWithoutPrompt = (call: CallShape, price: Price): number =>
  PER_MILLION * (call.queryTokens * price.input + call.outputTokens * price.output)

export interface Prices {
  upstream: Price
  /** null: the adapted model runs on hardware paid by the hour, where a token has no price */
  adapted: Price | null
  /** another model of the upstream answers, which reads the whole prompt */
  readsPrompt?: boolean
}

export const callCosts = (
  call: CallShape,
  { upstream, adapted, readsPrompt = false }: Prices
): CallCosts => {
  const costOf = readsPrompt ? costWithPrompt : costWithoutPrompt
  return {
    now: costWithPrompt(call, upstream),
    keep: adapted === null ? 0 : costWithPrompt(call, adapted),
    adapted: adapted === null ? 0 : costOf(call, adapted),
  }
}

/** Calls in some period, or shares of them. */
export interface Volume {
  /** by the adapted model */
  answered: number
  /** answered by both, because the adapted model's answer was discarded */
  discarded: number
}

/**
 * C_int = (1−c)·C_now + (c + d)·C_adapted, d the share of calls whose adapted answer is discarded.
 * With the lora always asked c + d = 1.
 */
export const internalizedCost = (
  { now, adapted }: CallCosts,
  { answered, discarded }: Volume
): number => (1 - answered) * now + (answered + discarded) * adapted

/** Dollars in the same period. */
export interface OwnCosts {
  engineUsd: number
  /** of training, and of the upstream's answers for the evaluation */
  trainingUsd: number
}

/** Dollars in the same period. */
export interface Savings extends OwnCosts {
  /** from the change of model and the removal of the prompt */
  grossUsd: number
  /** from the smaller model alone, if it read the whole prompt */
  byModelUsd: number
  /** in addition, because it does not read the prompt */
  byPromptUsd: number
  /** cost of the adapted model's discarded answers */
  discardedUsd: number
  netUsd: number
}

/**
 * Net = V·(C_now − C_int) − fixed. The removal of the prompt earns C_keep − C_adapted a call and the
 * change of model C_now − C_keep, both for the calls that the adapted model answers.
 */
export const savingsOf = (
  { now, keep, adapted }: CallCosts,
  { answered, discarded }: Volume,
  { engineUsd, trainingUsd }: OwnCosts
): Savings => {
  const byModelUsd = answered * (now - keep)
  const byPromptUsd = answered * (keep - adapted)
  const grossUsd = byModelUsd + byPromptUsd
  const discardedUsd = discarded * adapted
  return {
    grossUsd,
    byModelUsd,
    byPromptUsd,
    discardedUsd,
    engineUsd,
    trainingUsd,
    netUsd: grossUsd - discardedUsd - engineUsd - trainingUsd,
  }
}

/**
 * Divides the engine's cost in proportion to the savings before it, so that each template's net has the
 * sign of the total, and a further template that saves something never looks like a loss.
 * @param savedUsd by template, before the engine's cost
 */
export const shareEngine = (engineUsd: number, savedUsd: readonly number[]): number[] => {
  const total = savedUsd.reduce((sum, saved) => sum + Math.max(0, saved), 0)
  return savedUsd.map((saved) =>
    total === 0 ? engineUsd / savedUsd.length : (engineUsd * Math.max(0, saved)) / total
  )
}

/** Shares of the matching calls, 0 to 1. */
export interface Coverage extends Volume {
  /** `assumed`: not trained yet, so the figures are an upper bound */
  source: 'assumed' | 'proven' | 'measured'
}

export interface Plan {
  /** null where the log is too short */
  callsPerMonth: number | null
  coverage: Coverage
  /** dollars a month, share of this template */
  engineUsd: number
  /** dollars, once */
  training: number
  evaluation: number
}

export type Verdict = 'pays' | 'does-not-pay' | 'unknown'

export interface Forecast {
  verdict: Verdict
  /** why, for a person to read */
  reason: string
  /** training is spread over six months; null where the calls a month are not known */
  monthly: Savings | null
  /** null when it never pays back or the calls a month are not known */
  paybackDays: number | null
  /** share of the calls that the adapted model must answer; above 1 it never pays */
  breakEvenCoverage: number | null
  /** less than a fifth of the savings comes from the removal of the prompt */
  isModelAlone: boolean
}

const HORIZON_MONTHS = 6
const RETURN_ON_TRAINING = 3
const MAX_PAYBACK_DAYS = 60
const MIN_PROMPT_SHARE = 0.2
const DAYS_PER_MONTH = 365 / 12

/** Two significant digits at least, because a call costs fractions of a cent. */
export const dollars = (usd: number): string =>
  Math.abs(usd) >= 1 || usd === 0 ? `${usd.toFixed(2)} USD` : `${Number(usd.toPrecision(2))} USD`

const percentText = (share: number): string => `${Math.ceil(share * 100)} %`

export const unknownForecast = (reason: string): Forecast => ({
  verdict: 'unknown',
  reason,
  monthly: null,
  paybackDays: null,
  breakEvenCoverage: null,
  isModelAlone: false,
})

/** @returns null when every bar holds */
const missedBar = (
  savings: Savings,
  once: number,
  paybackDays: number | null,
  most: string
): string | null => {
  const { engineUsd, trainingUsd } = savings
  const recurring = savings.netUsd + trainingUsd
  if (recurring <= 0)
    return engineUsd > 0
      ? `it saves ${most}${dollars(recurring + engineUsd)} a month, and its share of the engine costs ${dollars(engineUsd)}`
      : `it would cost ${dollars(-recurring)} a month more than it saves`
  if (recurring * HORIZON_MONTHS < RETURN_ON_TRAINING * once)
    return `it saves ${most}${dollars(recurring * HORIZON_MONTHS)} in ${HORIZON_MONTHS} months, less than three times the ${dollars(once)} of training and evaluation`
  if (paybackDays !== null && paybackDays > MAX_PAYBACK_DAYS)
    return `training and evaluation come back after ${Math.ceil(paybackDays)} days, more than ${MAX_PAYBACK_DAYS}`
  return null
}

const payingReason = (usd: number, breakEvenAt: number, source: Coverage['source']): string =>
  source === 'assumed'
    ? `it saves at most ${dollars(usd)} a month, and pays from a coverage of ${percentText(breakEvenAt)} on`
    : `it saves ${dollars(usd)} a month`

const judged = (costs: CallCosts, plan: Plan, calls: number): Forecast => {
  const { answered, discarded, source } = plan.coverage
  const once = plan.training + plan.evaluation
  const monthly = savingsOf(
    costs,
    { answered: calls * answered, discarded: calls * discarded },
    { engineUsd: plan.engineUsd, trainingUsd: once / HORIZON_MONTHS }
  )
  const recurring = monthly.netUsd + monthly.trainingUsd
  const paybackDays = recurring > 0 ? (once / recurring) * DAYS_PER_MONTH : null
  const most = source === 'assumed' ? 'at most ' : ''
  const missed = missedBar(monthly, once, paybackDays, most)
  // the coverage c at which c·C_now − C_adapted = engine/V, with the lora asked for every call
  const breakEvenCoverage = (costs.adapted + plan.engineUsd / calls) / costs.now
  return {
    verdict: missed === null ? 'pays' : 'does-not-pay',
    reason: missed ?? payingReason(recurring, breakEvenCoverage, source),
    monthly,
    paybackDays,
    breakEvenCoverage,
    isModelAlone: monthly.grossUsd > 0 && monthly.byPromptUsd < MIN_PROMPT_SHARE * monthly.grossUsd,
  }
}

/**
 * Pays if S > 0, S·6 months ≥ 3·(train + evaluate) and payback ≤ 60 days, where S is the saving a month
 * after all recurring costs. Hardware paid by the hour is part of `engineUsd` and has no price a token:
 * removing the prompt then saves nothing by itself, and `isModelAlone` is true. Latency, room in the
 * context and rate limits are not counted.
 */
export const forecast = (costs: CallCosts, plan: Plan): Forecast => {
  if (costs.now <= costs.adapted)
    return {
      ...unknownForecast(
        `an answer of the adapted model costs ${dollars(costs.adapted)} and one of the upstream ${dollars(costs.now)}`
      ),
      verdict: 'does-not-pay',
    }
  if (plan.callsPerMonth === null)
    return unknownForecast(
      'its calls in the log cover less than a day, too little to estimate the calls a month'
    )
  if (plan.callsPerMonth === 0) return unknownForecast('the log has no calls of this template')
  return judged(costs, plan, plan.callsPerMonth)
}
