/**
 * Figures of the traffic by the hour, which stay when their records are deleted. Latencies are counted in
 * buckets, so that hours can be merged and a quantile still be told. Knows nothing of stores.
 */
import type { Usage } from '../../openai/chat.ts'
import { serviceTierOf, tokenCounts } from '../../openai/usage/usage.ts'
import { groupBy } from '../group-by.ts'
import type { RecordHead } from './record.ts'
import { isSuccess } from '../http-status.ts'

export const HOUR_MS = 3_600_000

/** Longest time that the figures of an hour are kept. */
export const TRAFFIC_RETENTION_MS = 400 * 24 * HOUR_MS

const BUCKETS = 32
/** Shorter latencies are in the first bucket, longer ones in the last. */
const [LEAST_MS, MOST_MS] = [1, 600_000]
/** From one border of a bucket to the next: the factor is 1.52. */
const STEP = Math.log(MOST_MS / LEAST_MS) / BUCKETS

/** Number of latencies in each bucket: bucket i begins at 600,000^(i / 32) ms. */
export type LatencyHistogram = number[]

/** Tokens of one answer, or of many. */
export interface ChargedTokens {
  /** all input, cached or not */
  input: number
  cachedInput: number
  cacheWrite: number
  output: number
}

/** Tokens of the upstream's answers of one model that have one price, as the provider counted them. */
export interface Charged extends ChargedTokens {
  model: string
  /** that the answers name; absent: the standard one, or not known */
  serviceTier?: string
  /** their requests had more input tokens, one of `LENGTHS`; absent: than none of them */
  longerThan?: number
  /** answers whose tokens are known */
  answers: number
}

/** Requests of one template that its lora was asked for. */
export interface Asked {
  version: string
  answered: number
  /** the lora's answer was thrown away, and the upstream answered */
  discarded: number
}

/** Sums over the records that arrived within one hour, or within a longer time after `mergeHours`. */
export interface TrafficHour {
  /** milliseconds since the epoch, start */
  hour: number
  /** all that were logged */
  requests: number
  /** a live template matched */
  matched: number
  /** by a lora */
  answered: number
  /** with a status of 500 or more: the client got no answer, but an error of the server's side, ours or the upstream's */
  failed: number
  /** of the upstream's answers, where the provider counted them */
  promptTokens: number
  promptTokensSaved: number
  /** of at most 64 models: what they cost follows from the prices of the day on which it is read */
  charged: Charged[]
  /** answers of the upstream whose tokens are not known, or of further models */
  uncounted: number
  asked: Asked[]
  /** of answers that moves have bought in this hour, and of no client's; absent where there are none */
  bought?: Charged[]
  /** from the request to the end of an answer with status 2xx, by who answered; imported records have none */
  latency: { lora: LatencyHistogram; upstream: LatencyHistogram }
}

export const noLatencies = (): LatencyHistogram => Array<number>(BUCKETS).fill(0)

const bucketOf = (ms: number): number => {
  const bucket = Math.floor(Math.log(ms / LEAST_MS) / STEP)
  return Math.min(BUCKETS - 1, Math.max(0, bucket))
}

const nothingIn = (hour: number): TrafficHour => ({
  hour,
  requests: 0,
  matched: 0,
  answered: 0,
  failed: 0,
  promptTokens: 0,
  promptTokensSaved: 0,
  charged: [],
  uncounted: 0,
  asked: [],
  latency: { lora: noLatencies(), upstream: noLatencies() },
})

/** Requests of several hours that failed. */
export const failuresIn = (hours: readonly TrafficHour[]): number =>
  hours.reduce((sum, { failed }) => sum + failed, 0)

/** What of a record counts. */
export interface CountedRecord {
  head: Pick<RecordHead, 'at' | 'model' | 'status' | 'durationMs' | 'route' | 'bought'>
  /** as the provider counted it */
  usage: Usage | null
}

const addAsked = (rows: Asked[], more: Asked): void => {
  const at = rows.findIndex(({ version }) => version === more.version)
  const known = rows[at]
  if (known === undefined) return void rows.push(more)
  rows[at] = {
    version: more.version,
    answered: known.answered + more.answered,
    discarded: known.discarded + more.discarded,
  }
}

/** The client wrote the names of models: so many are told apart. */
const MAX_MODELS = 64

/** Providers ask more of requests with more input tokens (src/core/cost/price-table.ts). */
const LENGTHS = [272_000, 200_000, 128_000, 100_000]

/** The upstream writes the names of tiers: a model has so many rows with one; the others count as the standard tier. */
const MAX_TIER_ROWS = 30

const withKnownTier = (rows: readonly Charged[], more: Charged): Charged => {
  const { serviceTier, ...standard } = more
  if (serviceTier === undefined) return more
  const own = rows.filter((row) => row.model === more.model && row.serviceTier !== undefined)
  const isTold = own.length < MAX_TIER_ROWS || own.some((row) => row.serviceTier === serviceTier)
  return isTold ? more : standard
}

/** Adds tokens to those of the same price. @returns false, and adds nothing, where so many rows of others are there */
const addTokens = (rows: Charged[], added: Charged, mostRows: number): boolean => {
  const more = withKnownTier(rows, added)
  const at = rows.findIndex(
    ({ model, serviceTier, longerThan }) =>
      model === more.model && serviceTier === more.serviceTier && longerThan === more.longerThan
  )
  const known = rows[at]
  if (known === undefined) return rows.length < mostRows && rows.push(more) > 0
  rows[at] = {
    ...known,
    answers: known.answers + more.answers,
    input: known.input + more.input,
    cachedInput: known.cachedInput + more.cachedInput,
    cacheWrite: known.cacheWrite + more.cacheWrite,
    output: known.output + more.output,
  }
  return true
}

