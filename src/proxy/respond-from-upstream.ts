/** Fourth step for everything that no lora answers: the upstream's own answer, and its record. */
import type { RouteOutcome } from '../core/record.ts'
import type { FaultReason } from './ask-lora.ts'
import { Capture } from './capture.ts'
import type { ChatDeps } from './deps.ts'
import type { Received } from './exchange.ts'
import { routeHeaders } from './headers.ts'
import type { MatchedRoute } from './match.ts'
import { recordOfUpstream } from './record.ts'
import type { SkipReason } from './route.ts'

/** Why the upstream answers although a live template matched. */
export interface UpstreamReason {
  matched: MatchedRoute
  /** `fallback` after the lora was asked, `upstream` without asking it */
  route: 'fallback' | 'upstream'
  reason: FaultReason | SkipReason
  confidence: number | null
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

const headersOf = ({ matched, route, reason, confidence }: UpstreamReason): string[] =>
  routeHeaders({
    route,
    template: matched.route.template.version,
    lora: matched.route.lora,
    confidence,
    reason,
  })

const count = (metrics: ChatDeps['metrics'], why: UpstreamReason | null): void => {
  if (why === null) return metrics.request('upstream')
  metrics.request(why.route === 'fallback' ? 'fallback' : 'skipped')
  metrics.fallback(why.reason)
}

/** Sends the original bytes; the client gets the upstream's bytes. @param why null without a match */
export const respondFromUpstream = (
  { upstream, tenants, limits, metrics, log, now }: ChatDeps,
  received: Received,
  why: UpstreamReason | null
): void => {
  const { exchange, client } = received
  const capture = new Capture(limits.captureMaxBytes, now)
  count(metrics, why)
  upstream.send(received.incoming, received.body, {
    client,
    addedHeaders: why ? headersOf(why) : [],
    capture,
    onEnd: (end) => {
      const endedAt = now()
      if (capture.status !== 0) tenants.observe(exchange.tenant, capture.status)
      log({
        bytes: received.bytes + capture.bytes,
        build: () =>
          recordOfUpstream(exchange, capture, endedAt, {
            end,
            route: why && outcomeOf(why),
            maxBytes: limits.captureMaxBytes,
          }),
      })
    },
  })
}
