/**
 * A template's traffic and the tokens of one of its calls, from its records. Tokens are as the upstream
 * counted them. Knows nothing of prices.
 */
import { DAY_MS } from '../days.ts'
import { detectResponseType } from '../answer/response-type.ts'
import { findAnswerForm } from '../answer/answer-form.ts'
import { outcomeOf } from '../answer/outcome.ts'
import { answerTexts, clearRequestOf, completionOf } from '../log/record-bodies.ts'
import type { ChatMessage, ChatRequest, Usage } from '../../openai/chat.ts'
import { serviceTierOf, tokenCounts } from '../../openai/usage/usage.ts'
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

const shareOf = (part: number | null, whole: number): number | null =>
  part === null || whole === 0 ? null : Math.min(1, part / whole)

/** Running sums over calls with a known input and output. */
export class TokenMeans {
  calls = 0
  private input = 0
  private output = 0
  /** null until a call reports it, which differs from 0 */
  private cachedInput: number | null = null
  private cacheWrite: number | null = null
  private readonly tiers = new Set<string | null>()

  add(usage: Usage): void {
    const { input, output, cachedInput, cacheWrite } = tokenCounts(usage)
    if (input === null || output === null) return
    this.calls++
    // an upstream that names each call's own is of several, too
    if (this.tiers.size < 2) this.tiers.add(serviceTierOf(usage))
    this.input += input
    this.output += output
    if (cachedInput !== null)
      this.cachedInput = (this.cachedInput ?? 0) + Math.min(cachedInput, input)
    if (cacheWrite !== null) this.cacheWrite = (this.cacheWrite ?? 0) + Math.min(cacheWrite, input)
  }

  /** Null without a call. @param isEstimated a tokenizer counted them */
  means(isEstimated: boolean): UpstreamTokens | null {
    const { calls, input, output, tiers } = this
    if (calls === 0) return null
    return {
      calls,
      isEstimated,
      promptTokens: input / calls,
      outputTokens: output / calls,
      cacheHitShare: shareOf(this.cachedInput, input),
      cacheWriteShare: shareOf(this.cacheWrite, input),
      serviceTier: tiers.size === 1 ? ([...tiers][0] ?? null) : null,
    }
  }
}

/** From the upstream's counts; from estimates where it counted no call. */
export const upstreamTokens = (calls: readonly LoggedCall[]): UpstreamTokens | null => {
  const own = calls.filter(isOfUpstream)
  const isEstimated = own.every(({ usage }) => usage === null)
  const means = new TokenMeans()
  for (const { usage, estimatedUsage } of own) {
    const counted = isEstimated ? estimatedUsage : usage
    if (counted) means.add(counted)
  }
  return means.means(isEstimated)
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
