/** Fourth step for everything that no lora answers: the upstream's own answer, and its record. */
import type { RouteOutcome } from '../core/record.ts'
import type { FaultReason } from './ask-lora.ts'
import { Capture } from './capture.ts'
import type { Client } from './client.ts'
import type { ChatDeps } from './deps.ts'
import type { ExchangeEnd, Received } from './exchange.ts'
import { routeHeaders } from './headers.ts'
import type { MatchedRoute } from './match.ts'
import { recordOfUpstream } from './record.ts'
import type { SkipReason } from './route.ts'
import { acceptanceOf } from './tenants.ts'
import type { AnsweredBy, Passage } from './upstream-answer.ts'

/** Why the upstream answers although a live template matched. */
export interface UpstreamReason {
  matched: MatchedRoute
  /** `fallback` after the lora was asked, `upstream` without asking it */
  route: 'fallback' | 'upstream'
  reason: FaultReason | SkipReason
  confidence: number | null
  overheadMs: number
}

const outcomeOf = ({ matched, reason, confidence }: UpstreamReason): RouteOutcome => ({
  templateVersion: matched.route.template.version,
  lora: matched.route.lora,
  outcome: 'fallback',
  reason,
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

/** A chat completion's answer on its way, and what is done when it is over. */
class ChatPassage implements Passage {
  readonly client: Client
  readonly apiKey = null
  readonly addedHeaders: string[]
  readonly capture: Capture
  private readonly deps: ChatDeps
  private readonly received: Received
  private readonly why: UpstreamReason | null

  constructor(deps: ChatDeps, received: Received, why: UpstreamReason | null) {
    this.deps = deps
    this.received = received
    this.why = why
    this.client = received.client
    this.addedHeaders = why ? headersOf(why) : []
    this.capture = new Capture(deps.limits.captureMaxBytes, deps.now)
  }

  onEnd(end: ExchangeEnd, answeredBy?: AnsweredBy): void {
    const { log, now } = this.deps
    const { received, capture, why } = this
    if (capture.status !== 0) this.observe(answeredBy)
    if (!received.exchange.isCaptured) return
    const route = why && outcomeOf(why)
    log(recordOfUpstream(received.exchange, capture, now(), { end, route }))
  }

  /** A key is proven only by an upstream that has seen it. */
  private observe(answeredBy: AnsweredBy | undefined): void {
    const { capture, deps, received } = this
    if ((answeredBy?.apiKey ?? this.apiKey) !== null) return
    const acceptance = acceptanceOf(received.exchange.tenant, answeredBy?.name ?? null)
    deps.tenants.observe(acceptance, capture.status)
  }
}

/** Sends the original bytes; the client gets the upstream's bytes. @param why null without a match */
export const respondFromUpstream = (
  deps: ChatDeps,
  received: Received,
  why: UpstreamReason | null
): void => {
  count(deps.metrics, why)
  const { incoming, exchange } = received
  const passage = new ChatPassage(deps, received, why)
  if (deps.upstreams === null) deps.upstream.send(incoming, exchange.body, passage)
  else deps.upstreams.send(incoming, exchange.body, passage, exchange.model)
}
