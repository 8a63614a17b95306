/** Fourth step for everything that no lora answers: the upstream's own answer, and its record. */
import type { RouteOutcome } from '../core/log/record.ts'
import { askForUsage } from '../openai/ask-usage.ts'
import type { FaultReason, SkipReason, ExchangeEnd } from './reasons.ts'
import { Capture } from './upstream/capture.ts'
import type { Client } from './client/client.ts'
import type { ChatDeps } from './deps.ts'
import type { Received } from './exchange.ts'
import { routeHeaders } from './headers.ts'
import type { MatchedRoute } from '../core/route/route-table.ts'
import { recordOfUpstream } from './record.ts'
import { settleUpstream } from './settle.ts'
import { acceptanceOf } from './access/tenants.ts'
import type { AnsweredBy, Passage } from './upstream/upstream-answer.ts'

/** Why the upstream answers although a live template matched. */
export interface UpstreamReason {
  matched: MatchedRoute
  /** `fallback` after the lora was asked, `upstream` without asking it */
  route: 'fallback' | 'upstream'
  reason: FaultReason | SkipReason
  confidence: number | null
  overheadMs: number
}

const outcomeOf = ({ matched, route, reason, confidence }: UpstreamReason): RouteOutcome => ({
  templateVersion: matched.route.template.version,
  lora: matched.route.lora,
  outcome: 'fallback',
  reason,
  ...(route === 'fallback' ? { asked: true } : {}),
  confidence,
  promptTokensSaved: 0,
  savedUsd: null,
})

const headersOf = ({ matched, route, reason, confidence, overheadMs }: UpstreamReason): string[] =>
  routeHeaders({
    route,
    template: matched.route.template.version,
    lora: matched.route.lora,
    confidence,
    reason,
    overheadMs,
  })

const count = (metrics: ChatDeps['metrics'], why: UpstreamReason | null): void => {
  if (why === null) return metrics.request('upstream')
  metrics.request(why.route === 'fallback' ? 'fallback' : 'skipped')
  metrics.fallback(why.reason)
}

interface PassageOptions {
  /** null without a match */
  why: UpstreamReason | null
  /** the body that asks for usage; null when the original is sent */
  asking: Buffer | null
}

/** A chat completion's answer on its way, and what is done when it is over. */
class ChatPassage implements Passage {
  readonly client: Client
  readonly apiKey: string | null
  readonly addedHeaders: string[]
  readonly capture: Capture
  readonly hidesUsage: boolean
  private readonly deps: ChatDeps
  private readonly received: Received
  private readonly why: UpstreamReason | null
  private readonly askingBytes: number

  constructor(deps: ChatDeps, received: Received, { why, asking }: PassageOptions) {
    this.deps = deps
    this.hidesUsage = asking !== null
    this.askingBytes = asking?.length ?? 0
    this.received = received
    this.why = why
    this.client = received.client
    this.apiKey = deps.upstreamApiKey
    this.addedHeaders = why ? headersOf(why) : []
    this.capture = new Capture(deps.limits.captureMaxBytes, deps.now)
  }

  onEnd(end: ExchangeEnd, answeredBy?: AnsweredBy): void {
    try {
      this.conclude(end, answeredBy)
    } catch (error) {
      // thrown further, it would break an answer that the client has as a whole
      this.deps.fault('exchange-end', error, { request: this.received.exchange.id })
    }
  }

  private conclude(end: ExchangeEnd, answeredBy: AnsweredBy | undefined): void {
    const { bodies, metrics, log, trace, now, limits, fault } = this.deps
    const { received, capture, why, client, askingBytes } = this
    const { charge } = received
    if (charge !== null)
      void settleUpstream(charge, capture, end, { maxBytes: limits.captureMaxBytes, fault })
    if (askingBytes > 0) bodies.give(askingBytes)
    // with a match it is counted before the lora is asked
    if (why === null) metrics.overhead(received.overheadMs)
    metrics.upstreamAnswered(capture.status)
    if (end === 'client-gone')
      metrics.cancelled(client.outgoing.headersSent ? 'during-answer' : 'before-answer')
    if (capture.status !== 0) this.observe(answeredBy)
    const { isCaptured } = received.exchange
    if (!isCaptured && trace === null) return
    const route = why && outcomeOf(why)
    const record = recordOfUpstream(received.exchange, capture, now(), { end, route })
    if (isCaptured) log(record)
    trace?.(record, received.incoming.headers.traceparent)
  }

  /** A key is proven only by an upstream that has seen it. */
  private observe(answeredBy: AnsweredBy | undefined): void {
    const { capture, deps, received } = this
    if ((answeredBy?.apiKey ?? this.apiKey) !== null) return
    if (!received.exchange.hasProof) return
    const acceptance = acceptanceOf(received.exchange.tenant, answeredBy?.name ?? null)
    const { at } = received.exchange
    deps.tenants.observe(acceptance, capture.status, deps.now() - at)
  }
}

/**
 * A budget must know what a stream costs, so that those of its keys are always asked. The copy takes
 * room like a body; where there is none the original is sent, and usage stays unknown.
 */
const askingBody = (
  { asksForUsage, bodies }: ChatDeps,
  { exchange: { streamed, body }, charge }: Received
): Buffer | null => {
  const asks = streamed && (asksForUsage || charge?.isBilled === true)
  const asking = asks ? askForUsage(body) : null
  return asking !== null && bodies.take(asking.length) ? asking : null
}

/**
 * Sends the original bytes; the client gets the upstream's bytes. With `STREAM_USAGE=always`, and for a
 * key with a budget, a stream is asked for its usage, and the client's is the same without it. @param why null without a match
 */
export const respondFromUpstream = (
  deps: ChatDeps,
  received: Received,
  why: UpstreamReason | null
): void => {
  const { incoming, exchange } = received
  const asking = askingBody(deps, received)
  const body = asking ?? exchange.body
  const passage = new ChatPassage(deps, received, { why, asking })
  if (deps.upstreams === null) deps.upstream.send(incoming, body, passage)
  else deps.upstreams.send(incoming, body, passage, exchange.model)
  count(deps.metrics, why)
}
