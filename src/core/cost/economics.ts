/**
 * What answers save, on one basis: what they would have cost at the upstream's price with its cache, less what ours
 * cost. Before a training the same with the coverage that is expected decides whether it pays. Arithmetic over
 * measured traffic and configured prices.
 */
import { dollars } from '../figure-text.ts'
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
  /** what answers in its place; 0 for the engine, whose hours are paid */
  ours: number
}

/** Prompts under the minimum are never cached. */
const costOf = (call: CallShape, price: Price): number => {
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

/** @param other of another model of the upstream that answers, which reads the whole prompt; null: the engine does */
export const callCosts = (call: CallShape, upstream: Price, other: Price | null): CallCosts => ({
  now: costOf(call, upstream),
  ours: other === null ? 0 : costOf(call, other),
})

/** Calls in some period, or shares of them. */
export interface Volume {
  /** by ours */
  answered: number
  /** answered by both, because our answer was discarded */
  discarded: number
}

/** Dollars in the same period. */
export interface OwnCosts {
  engineUsd: number
  /** of training, and of the upstream's answers for the evaluation */
  trainingUsd: number
}

/** Dollars in the same period. */
export interface Savings extends OwnCosts {
  /** of the answers, before all that follows */
  grossUsd: number
  /** cost of our discarded answers */
  discardedUsd: number
  netUsd: number
}

export const savingsOf = (
  { now, ours }: CallCosts,
  { answered, discarded }: Volume,
  { engineUsd, trainingUsd }: OwnCosts
): Savings => {
  const grossUsd = answered * (now - ours)
  const discardedUsd = discarded * ours
  return {
    grossUsd,
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
  /** dollars, once: of training and evaluation */
  onceUsd: number
}

export type Verdict = 'pays' | 'does-not-pay' | 'unknown'

export interface Worth {
  verdict: Verdict
  /** why, for a person to read */
  reason: string
  /** training is spread over six months; null where the calls a month are not known */
  monthly: Savings | null
}

const HORIZON_MONTHS = 6
const MAX_PAYBACK_DAYS = 60
const DAYS_PER_MONTH = 365 / 12

export const unknownWorth = (reason: string): Worth => ({
  verdict: 'unknown',
  reason,
  monthly: null,
})

/** @param usd saved a month after the engine, before training @returns null: it pays */
const whyNot = (usd: number, { engineUsd, onceUsd, coverage }: Plan): string | null => {
  if (usd <= 0)
    return engineUsd > 0
      ? `it saves ${coverage.source === 'assumed' ? 'at most ' : ''}${dollars(usd + engineUsd)} a month, and its share of the engine costs ${dollars(engineUsd)}`
      : `it would cost ${dollars(-usd)} a month more than it saves`
  const paybackDays = (onceUsd / usd) * DAYS_PER_MONTH
  return paybackDays > MAX_PAYBACK_DAYS
    ? `training and evaluation come back after ${Math.ceil(paybackDays)} days, more than ${MAX_PAYBACK_DAYS}`
    : null
}

const payingReason = (usd: number, costs: CallCosts, plan: Plan, calls: number): string => {
  if (plan.coverage.source !== 'assumed') return `it saves ${dollars(usd)} a month`
  // the coverage c at which c·now − ours = engine a call, with ours asked for every call
  const least = (costs.ours + plan.engineUsd / calls) / costs.now
  return `it saves at most ${dollars(usd)} a month, and pays from a coverage of ${Math.ceil(100 * least)} % on`
}

const judged = (costs: CallCosts, plan: Plan, calls: number): Worth => {
  const { coverage, engineUsd, onceUsd } = plan
  const volume = { answered: calls * coverage.answered, discarded: calls * coverage.discarded }
  const monthly = savingsOf(costs, volume, { engineUsd, trainingUsd: onceUsd / HORIZON_MONTHS })
  const recurring = monthly.netUsd + monthly.trainingUsd
  const missed = whyNot(recurring, plan)
  return {
    verdict: missed === null ? 'pays' : 'does-not-pay',
    reason: missed ?? payingReason(recurring, costs, plan, calls),
    monthly,
  }
}

/**
 * Pays if a month saves something after all recurring costs, and training and evaluation come back within 60 days.
 * Latency, room in the context and rate limits are not counted.
 */
export const worthOf = (costs: CallCosts, plan: Plan): Worth => {
  if (costs.now <= costs.ours)
    return {
      ...unknownWorth(
        `an answer of the other model costs ${dollars(costs.ours)} and one of the upstream ${dollars(costs.now)}`
      ),
      verdict: 'does-not-pay',
    }
  if (plan.callsPerMonth === null)
    return unknownWorth(
      'its calls in the log cover less than a day, too little to estimate the calls a month'
    )
  if (plan.callsPerMonth === 0) return unknownWorth('the log has no calls of this template')
  return judged(costs, plan, plan.callsPerMonth)
}
