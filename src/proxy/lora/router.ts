/** Third step: whether the lora is asked for a matched request, and if not, why not. */
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { withEnvelope } from '../../core/request/envelope.ts'
import { isAmbiguous } from '../../core/request/unambiguous.ts'
import { eligibility, sideOf } from '../../core/route/route.ts'
import type { KeptResponses } from '../../core/log/kept-response.ts'
import { isProven, kindOf } from '../../core/route/request-kind.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import { AUDIT } from '../../core/rollout/pair.ts'
import type { Engine } from '../../engine/engine.ts'
import { canKeep, mustKeep } from '../kept/keep.ts'
import { createBreaker, type Breaker } from '../breaker.ts'
import type { ChatExchange } from '../exchange.ts'
import { createPositions } from './positions.ts'
import type { MatchedRoute } from '../../core/route/route-table.ts'
import type { Pages } from '../client/pages.ts'
import type { SkipReason } from '../reasons.ts'
import type { ProxyMetrics } from '../metrics/metrics.ts'
import { acceptanceOf, type Tenants } from '../access/tenants.ts'
import type { Upstreams } from '../upstream/upstreams.ts'

export type Decision =
  { target: 'lora'; engine: Engine; breaker: Breaker } | { target: 'upstream'; reason: SkipReason }

export interface RouterDeps {
  /** false while the routes were not confirmed for too long: one may have been taken back meanwhile */
  areRoutesGood: () => boolean
  /** engines by the name that routes carry */
  engines: ReadonlyMap<string, Engine>
  tenants: Tenants
  upstreams: Pick<Upstreams, 'nameFor'>
  formats: AnswerFormats
  breaker: { maxFailures: number; pauseMs: number }
  metrics: Pick<ProxyMetrics, 'watchBreaker'>
  keptResponses: KeptResponses | null
  pages: Pick<Pages, 'ofAnswer'>
  now: () => number
  random: () => number
}

/** The part of an exchange that decides. */
type Asking = Pick<
  ChatExchange,
  'dialect' | 'incoming' | 'tenant' | 'hasProof' | 'body' | 'envelope' | 'isCaptured' | 'position'
>

/** Notes the position of a conversation in the exchange that asks. */
export type Router = (matched: MatchedRoute, request: ChatRequest, asking: Asking) => Decision

export const createRouter = (deps: RouterDeps): Router => {
  const { engines, tenants, upstreams, formats, breaker, metrics, now } = deps
  const positionOf = createPositions(deps.random)
  const breakers = new Map<string, Breaker>()
  for (const { name } of engines.values()) {
    const created = createBreaker({ ...breaker, now })
    breakers.set(name, created)
    metrics.watchBreaker(name, created.state)
  }

  const skipReason = (
    { route, match }: MatchedRoute,
    sent: ChatRequest,
    asking: Asking
  ): SkipReason | null => {
    const { dialect, incoming, tenant, hasProof, body } = asking
    const request = withEnvelope(sent, asking.envelope)
    if (request === null) return 'ambiguous-members'
    const upstream = upstreams.nameFor(request.model)
    if (!deps.areRoutesGood()) return 'routes-too-old'
    if (!hasProof) return 'no-credential'
    // a caller that the upstream would refuse must not get an answer of a lora
    if (!tenants.accepted(acceptanceOf(tenant, upstream), request.model))
      return 'credential-not-accepted'
    // its answer says what a page of this origin may read
    if (deps.pages.ofAnswer(incoming, upstream) === null) return 'unknown-origin'
    const ineligible = eligibility(request, route.template)
    if (ineligible) return ineligible
    if (mustKeep(request) && !canKeep(deps, asking)) return 'unsupported-field'
    if (!isProven(route.kinds, kindOf(request, match))) return 'kind-not-proven'
    const position = positionOf(tenant, match)
    if (match.template.maxTurnsAfter > 0) asking.position = position
    const side = sideOf(route, position)
    if (side === 'upstream') return 'traffic-share'
    // the upstream might read another model or other messages, which no template matches
    if (isAmbiguous(body, dialect.name)) return 'ambiguous-members'
    // last, because the first request with a schema compiles it
    const unsupported = formats.unsupported(request, route.template.responseFormat)
    if (unsupported !== null) return 'response-format'
    if (side === 'lora') return null
    // what is not logged cannot become a pair
    return asking.isCaptured ? AUDIT : 'traffic-share'
  }

  return (matched, request, asking) => {
    const skipped = skipReason(matched, request, asking)
    if (skipped) return { target: 'upstream', reason: skipped }
    const engine = engines.get(matched.route.engine)
    const engineBreaker = engine && breakers.get(engine.name)
    if (!engineBreaker) return { target: 'upstream', reason: 'engine-missing' }
    return engineBreaker.allows()
      ? { target: 'lora', engine, breaker: engineBreaker }
      : { target: 'upstream', reason: 'engine-paused' }
  }
}
