/** The sixth step of a completion: whether the lora is asked for a matched request, and if not, why not. */
import { withEnvelope } from '../../core/request/envelope.ts'
import { isAmbiguous } from '../../core/request/unambiguous.ts'
import { eligibility, sideOf } from '../../core/route/route.ts'
import { isProven, kindOf } from '../../core/route/request-kind.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import { AUDIT } from '../../core/rollout/pair.ts'
import type { Engine } from '../../engine/engine.ts'
import { canKeep, mustKeep } from '../kept/keep.ts'
import { createBreaker, type Breaker } from '../breaker.ts'
import type { StepDeps } from '../deps.ts'
import { createPositions } from './positions.ts'
import type { Matched } from './match.ts'
import type { Declined, SkipReason } from '../reasons.ts'
import { acceptanceOf } from '../access/tenants.ts'

/** A matched completion whose lora is asked. */
export interface Routed {
  readonly matched: Matched
  readonly engine: Engine
  readonly breaker: Breaker
  /** drawn for its conversation; null where no other request has it */
  readonly position: number | null
}

type RouterDeps = Pick<
  StepDeps,
  | 'areRoutesGood'
  | 'engines'
  | 'tenants'
  | 'upstreams'
  | 'formats'
  | 'breaker'
  | 'metrics'
  | 'keptResponses'
  | 'pages'
  | 'now'
  | 'random'
>

/** Why the lora may not answer, wherever the request stands in the traffic. */
const unfitness = (
  deps: RouterDeps,
  { route, match, admitted }: Matched,
  request: ChatRequest
): SkipReason | null => {
  const { exchange } = admitted.read
  const upstream = deps.upstreams.nameFor(request.model)
  if (!deps.areRoutesGood()) return 'routes-too-old'
  if (!exchange.hasProof) return 'no-credential'
  // a caller that the upstream would refuse must not get an answer of a lora
  if (!deps.tenants.accepted(acceptanceOf(exchange.tenant, upstream), request.model))
    return 'credential-not-accepted'
  // its answer says what a page of this origin may read
  if (deps.pages.ofAnswer(exchange.incoming, upstream) === null) return 'unknown-origin'
  const ineligible = eligibility(request, route.template)
  if (ineligible) return ineligible
  if (mustKeep(request) && !canKeep(deps, exchange)) return 'unsupported-field'
  return isProven(route.kinds, kindOf(request, match)) ? null : 'kind-not-proven'
}

/** Why the upstream answers at this position of the traffic. */
const skipReasonAt = (
  position: number,
  { formats }: RouterDeps,
  { route, admitted }: Matched,
  request: ChatRequest
): SkipReason | null => {
  const { exchange } = admitted.read
  const side = sideOf(route, position)
  if (side === 'upstream') return 'traffic-share'
  // the upstream might read another model or other messages, which no template matches
  if (isAmbiguous(exchange.body, exchange.dialect.name)) return 'ambiguous-members'
  // last, because the first request with a schema compiles it
  const unsupported = formats.unsupported(request, route.template.responseFormat)
  if (unsupported !== null) return 'response-format'
  if (side === 'lora') return null
  // what is not logged cannot become a pair
  return exchange.isCaptured ? AUDIT : 'traffic-share'
}

/** Without asking the lora. */
const skipped = (
  { route }: Matched,
  reason: SkipReason,
  position: number | null = null
): Declined => ({ route, reason, confidence: null, wasAsked: false, position })

const createBreakers = ({ engines, breaker, metrics, now }: RouterDeps): Map<string, Breaker> => {
  const breakers = new Map<string, Breaker>()
  for (const { name } of engines.values()) {
    const created = createBreaker({ ...breaker, now })
    breakers.set(name, created)
    metrics.watchBreaker(name, created.state)
  }
  return breakers
}

export type Router = ReturnType<typeof createRouter>

export const createRouter = (deps: RouterDeps) => {
  const positionOf = createPositions(deps.random)
  const breakers = createBreakers(deps)
  return (matched: Matched): Routed | Declined => {
    const { route, match, admitted } = matched
    const { exchange } = admitted.read
    const request = withEnvelope(matched.request, exchange.envelope)
    if (request === null) return skipped(matched, 'ambiguous-members')
    const unfit = unfitness(deps, matched, request)
    if (unfit !== null) return skipped(matched, unfit)
    const drawn = positionOf(exchange.tenant, match)
    const position = match.template.maxTurnsAfter > 0 ? drawn : null
    const reason = skipReasonAt(drawn, deps, matched, request)
    if (reason !== null) return skipped(matched, reason, position)
    const engine = deps.engines.get(route.engine)
    const breaker = engine && breakers.get(engine.name)
    if (!breaker) return skipped(matched, 'engine-missing', position)
    return breaker.allows()
      ? { matched, engine, breaker, position }
      : skipped(matched, 'engine-paused', position)
  }
}
