/**
 * A log, read twice in bounded memory: the first pass finds the templates, the second counts their requests
 * and keeps exchanges of each. Knows nothing of files, heads or prices.
 */
import { HELD_OUT_MS } from '../learn/split.ts'
import { withConversations } from '../rollout/population.ts'
import { CacheScan } from '../cache/cache-scan.ts'
import type { CacheFinding, CacheRules } from '../cache/finding.ts'
import { createAnswerFormats } from '../answer/schema/answer-schema.ts'
import { outcomeOf, textOf } from '../answer/outcome.ts'
import { Detector } from '../detect/detect.ts'
import { valueIn } from '../lists.ts'
import { type CountTokens, estimateUsage } from '../log/estimate-usage.ts'
import { compileMatcher } from '../match/match.ts'
import { templateKeyOf } from '../template/template-key.ts'
import type { Template, Match } from '../template/template.ts'
import {
  bytesOfExchange,
  exchangeOf,
  readExchange,
  type ReadExchange,
  type ScannedExchange,
  type SingleExchange,
} from './exchange.ts'
import { WindowSample } from './window-sample.ts'
import { bytesOf, TokenMeans, type UpstreamTokens } from '../cost/template-traffic.ts'
import type { ExchangeRecord } from '../log/record.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import { isSuccess } from '../http-status.ts'

export interface LogScanOptions {
  /** distinct sessions that make a template */
  minSessions: number
  /** found before, such as those of a data directory */
  known: readonly Template[]
  /** exchanges kept of each template */
  sampleRows: number
  /** of all kept exchanges, before and in the window together */
  sampleBytes: number
  /** milliseconds since the epoch; later records come from a wrong clock and are only counted */
  now: number
  /** null: tokens that the upstream did not count stay unknown */
  countTokens: CountTokens | null
}

/** `at` of a record that has no time. */
export const UNKNOWN_TIME = -1

/** A template, its totals and some of its exchanges. */
export interface FoundTemplate {
  template: Template
  tally: Tally
  /** in the order of time */
  sample: ScannedExchange[]
  /** exchanges that a route may answer by their form, of which the sample has a part */
  population: number
  /** why answers cannot be checked against the response format; null where they can */
  unsupportedFormat: string | null
}

interface Counted extends Omit<FoundTemplate, 'sample'> {
  sample: WindowSample<SingleExchange>
}

/** A record with its place in time. */
interface Placed {
  record: ExchangeRecord
  read: ReadExchange
  /** `record.at` is a time, and not only a place */
  isTimed: boolean
}

/** Records before the first look for templates; each further one comes after twice as many. */
const FIRST_LOOK = 512

export class LogScan {
  /** chat requests that were read in the second pass */
  exchanges = 0
  /** those without a template */
  others = 0
  /** records without a body that can be read */
  withoutBody = 0
  /** known times of the log, milliseconds since the epoch; null where it has none */
  from: number | null = null
  to: number | null = null
  /** null after the first pass */
  private detector: Detector | null
  private observed = 0
  private nextLook = FIRST_LOOK
  private readonly formats = createAnswerFormats()
  private matcher = compileMatcher([])
  private cacheScan: CacheScan | null = null
  private counted = new Map<string, Counted>()
  /** of the record before, in this pass */
  private last = 0
  /** newest time that the clock has reached */
  private newest = 0

  constructor(private readonly options: LogScanOptions) {
    this.detector = new Detector({ minSessions: options.minSessions })
  }

  /** First pass. @param logged `at` is UNKNOWN_TIME where its line names none */
  observe(logged: ExchangeRecord): void {
    const placed = this.place(logged)
    if (placed === null) return
    const { record, read, isTimed } = placed
    if (isTimed) {
      this.from = Math.min(this.from ?? record.at, record.at)
      this.to = Math.max(this.to ?? record.at, record.at)
    }
    if (record.at <= this.options.now) this.newest = Math.max(this.newest, record.at)
    // pools of examples grow once their template is found
    if (++this.observed === this.nextLook) {
      this.nextLook *= 2
      this.detector?.candidates()
    }
    this.detector?.observe({
      key: templateKeyOf(read.request, record),
      messages: read.request.messages,
      at: record.at,
      response: textOf(outcomeOf(read.completion)),
    })
  }

  /** Between the passes. @returns number of templates; takes milliseconds for each group of requests */
  findTemplates(): number {
    const { known, sampleRows, sampleBytes, countTokens } = this.options
    const versions = new Set(known.map(({ version }) => version))
    const candidates = this.detector?.candidates() ?? []
    const found = candidates.filter(({ version }) => !versions.has(version))
    const templates = [...known, ...found]
    this.detector = null
    this.matcher = compileMatcher(templates)
    this.cacheScan = new CacheScan(templates, this.from !== null, countTokens)
    this.last = 0
    const bytes = sampleBytes / 2 / Math.max(1, templates.length)
    const from = this.newest - HELD_OUT_MS
    for (const template of templates)
      this.counted.set(template.version, {
        template,
        tally: new Tally(countTokens),
        sample: new WindowSample({ rows: sampleRows, bytes }, from),
        population: 0,
        unsupportedFormat: null,
      })
    return templates.length
  }

  /** Second pass. */
  count(logged: ExchangeRecord): void {
    const placed = this.place(logged)
    if (placed === null) {
      this.withoutBody++
      return
    }
    this.exchanges++
    const { record, read, isTimed } = placed
    const key = templateKeyOf(read.request, record)
    const match = this.matcher.match(key, read.request.messages)
    if (record.at <= this.options.now) this.cacheScan?.add(record, read.request, match)
    if (match === null) {
      this.others++
      return
    }
    const counted = valueIn(this.counted, match.template.version)
    counted.tally.add({ record, read, match, at: isTimed ? record.at : null })
    const exchange = exchangeOf(record, read, match)
    if (exchange === null) return
    // all requests of a template have one response format
    if (counted.population === 0)
      counted.unsupportedFormat = this.formats.unsupported(
        read.request,
        counted.template.responseFormat
      )
    counted.population++
    if (record.at <= this.options.now) counted.sample.add(exchange, bytesOfExchange(exchange))
  }

  /** Templates with a request in the log, most requests first. */
  results(): FoundTemplate[] {
    return [...this.counted.values()]
      .filter(({ tally }) => tally.requests > 0)
      .map((counted) => ({ ...counted, sample: withConversations(counted.sample.items()) }))
      .toSorted((a, b) => b.tally.requests - a.tally.requests)
  }

  /**
   * Why the provider's cache is not read, of templates and of requests without one; takes a second for each. To be asked
   * once: what is kept for it is released.
   */
  takeCacheFindings(rules: CacheRules): CacheFinding[] {
    const findings = [...(this.cacheScan?.findings(rules) ?? [])].flat()
    this.cacheScan = null
    return findings
  }

  /** A record without a time comes behind the one before it. @returns null without a readable body */
  private place(record: ExchangeRecord): Placed | null {
    const read = readExchange(record)
    if (read === null) return null
    const known = record.at === UNKNOWN_TIME ? null : record.at
    const at = known ?? this.last + 1
    if (at <= this.options.now) this.last = at
    return { record: { ...record, at }, read, isTimed: known !== null }
  }
}

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

  /** @param countTokens for calls whose upstream counted none; null: their tokens stay unknown */
  constructor(private readonly countTokens: CountTokens | null) {}

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
