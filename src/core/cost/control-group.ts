/**
 * Cost and latency of the requests that a lora was asked for, against those of the audited ones. Each
 * conversation draws its side at random, so what differs between the two groups is the effect of the route.
 * Knows nothing of stores.
 */
import type { StoredRecord } from '../log/record.ts'
import { AUDIT } from '../rollout/pair.ts'
import { costUsd, requestCost, type Price } from './prices.ts'
import { isSuccess } from '../http-status.ts'
import { itemAt } from '../lists.ts'

/** A record without its bodies. */
export type RoutedCall = Pick<StoredRecord, 'model' | 'status' | 'durationMs' | 'usage' | 'route'>

export interface GroupFigures {
  /** that got an answer */
  requests: number
  /** US dollars, over the requests whose cost is known; null where no cost is known */
  meanUsd: number | null
  /** from the request to the end of its answer; null without a request */
  medianMs: number | null
}

export interface ControlComparison {
  /** by the lora */
  answered: GroupFigures
  /** the lora was asked, its answer was not given, and the upstream answered */
  fallback: GroupFigures
  /** both of these: the requests that the lora was asked for */
  treated: GroupFigures
  /** audited: the upstream answered as if there were no route */
  control: GroupFigures
}

export interface CallPrices {
  /** of all models */
  prices: readonly Price[]
  /**
   * Of the engine's base model, or of the other model that answers; null: it has no price per token, and the engine is
   * paid by the hour
   */
  adaptedPrice: Price | null | 'unknown'
}

interface Measured {
  usd: number | null
  ms: number
}

const median = (values: readonly number[]): number | null => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return null
  return (itemAt(sorted, Math.ceil(middle) - 1) + itemAt(sorted, Math.floor(middle))) / 2
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length

const figuresOf = (measured: readonly Measured[]): GroupFigures => ({
  requests: measured.length,
  meanUsd: mean(measured.flatMap(({ usd }) => usd ?? [])),
  medianMs: median(measured.map(({ ms }) => ms)),
})

/** Mean over both groups by their numbers of requests; null where the cost of one is not known. */
const weightedUsd = (groups: readonly GroupFigures[]): number | null => {
  let [usd, requests] = [0, 0]
  for (const group of groups) {
    if (group.requests === 0) continue
    if (group.meanUsd === null) return null
    usd += group.meanUsd * group.requests
    requests += group.requests
  }
  return requests === 0 ? null : usd / requests
}

/** A lora's answer costs nothing where the engine is paid by the hour. */
const answerCost = ({ usage }: RoutedCall, { adaptedPrice }: CallPrices): number | null => {
  if (adaptedPrice === null) return 0
  if (adaptedPrice === 'unknown') return null
  return usage && requestCost(adaptedPrice, usage)
}

const costOf = (call: RoutedCall, prices: CallPrices): number | null =>
  call.route?.outcome === 'answered'
    ? answerCost(call, prices)
    : costUsd(prices.prices, call.model, call.usage)

const isPaid = ({ status }: RoutedCall): boolean => isSuccess(status)

/**
 * The cost of a fallback is the upstream's; the tokens of the lora's discarded answer are not logged.
 * @param calls of one template; those of other loras, and those without an answer, are left out
 */
export const compareWithControl = (
  calls: readonly RoutedCall[],
  lora: string,
  prices: CallPrices
): ControlComparison => {
  const own = calls.flatMap((call) => {
    if (!isPaid(call) || call.route?.lora !== lora) return []
    return [{ route: call.route, usd: costOf(call, prices), ms: call.durationMs }]
  })
  const ofAnswered = own.filter(({ route }) => route.outcome === 'answered')
  const ofFallback = own.filter(({ route }) => route.outcome === 'fallback')
  const [answered, fallback] = [figuresOf(ofAnswered), figuresOf(ofFallback)]
  const treated = figuresOf([...ofAnswered, ...ofFallback])
  return {
    answered,
    fallback,
    treated: { ...treated, meanUsd: weightedUsd([answered, fallback]) },
    control: figuresOf(own.filter(({ route }) => route.reason === AUDIT)),
  }
}
