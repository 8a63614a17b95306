/**
 * How much traffic a template has and how many tokens a call of it takes, from its records. Tokens
 * are as the upstream counted them. Pure; knows nothing of prices.
 */
import type { ChatMessage, ChatRequest } from '../../openai/chat.ts'
import { tokenCounts } from '../../openai/usage.ts'
import { messageText } from '../request/request-scan.ts'
import { templateKeyOf, type Matcher } from '../match/match.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import type { StoredRecord } from '../log/record.ts'

/** What is read of a record without its bodies. */
export type LoggedCall = Pick<StoredRecord, 'at' | 'status' | 'usage' | 'route' | 'estimatedUsage'>

/** Of the calls that the upstream answered, means per call. */
export interface UpstreamTokens {
  calls: number
  /** true: the upstream counted none of them, and a tokenizer did */
  isEstimated: boolean
  promptTokens: number
  outputTokens: number
  /** share of the prompt tokens that the provider's cache served; null where it does not say */
  cacheHitShare: number | null
  /** share of them that were written to the cache; null where it does not say */
  cacheWriteShare: number | null
}

/** A part of the log, and the calls in it. */
export interface TrafficWindow {
  calls: number
  /** milliseconds since the epoch */
  from: number
  to: number
}

export interface TemplateTraffic {
  window: TrafficWindow
  /** null where the window is shorter than a day */
  callsPerMonth: number | null
  /** null without a call that the upstream answered */
  upstream: UpstreamTokens | null
  /** share of a prompt's text that goes with the template; null where no text is left */
  removedShare: number | null
  /** share of the fallbacks for which the lora was asked, and its answer thrown away */
  discardedShare: number
}

const DAY_MS = 86_400_000
const DAYS_PER_MONTH = 365 / 12

const isPaid = ({ status }: LoggedCall): boolean => status >= 200 && status < 300

export const isOfUpstream = (call: LoggedCall): boolean =>
  isPaid(call) && call.route?.outcome !== 'answered'

const sumOf = (values: (number | null)[]): number =>
  values.reduce<number>((sum, value) => sum + (value ?? 0), 0)

/** Null where no usage has it: absent is not 0. */
const shareOf = (parts: (number | null)[], whole: number): number | null => {
  if (whole === 0 || parts.every((part) => part === null)) return null
  return Math.min(1, sumOf(parts) / whole)
}

/** Of what the upstream counted; of the estimates where it counted nothing. */
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
    cacheHitShare: shareOf(
      counts.map(({ cachedInput }) => cachedInput),
      prompt
    ),
    cacheWriteShare: shareOf(
      counts.map(({ cacheWrite }) => cacheWrite),
      prompt
    ),
  }
}

/**
 * Extrapolated to a month. Traffic follows the day, so less than a day says nothing about one.
 * @param captureShare of the calls that are logged, 0 to 1
 */
export const callsPerMonth = (
  { calls, from, to }: TrafficWindow,
  captureShare: number
): number | null => {
  const days = (to - from) / DAY_MS
  return days < 1 || captureShare === 0 ? null : (calls / days / captureShare) * DAYS_PER_MONTH
}

const bytesOf = (messages: ChatMessage[]): number =>
  messages.reduce((sum, message) => sum + Buffer.byteLength(messageText(message) ?? ''), 0)

const requestOf = ({ request }: StoredRecord): ChatRequest | null => {
  try {
    const parsed = JSON.parse(request) as ChatRequest | null
    return Array.isArray(parsed?.messages) ? parsed : null
  } catch {
    // pruned, or over the log's limit
    return null
  }
}

/**
 * Share of the prompt's text that the adapted model does not read. Bytes stand for tokens: the
 * upstream counts the whole prompt, and its tokenizer is not at hand for the parts.
 */
export const removedShare = (matcher: Matcher, records: readonly StoredRecord[]): number | null => {
  let whole = 0
  let left = 0
  for (const record of records) {
    const request = requestOf(record)
    const match = request && matcher.match(templateKeyOf(request, record.tenant), request.messages)
    if (!match) continue
    whole += bytesOf(request.messages)
    left += bytesOf(studentMessages(match, EMPTY_PROMPT))
  }
  return whole === 0 ? null : Math.max(0, 1 - left / whole)
}

/** Share of the fallbacks for which the lora was asked; 0 without fallbacks. */
export const discardedShare = (calls: readonly LoggedCall[]): number => {
  const fallbacks = calls.flatMap(({ route }) => (route?.outcome === 'fallback' ? [route] : []))
  if (fallbacks.length === 0) return 0
  return fallbacks.filter(({ asked }) => asked === true).length / fallbacks.length
}
