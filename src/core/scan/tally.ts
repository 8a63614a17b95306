/**
 * Running totals of one template's requests, in fixed memory: how many, when, their tokens, and the share of
 * their text that a template's removal would take away.
 */
import type { Usage } from '../../openai/chat.ts'
import { serviceTierOf, tokenCounts } from '../../openai/usage/usage.ts'
import { bytesOf, onlyTier, type UpstreamTokens } from '../cost/template-traffic.ts'
import { estimateUsage, type CountTokens } from '../log/estimate-usage.ts'
import type { ExchangeRecord } from '../log/record.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import type { Match } from '../template/template.ts'
import type { ReadExchange } from './exchange.ts'
import { isSuccess } from '../http-status.ts'

/** A tokenizer takes milliseconds for a request, and the prompts of a template are alike. */
const ESTIMATED_CALLS = 50
const MEASURED_TEXTS = 500

/** Sums over calls with a known input and output. */
interface TokenSums {
  calls: number
  input: number
  output: number
  /** null until a call reports it, which differs from 0 */
  cachedInput: number | null
  cacheWrite: number | null
  tiers: Set<string | null>
}

const noTokens = (): TokenSums => ({
  calls: 0,
  input: 0,
  output: 0,
  cachedInput: null,
  cacheWrite: null,
  tiers: new Set(),
})

const addTokens = (sums: TokenSums, usage: Usage): void => {
  const { input, output, cachedInput, cacheWrite } = tokenCounts(usage)
  if (input === null || output === null) return
  sums.calls++
  // an upstream that names each call's own is of several, too
  if (sums.tiers.size < 2) sums.tiers.add(serviceTierOf(usage))
  sums.input += input
  sums.output += output
  if (cachedInput !== null)
    sums.cachedInput = (sums.cachedInput ?? 0) + Math.min(cachedInput, input)
  if (cacheWrite !== null) sums.cacheWrite = (sums.cacheWrite ?? 0) + Math.min(cacheWrite, input)
}

const shareOf = (part: number | null, whole: number): number | null =>
  part === null || whole === 0 ? null : Math.min(1, part / whole)

const meansOf = (
  { calls, input, output, cachedInput, cacheWrite, tiers }: TokenSums,
  isEstimated: boolean
): UpstreamTokens | null =>
  calls === 0
    ? null
    : {
        calls,
        isEstimated,
        promptTokens: input / calls,
        outputTokens: output / calls,
        cacheHitShare: shareOf(cachedInput, input),
        cacheWriteShare: shareOf(cacheWrite, input),
        serviceTier: onlyTier(tiers),
      }

export interface TalliedCall {
  record: Pick<ExchangeRecord, 'path' | 'status' | 'route' | 'usage' | 'request' | 'response'>
  read: ReadExchange
  match: Match
  /** milliseconds since the epoch; null where the log does not say */
  at: number | null
}

const isPaidToUpstream = ({ status, route }: TalliedCall['record']): boolean =>
  isSuccess(status) && route?.outcome !== 'answered'

export class Tally {
  requests = 0
  /** answered by a live route */
  answeredByRoute = 0
  /** times of the first and the last request; null where the log has none */
  from: number | null = null
  to: number | null = null
  private readonly counted = noTokens()
  private readonly estimated = noTokens()
  private texts = 0
  private promptBytes = 0
  private leftBytes = 0
  private readonly countTokens: CountTokens | null

  /** @param countTokens for calls whose upstream counted none; null: their tokens stay unknown */
  constructor(countTokens: CountTokens | null) {
    this.countTokens = countTokens
  }

  add({ record, read, match, at }: TalliedCall): void {
    this.requests++
    if (record.route?.outcome === 'answered') this.answeredByRoute++
    if (at !== null) {
      this.from = Math.min(this.from ?? at, at)
      this.to = Math.max(this.to ?? at, at)
    }
    if (isPaidToUpstream(record)) this.addTokens(record)
    if (this.texts < MEASURED_TEXTS) {
      this.texts++
      this.promptBytes += bytesOf(read.request.messages)
      this.leftBytes += bytesOf(studentMessages(match, EMPTY_PROMPT))
    }
  }

  /** Means per call; null where no call has a count or an estimate. */
  tokens(): UpstreamTokens | null {
    return meansOf(this.counted, false) ?? meansOf(this.estimated, true)
  }

  /** Share of a prompt's text that a route does not read, 0 to 1; in bytes, like `removedShare`. */
  removedShare(): number | null {
    return this.promptBytes === 0 ? null : Math.max(0, 1 - this.leftBytes / this.promptBytes)
  }

  private addTokens(record: TalliedCall['record']): void {
    if (record.usage !== null) return addTokens(this.counted, record.usage)
    if (this.countTokens === null || this.estimated.calls >= ESTIMATED_CALLS) return
    const estimate = estimateUsage(record, this.countTokens)
    if (estimate !== null) addTokens(this.estimated, estimate)
  }
}
