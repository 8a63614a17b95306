/**
 * A chat completion that may be asked of several upstreams in turn, or of one again. Only while the
 * client has seen nothing, and only where the upstream has not begun to work on it or says itself that
 * it cannot: a request that may be under way is paid for.
 */
import type { IncomingMessage } from 'node:http'
import { Attempt, type Judge } from './attempt.ts'
import type { Breaker } from '../breaker.ts'
import { headerOf, UPSTREAM_HEADER } from '../headers.ts'
import type { ProxyMetrics } from '../metrics/metrics.ts'
import { retryAfterMs, type Retries } from './retries.ts'
import type { ExchangeEnd } from '../reasons.ts'
import { sendLater, type Upstream } from './upstream.ts'
import { isPassing, isUnsendable, UpstreamAnswer, type Passage } from './upstream-answer.ts'

export interface Target {
  /** null where there is one upstream alone: then an answer does not say whose it is */
  name: string | null
  /** sent in place of any other credential; null sends what the passage says */
  apiKey: string | null
  upstream: Upstream
  breaker: Breaker
  retries: Retries
}

export interface TurnsDeps {
  metrics: Pick<ProxyMetrics, 'failover'>
  keepAliveMs: number
  /** how long an upstream may ask to wait before it is asked again; 0 asks none again */
  retryAfterMaxMs: number
  /** milliseconds since the epoch */
  now: () => number
}

/** The upstream cannot answer now, and another may. */
const FALLBACK_STATUSES = new Set([502, 503, 504, 529])
/** The upstream may say when to ask again. */
const RETRY_STATUSES = new Set([429, 503])

/** The passage as it is for one upstream: with its key and its name. */
const passageTo = (target: Target, passage: Passage): Passage => ({
  client: passage.client,
  capture: passage.capture,
  hidesUsage: passage.hidesUsage,
  apiKey: target.apiKey ?? passage.apiKey,
  addedHeaders:
    target.name === null
      ? passage.addedHeaders
      : [...passage.addedHeaders, UPSTREAM_HEADER, target.name],
  onEnd: (end: ExchangeEnd) => passage.onEnd(end, target),
})

export class Turns implements Judge {
  private readonly deps: TurnsDeps
  private readonly incoming: IncomingMessage
  private readonly body: Buffer
  private readonly passage: Passage
  /** not asked yet, the first choice first */
  private readonly line: Target[]
  private target: Target
  /** how often it has been asked */
  private attempts = 0
  /** the first answer that there was, while others are asked for a better one */
  private held: Attempt | null = null

  constructor(
    deps: TurnsDeps,
    request: { incoming: IncomingMessage; body: Buffer; passage: Passage },
    targets: readonly [Target, ...Target[]]
  ) {
    this.deps = deps
    this.incoming = request.incoming
    this.body = request.body
    this.passage = request.passage
    this.line = [...targets]
    this.target = targets[0]
  }

  begin(): void {
    this.turnTo(this.next() ?? this.target)
  }

  begun(attempt: Attempt, status: number, headers: string[]): void {
    // what the client has begun to see cannot be taken back, an interim answer included
    if (status < 200) return this.pass(attempt)
    if (status >= 500) this.target.breaker.failed()
    else this.target.breaker.succeeded()
    if (FALLBACK_STATUSES.has(status) && this.passOver(attempt)) return
    // an error of a stand-in, such as 401 for its key, says less than the first one
    if (status >= 400 && this.releaseHeld()) return attempt.drop()
    if (RETRY_STATUSES.has(status) && this.askAgain(attempt, headers)) return
    this.pass(attempt)
  }

  failed(_attempt: Attempt, error: Error, wasSent: boolean): boolean {
    if (this.passage.client.gone || isUnsendable(error)) return false
    const { breaker, upstream } = this.target
    breaker.failed()
    const goesOn = this.goOn(error, wasSent)
    // else the exchange ends with it, and its answer reports it
    if (goesOn) upstream.failed(error)
    return goesOn
  }

  private goOn(error: Error, wasSent: boolean): boolean {
    if (!wasSent && this.turnToNext('not-connected')) return true
    if (this.releaseHeld()) return true
    return !wasSent && isPassing(error) && this.askLater(0)
  }

  /** Whoever's breaker is open comes last. But it comes: there may be nothing better. */
  private next(): Target | null {
    const ready = this.line.findIndex(({ breaker }) => breaker.allows())
    // counted once a request
    if (this.attempts === 0) this.countPaused(Math.max(0, ready))
    return this.line.splice(Math.max(0, ready), 1)[0] ?? null
  }

  private countPaused(count: number): void {
    for (const { name } of this.line.slice(0, count))
      if (name !== null) this.deps.metrics.failover(name, 'paused')
  }

  private turnTo(target: Target): void {
    this.target = target
    this.attempts = 0
    target.retries.request()
    this.ask()
  }

  /** @returns false when nobody is left */
  private turnToNext(reason: 'not-connected' | 'unavailable'): boolean {
    const { name } = this.target
    const next = this.next()
    if (next === null) return false
    if (name !== null) this.deps.metrics.failover(name, reason)
    // the failed attempt comes to its end first
    queueMicrotask(() => this.turnTo(next))
    return true
  }

  private ask(): void {
    const { client } = this.passage
    this.attempts++
    const answer = new UpstreamAnswer(passageTo(this.target, this.passage), {
      keepAliveMs: this.deps.keepAliveMs,
      tryAgain: () => false,
      failed: this.target.upstream.failed,
    })
    const attempt = new Attempt(this, answer)
    client.onGone(() => {
      attempt.cancel()
      this.held?.cancel()
    })
    const { upstream, apiKey } = this.target
    upstream.ask(this.incoming, this.body, apiKey ?? this.passage.apiKey, attempt)
  }

  private pass(attempt: Attempt): void {
    if (this.held?.isHeld) this.held.drop()
    attempt.pass()
  }

  /** For an answer that says that there is none. @returns false when nobody is left */
  private passOver(attempt: Attempt): boolean {
    if (!this.turnToNext('unavailable')) return false
    if (this.held?.isHeld) attempt.drop()
    else {
      attempt.hold()
      this.held = attempt
    }
    return true
  }

  private releaseHeld(): boolean {
    if (!this.held?.isHeld) return false
    this.held.release()
    return true
  }

  private askAgain(attempt: Attempt, headers: string[]): boolean {
    const { now, retryAfterMaxMs } = this.deps
    if (retryAfterMaxMs === 0) return false
    const waitMs = retryAfterMs(headerOf(headers, 'retry-after'), now())
    if (waitMs === null || waitMs > retryAfterMaxMs || !this.askLater(waitMs)) return false
    attempt.drop()
    return true
  }

  /** @returns false when there is to be no further attempt */
  private askLater(leastMs: number): boolean {
    const waitMs = this.target.retries.next(this.attempts)
    if (waitMs === null) return false
    sendLater(this.passage, Math.max(leastMs, waitMs), () => this.ask())
    return true
  }
}
