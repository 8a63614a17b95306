/** Fourth step for every request that no lora answers: the upstream's own answer, and its record. */
import type { IncomingMessage } from 'node:http'
import { askForUsage } from '../openai/usage/ask-usage.ts'
import { REFUSED_AFTER_OURS } from '../core/rollout/pair.ts'
import type { MatchedRoute } from '../core/route/route-table.ts'
import type { FaultReason, SkipReason, ExchangeEnd } from './reasons.ts'
import { Capture } from './upstream/capture.ts'
import type { Client } from './client/client.ts'
import type { ChatDeps } from './deps.ts'
import { recordHeader, type Received } from './exchange.ts'
import { routeHeaders } from './headers.ts'
import { afterAnswer, forwardedOutcome, recordOfUpstream, report } from './record/record.ts'
import {
  refusedAfterOurs,
  refusedOutcome,
  type RefusedAfterOurs,
} from './after-ours/refused-after-ours.ts'
import { settleUpstream } from './record/settle.ts'
import { acceptanceOf } from './access/tenants.ts'
import { refusalStatus } from './upstream/refusal.ts'
import type { AnsweredBy, Passage } from './upstream/upstream-answer.ts'

/** Why the upstream answers although a live template matched. */
export interface UpstreamReason {
  matched: MatchedRoute
  reason: FaultReason | SkipReason
  /** of the lora's answer; null where that is not known */
  confidence: number | null
  /** whether the lora was asked */
  wasAsked: boolean
}

const headersOf = (
  { matched, wasAsked, reason, confidence }: UpstreamReason,
  overheadMs: number
): string[] =>
  routeHeaders({
    route: wasAsked ? 'fallback' : 'skipped',
    template: matched.route.template.version,
    lora: matched.route.lora,
    confidence,
    reason,
    overheadMs,
  })

const count = (metrics: ChatDeps['metrics'], why: UpstreamReason | null): void => {
  if (why === null) return metrics.request('unmatched')
  metrics.request(why.wasAsked ? 'fallback' : 'skipped')
  metrics.forwarded(why.reason)
}

/** A completion's way through an upstream, and the work after its answer. */
class ChatPassage implements Passage {
  readonly incoming: IncomingMessage
  readonly body: Buffer
  readonly client: Client
  readonly apiKey: string | null
  readonly capture: Capture
  readonly hidesUsage: boolean
  private readonly deps: ChatDeps
  private readonly received: Received
  private readonly why: UpstreamReason | null
  private knownHeaders: string[] | null = null

  /**
   * @param why null without a match
   * @param asking the body that asks for usage; null when the original is sent
   */
  constructor(
    deps: ChatDeps,
    received: Received,
    why: UpstreamReason | null,
    asking: Buffer | null
  ) {
    this.deps = deps
    this.received = received
    this.why = why
    this.incoming = received.incoming
    this.body = asking ?? received.exchange.body
    this.client = received.client
    this.apiKey = deps.upstreamApiKey
    this.capture = new Capture(deps.limits.captureMaxBytes, deps.now)
    this.hidesUsage = asking !== null
  }

  get addedHeaders(): string[] {
    return (this.knownHeaders ??= this.makeHeaders())
  }

  /** Makes the headers. Called when the upstream has the request, so that the time of it delays nothing. */
  prepareHeaders(): void {
    this.knownHeaders ??= this.makeHeaders()
  }

  private makeHeaders(): string[] {
    const { received, why } = this
    const explained = why === null ? [] : headersOf(why, received.overheadMs)
    try {
      return [...recordHeader(received.exchange), ...explained]
    } catch {
      // an issued key was revoked meanwhile: then the exchange is not logged, which its end reports
      return explained
    }
  }

  onEnd(end: ExchangeEnd, answeredBy: AnsweredBy): void {
    afterAnswer(this.deps, this.received, () => this.conclude(end, answeredBy))
  }

  private conclude(end: ExchangeEnd, answeredBy: AnsweredBy): void {
    const { bodies, metrics, now, limits, fault } = this.deps
    const { received, capture, why, client } = this
    const { charge, exchange } = received
    if (charge !== null)
      void settleUpstream(charge, capture, end, {
        dialect: exchange.dialect,
        maxBytes: limits.captureMaxBytes,
        fault,
      })
    if (this.hidesUsage) bodies.give(this.body.length)
    // with a match it is counted before the lora is asked
    if (why === null) metrics.overhead(received.overheadMs)
    metrics.upstreamAnswered(capture.status)
    if (end === 'client-gone')
      metrics.cancelled(client.outgoing.headersSent ? 'during-answer' : 'before-answer')
    const refused = refusedAfterOurs(this.deps.given, received, capture)
    if (refused !== null) this.reportRefused(refused)
    // not for what the caller wrote: a key is not refused for an answer of ours
    else if (capture.status !== 0) this.observe(answeredBy)
    report(this.deps, received, () => {
      const forwarded = why && forwardedOutcome(exchange, why.matched, why.reason, why)
      const by = refused?.by ?? null
      const route = by === null ? forwarded : refusedOutcome(by, forwarded)
      return recordOfUpstream(exchange, capture, now(), { end, route })
    })
  }

  private reportRefused({ by }: RefusedAfterOurs): void {
    const { capture, received } = this
    const message = `the upstream answered ${capture.status} to a request that continues a lora's answer`
    const data = { request: received.exchange.id, status: capture.status, lora: by?.lora ?? null }
    this.deps.fault(REFUSED_AFTER_OURS, new Error(message), data)
  }

  /** A key is proven only by an upstream that has seen it, and only for the model that it answered with. */
  private observe({ name, apiKey }: AnsweredBy): void {
    const { exchange } = this.received
    if (apiKey !== null || this.apiKey !== null || !exchange.hasProof) return
    const ageMs = this.deps.now() - exchange.at
    const { tenant, model } = exchange
    const { tenants } = this.deps
    const note = (status: number): void =>
      tenants.observe(acceptanceOf(tenant, name), model, status, ageMs)
    const status = refusalStatus(this.capture, exchange.dialect)
    if (typeof status === 'number') note(status)
    else void status.then(note)
  }
}

/**
 * A budget must know what a stream costs, so a stream of a key with a budget is always asked for its
 * usage. The edited copy of the body takes room like a body; where there is none the original is sent,
 * and the usage stays unknown.
 */
const askingBody = (
  { asksForUsage, bodies }: ChatDeps,
  { exchange: { dialect, streamed, body }, charge }: Received
): Buffer | null => {
  const asks = dialect.asksForUsage && streamed && (asksForUsage || charge?.isBilled === true)
  const asking = asks ? askForUsage(body) : null
  return asking !== null && bodies.take(asking.length) ? asking : null
}

/**
 * Sends the original bytes; the client gets the upstream's bytes. With `STREAM_USAGE=always`, and for a
 * key with a budget, a stream is asked for its usage, which is removed from the client's stream.
 * @param why null without a match
 */
export const respondFromUpstream = (
  deps: ChatDeps,
  received: Received,
  why: UpstreamReason | null
): void => {
  const passage = new ChatPassage(deps, received, why, askingBody(deps, received))
  deps.upstreams.ask(passage, received.exchange.model)
  passage.prepareHeaders()
  count(deps.metrics, why)
}
