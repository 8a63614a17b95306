/**
 * The attempts of one exchange: its upstream, the same one again, and the upstreams that stand in for
 * it. A further attempt is made only while the client has seen nothing, and only where the upstream
 * has not begun to work on the request or says that it cannot: a request under way is paid for.
 */
import { Readable } from 'node:stream'
import { AppError } from '../../errors.ts'
import { Attempt, type FailedWhile, type Judge, type Target } from './attempt.ts'
import { valuesOf } from '../headers.ts'
import type { ProxyMetrics } from '../metrics/metrics.ts'
import { retryAfterMs } from './retries.ts'
import type { FailoverReason } from '../reasons.ts'
import {
  isUnsendable,
  UpstreamAnswer,
  type AnswerOptions,
  type Passage,
} from './upstream-answer.ts'

export interface FailoverDeps extends AnswerOptions {
  metrics: Pick<ProxyMetrics, 'failover'>
  /** longest wait that an upstream may ask for before it is asked again; 0 asks none again */
  retryAfterMaxMs: number
}

/** The upstream cannot answer now, and another one may. */
const FALLBACK_STATUSES = new Set([502, 503, 504, 529])
/** The upstream may say when to ask again. */
const RETRY_STATUSES = new Set([429, 503])

/** Failures to connect that may be over in a moment; a time-out has already taken long enough. */
const TRANSIENT = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

const isTransient = ({ code }: Error & { code?: string }): boolean => TRANSIENT.has(code ?? '')

export class Failover implements Judge {
  /** targets that were not asked yet, the first choice first */
  private readonly untried: Target[]
  /** how often the present target has been asked */
  private attempts = 0
  /** the first answer that said that there is none, while others are asked for a better one */
  private held: Attempt | null = null

  constructor(
    private readonly deps: FailoverDeps,
    private readonly passage: Passage,
    targets: readonly [Target, ...Target[]]
  ) {
    this.untried = [...targets]
  }

  /** Asks the first target that is ready. */
  begin(): void {
    const ready = this.nextReady()
    for (const { name } of this.untried.slice(0, ready))
      if (name !== null) this.deps.metrics.failover(name, 'paused')
    this.askTarget(this.untried.splice(ready, 1)[0]!)
  }

  begun(attempt: Attempt, status: number, headers: string[]): void {
    // an interim answer, too, is something that the client has seen
    if (status < 200) return this.pass(attempt)
    const { breaker, upstream } = attempt.target
    if (status >= 500) {
      breaker.failed()
      // the answer passes as it is, but an operator must be able to find it in the log
      upstream.failed(new AppError('upstream-unavailable', `the upstream answered ${status}`))
    } else breaker.succeeded()
    if (FALLBACK_STATUSES.has(status) && this.passOver(attempt)) return
    // an error of a stand-in, such as 401 for its key, says less than the first one
    if (status >= 400 && this.releaseHeld()) return attempt.drop()
    if (RETRY_STATUSES.has(status) && this.askAgainAfter(attempt, headers)) return
    this.pass(attempt)
  }

  failed({ target }: Attempt, error: Error, phase: FailedWhile): boolean {
    if (this.passage.client.gone || isUnsendable(error)) return false
    target.upstream.failed(error)
    // the client has a part of the answer
    if (phase === 'passing') return false
    target.breaker.failed()
    // the attempt has used the stream up
    if (this.passage.body instanceof Readable) return false
    if (phase === 'unsent' && this.askNext(target, 'not-connected')) return true
    if (this.releaseHeld()) return true
    return phase === 'unsent' && isTransient(error) && this.askLater(target, 0)
  }

  /** Position of the first target whose breaker is closed, else 0. */
  private nextReady(): number {
    return Math.max(
      0,
      this.untried.findIndex(({ breaker }) => breaker.allows())
    )
  }

  /** @returns false when no target is left */
  private askNext({ name }: Target, reason: FailoverReason): boolean {
    const [next] = this.untried.splice(this.nextReady(), 1)
    if (next === undefined) return false
    if (name !== null) this.deps.metrics.failover(name, reason)
    // the failed attempt comes to its end first
    queueMicrotask(() => this.askTarget(next))
    return true
  }

  private askTarget(target: Target): void {
    this.attempts = 0
    target.retries.request()
    this.ask(target)
  }

  private ask(target: Target): void {
    const { passage } = this
    this.attempts++
    const answer = new UpstreamAnswer(passage, target, this.deps)
    const attempt = new Attempt(this, target, answer)
    passage.client.onGone(() => {
      attempt.cancel()
      this.held?.cancel()
    })
    const apiKey = target.apiKey ?? passage.apiKey
    if (passage.upgrade === undefined)
      target.upstream.ask(passage.incoming, passage.body, apiKey, attempt)
    else target.upstream.open(passage.incoming, apiKey, attempt)
  }

  private pass(attempt: Attempt): void {
    if (this.held?.isHeld) this.held.drop()
    attempt.pass()
  }

  /** Asks another upstream instead of one that cannot answer. @returns false when none is left */
  private passOver(attempt: Attempt): boolean {
    if (!this.askNext(attempt.target, 'unavailable')) return false
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

  private askAgainAfter(attempt: Attempt, headers: string[]): boolean {
    const { now, retryAfterMaxMs } = this.deps
    if (retryAfterMaxMs === 0) return false
    const [wanted = null] = valuesOf(headers, 'retry-after')
    const waitMs = retryAfterMs(wanted, now())
    if (waitMs === null || waitMs > retryAfterMaxMs) return false
    if (!this.askLater(attempt.target, waitMs)) return false
    attempt.drop()
    return true
  }

  /** @returns false when the target may not be asked again */
  private askLater(target: Target, leastMs: number): boolean {
    const waitMs = target.retries.next(this.attempts)
    if (waitMs === null) return false
    const cancel = this.deps.setTimer(Math.max(leastMs, waitMs), () => this.ask(target))
    this.passage.client.onGone(() => {
      cancel()
      this.passage.onEnd?.('client-gone', target)
    })
    return true
  }
}
