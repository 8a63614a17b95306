/**
 * Running totals of one template's requests, in fixed memory: how many, when, their tokens, and the share of
 * their text that a template's removal would take away.
 */
import { bytesOf, TokenMeans, type UpstreamTokens } from '../cost/template-traffic.ts'
import { estimateUsage, type CountTokens } from '../log/estimate-usage.ts'
import type { ExchangeRecord } from '../log/record.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import type { Match } from '../template/template.ts'
import type { ReadExchange } from './exchange.ts'
import { isSuccess } from '../http-status.ts'

/** A tokenizer takes milliseconds for a request, and the prompts of a template are alike. */
const ESTIMATED_CALLS = 50
const MEASURED_TEXTS = 500

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
  private readonly counted = new TokenMeans()
  private readonly estimated = new TokenMeans()
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
    return this.counted.means(false) ?? this.estimated.means(true)
  }

  /** Share of a prompt's text that a route does not read, 0 to 1; in bytes, like `removedShare`. */
  removedShare(): number | null {
    return this.promptBytes === 0 ? null : Math.max(0, 1 - this.leftBytes / this.promptBytes)
  }

  private addTokens(record: TalliedCall['record']): void {
    if (record.usage !== null) return this.counted.add(record.usage)
    if (this.countTokens === null || this.estimated.calls >= ESTIMATED_CALLS) return
    const estimate = estimateUsage(record, this.countTokens)
    if (estimate !== null) this.estimated.add(estimate)
  }
}