const addCharged = (sum: Pick<TrafficHour, 'charged' | 'uncounted'>, more: Charged): void => {
  if (!addTokens(sum.charged, more, MAX_MODELS)) sum.uncounted += more.answers
}

/** @returns null where the tokens are not known */
const chargedOf = (model: string, usage: Usage | null): Charged | null => {
  const counts = usage && tokenCounts(usage)
  if (counts === null || counts.input === null || counts.output === null) return null
  const { input, cachedInput, cacheWrite, output } = counts
  const serviceTier = usage && serviceTierOf(usage)
  const longerThan = LENGTHS.find((tokens) => input > tokens)
  return {
    model,
    ...(serviceTier !== null && { serviceTier }),
    ...(longerThan !== undefined && { longerThan }),
    answers: 1,
    input,
    cachedInput: cachedInput ?? 0,
    cacheWrite: cacheWrite ?? 0,
    output,
  }
}

const addCharge = (sum: TrafficHour, model: string, usage: Usage | null): void => {
  const charged = chargedOf(model, usage)
  if (charged === null) sum.uncounted++
  else addCharged(sum, charged)
}

/** Of the operator's moves, whose models have prices; an answer without usage adds nothing. */
const addBought = (sum: TrafficHour, rows: readonly Charged[]): void => {
  if (rows.length === 0) return
  sum.bought ??= []
  for (const row of rows) addTokens(sum.bought, row, Infinity)
}

const addRecord = (sum: TrafficHour, { head, usage }: CountedRecord): void => {
  const { model, status, durationMs, route } = head
  const isLora = route?.outcome === 'answered'
  sum.requests++
  if (route !== null) sum.matched++
  if (status >= 500) sum.failed++
  if (isLora) sum.answered++
  else if (usage !== null) sum.promptTokens += tokenCounts(usage).input ?? 0
  if (!isLora && isSuccess(status)) addCharge(sum, model, usage)
  if (route !== null && route.outcome !== 'skipped')
    addAsked(sum.asked, {
      version: route.templateVersion,
      answered: isLora ? 1 : 0,
      discarded: isLora ? 0 : 1,
    })
  sum.promptTokensSaved += route?.promptTokensSaved ?? 0
  const isTimed = isSuccess(status) && durationMs > 0
  if (isTimed) sum.latency[isLora ? 'lora' : 'upstream'][bucketOf(durationMs)]!++
}

/** @returns the hours of the records, in no order */
export const trafficOf = (records: readonly CountedRecord[]): TrafficHour[] => {
  const hours = new Map<number, TrafficHour>()
  for (const record of records) {
    const { usage } = record
    const { at, model, bought } = record.head
    const hour = Math.floor((bought?.at ?? at) / HOUR_MS) * HOUR_MS
    const sum = hours.get(hour) ?? nothingIn(hour)
    if (bought === undefined) addRecord(sum, record)
    else {
      const charged = chargedOf(model, usage)
      addBought(sum, charged === null ? [] : [charged])
    }
    hours.set(hour, sum)
  }
  return [...hours.values()]
}

const addLatencies = (a: LatencyHistogram, b: LatencyHistogram): LatencyHistogram =>
  a.map((count, bucket) => count + b[bucket]!)

/** Both together, with the first one's start. */
export const addHours = (a: TrafficHour, b: TrafficHour): TrafficHour => {
  const named = {
    charged: [...a.charged],
    uncounted: a.uncounted + b.uncounted,
    asked: [...a.asked],
  }
  for (const row of b.charged) addCharged(named, row)
  for (const row of b.asked) addAsked(named.asked, row)
  const sum: TrafficHour = {
    hour: a.hour,
    requests: a.requests + b.requests,
    matched: a.matched + b.matched,
    answered: a.answered + b.answered,
    failed: a.failed + b.failed,
    promptTokens: a.promptTokens + b.promptTokens,
    promptTokensSaved: a.promptTokensSaved + b.promptTokensSaved,
    ...named,
    latency: {
      lora: addLatencies(a.latency.lora, b.latency.lora),
      upstream: addLatencies(a.latency.upstream, b.latency.upstream),
    },
  }
  for (const { bought = [] } of [a, b]) addBought(sum, bought)
  return sum
}

/**
 * Sums of longer times, in the order of the hours. @param hours oldest first
 * @param bucketMs whole hours; the times begin at multiples of it since the epoch
 */
export const mergeHours = (hours: readonly TrafficHour[], bucketMs: number): TrafficHour[] => {
  const startOf = ({ hour }: TrafficHour): number => Math.floor(hour / bucketMs) * bucketMs
  return [...groupBy(hours, startOf)].map(([start, group]) =>
    group.reduce(addHours, nothingIn(start))
  )
}

/**
 * Latency that a share of the answers stay below, interpolated on the log scale within its bucket, so the
 * error is less than the factor 1.52.
 * @param share 0 to 1 @returns milliseconds; null without a latency
 */
export const quantile = (histogram: LatencyHistogram, share: number): number | null => {
  const total = histogram.reduce((sum, count) => sum + count, 0)
  let left = Math.min(1, Math.max(0, share)) * total
  let bucket = 0
  for (const count of histogram) {
    if (count > 0 && left <= count) return LEAST_MS * Math.exp((bucket + left / count) * STEP)
    left -= count
    bucket++
  }
  return null
}
