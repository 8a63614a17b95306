/**
 * A template's traffic and the tokens of one of its calls, from its records. Tokens are as the upstream
 * counted them. Knows nothing of prices.
 */
import { DAY_MS } from '../days.ts'
import { detectResponseType } from '../answer/response-type.ts'
import { findAnswerForm } from '../answer/answer-form.ts'
import { outcomeOf } from '../answer/outcome.ts'
import { answerTexts, clearRequestOf, completionOf } from '../log/record-bodies.ts'
import type { ChatMessage, ChatRequest } from '../../openai/chat.ts'
import { serviceTierOf, tokenCounts, type TokenCounts } from '../../openai/usage/usage.ts'
import { messageText } from '../request/request-scan.ts'
import { templateKeyOf, type Matcher } from '../match/match.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import type { Match } from '../template/template.ts'
import type { RouteOutcome, StoredRecord } from '../log/record.ts'
import { isDrawn } from '../rollout/population.ts'
import { isSuccess } from '../http-status.ts'

/** A record without its bodies. */
export type LoggedCall = Pick<StoredRecord, 'at' | 'status' | 'usage' | 'route' | 'estimatedUsage'>

/** Means per call, over the calls that the upstream answered. */
export interface UpstreamTokens {
  calls: number
  /** true: a tokenizer counted them, because the upstream counted none */
  isEstimated: boolean
  promptTokens: number
  outputTokens: number
  /** share of the prompt tokens read from the provider's cache; null where it reports none */
  cacheHitShare: number | null
  /** share of them written to the cache; null where it reports none */
  cacheWriteShare: number | null
  /** of all of them; null: the standard one, or several */
  serviceTier: string | null
}

/** A part of the log, and the calls in it. */
export interface TrafficWindow {
  calls: number
  /** milliseconds since the epoch */
  from: number
  to: number
}

/** What became of the newest calls with a live route. */
export interface AskedCalls {
  answered: number
  /** the lora was asked, and its answer thrown away */
  discarded: number
  /** share of those that the lora may not answer, whoever's side was drawn */
  unfitShare: number
}

export interface TemplateTraffic {
  window: TrafficWindow
  /** null where the window is shorter than a day */
  callsPerMonth: number | null
  /** null without a call that the upstream answered */
  upstream: UpstreamTokens | null
  /** share of a prompt's text that internalization removes; null where the log has no text */
  removedShare: number | null
  /** the newest answers are free text without a form, which no route may give */
  isFreeText: boolean
  asked: AskedCalls
}

const DAYS_PER_MONTH = 365 / 12

const isPaid = ({ status }: LoggedCall): boolean => isSuccess(status)

export const isOfUpstream = (call: LoggedCall): boolean =>
  isPaid(call) && call.route?.outcome !== 'answered'

const sumOf = (values: (number | null)[]): number =>
  values.reduce<number>((sum, value) => sum + (value ?? 0), 0)

/** Null where no usage has the count: absent is not 0. */
const shareOf = (
  counts: TokenCounts[],
  kind: 'cachedInput' | 'cacheWrite',
  whole: number
): number | null => {
  const isKnown = whole > 0 && counts.some((each) => each[kind] !== null)
  return isKnown ? Math.min(1, sumOf(counts.map((each) => each[kind])) / whole) : null
}

/** @param tiers of calls @returns null where they differ */
export const onlyTier = (tiers: ReadonlySet<string | null>): string | null =>
  tiers.size === 1 ? ([...tiers][0] ?? null) : null

/** From the upstream's counts; from estimates where it counted no call. */
export const upstreamTokens = (calls: readonly LoggedCall[]): UpstreamTokens | null => {
  const own = calls.filter(isOfUpstream)
  const counted = own.flatMap(({ usage }) => usage ?? [])
  const isEstimated = counted.length === 0
  const usages = isEstimated ? own.flatMap(({ estimatedUsage }) => estimatedUsage ?? []) : counted
  const counts = usages
    .map(tokenCounts)
    .filter(({ input, output }) => input !== null && output !== null)
  if (counts.length === 0) return null
  const prompt = sumOf(counts.map(({ input }) => input))
  return {
    calls: counts.length,
    isEstimated,
    promptTokens: prompt / counts.length,
    outputTokens: sumOf(counts.map(({ output }) => output)) / counts.length,
    cacheHitShare: shareOf(counts, 'cachedInput', prompt),
    cacheWriteShare: shareOf(counts, 'cacheWrite', prompt),
    serviceTier: onlyTier(new Set(usages.map(serviceTierOf))),
  }
}

/**
 * Extrapolated to a month; null below a day, because traffic varies over the day.
 * @param captureShare share of the calls that are logged, 0 to 1
 */
export const callsPerMonth = (
  { calls, from, to }: TrafficWindow,
  captureShare: number
): number | null => {
  const days = (to - from) / DAY_MS
  return days < 1 || captureShare === 0 ? null : (calls / days / captureShare) * DAYS_PER_MONTH
}

/** Of the texts. */
export const bytesOf = (messages: readonly ChatMessage[]): number =>
  messages.reduce((sum, message) => sum + Buffer.byteLength(messageText(message) ?? ''), 0)

/** Null without a request that can be read, and for one of another template. */
const matchedRequest = (
  matcher: Matcher,
  record: StoredRecord
): { request: ChatRequest; match: Match } | null => {
  const request = clearRequestOf(record)
  const match = request && matcher.match(templateKeyOf(request, record), request.messages)
  return request && match && { request, match }
}

/**
 * Share of the prompt's text that the adapted model does not read. Measured in bytes, because the upstream
 * counts only the tokens of the whole prompt.
 */
export const removedShare = (matcher: Matcher, records: readonly StoredRecord[]): number | null => {
  let whole = 0
  let left = 0
  for (const record of records) {
    const matched = matchedRequest(matcher, record)
    if (matched === null) continue
    whole += bytesOf(matched.request.messages)
    left += bytesOf(studentMessages(matched.match, EMPTY_PROMPT))
  }
  return whole === 0 ? null : Math.max(0, 1 - left / whole)
}

/** Fewer answers do not tell their type. */
const MIN_TYPED_ANSWERS = 20

/** Whether the answers have a form, which makes them comparable. */
const hasForm = (matcher: Matcher, records: readonly StoredRecord[]): boolean => {
  const exchanges = records.flatMap((record) => {
    const matched = matchedRequest(matcher, record)
    return matched === null
      ? []
      : [{ match: matched.match, outcome: outcomeOf(completionOf(record)) }]
  })
  return findAnswerForm(exchanges) !== null
}

/** By the type that a plan would give these answers. */
export const isFreeText = (matcher: Matcher, records: readonly StoredRecord[]): boolean => {
  const answers = records.flatMap((record) => answerTexts(record).join('\n') || [])
  if (answers.length < MIN_TYPED_ANSWERS || detectResponseType(answers) !== 'free-text')
    return false
  return !hasForm(matcher, records)
}

/**
 * Of calls with a live route. Those whose side was drawn (`traffic-share`, `audit`) could have been answered, and say
 * nothing about the lora: a canary draws most of them.
 */
export const askedOf = (calls: readonly LoggedCall[]): AskedCalls => {
  const routed = calls.flatMap(({ route }) => route ?? [])
  const count = (outcome: RouteOutcome['outcome']): number =>
    routed.filter((route) => route.outcome === outcome).length
  const unfit = routed.filter(({ outcome, reason }) => outcome === 'skipped' && !isDrawn(reason))
  return {
    answered: count('answered'),
    discarded: count('fallback'),
    unfitShare: routed.length === 0 ? 0 : unfit.length / routed.length,
  }
}
