/**
 * The sixth step of a completion: whether the lora is asked for a matched request, and if not, why not.
 *
 * The position of a request in the traffic of its template, which decides between the lora, the upstream and
 * an audit. Each conversation draws its own, so the audited ones are a sample of the traffic, also where one
 * question is asked again and again.
 */
import { LRUCache } from 'lru-cache'
import { withEnvelope } from '../../core/request/envelope.ts'
import { isAmbiguous } from '../../core/request/unambiguous.ts'
import { eligibility, sideOf, type OtherModel, type Route } from '../../core/route/route.ts'
import { isProven, kindOf } from '../../core/route/request-kind.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import { AUDIT } from '../../core/rollout/pair.ts'
import { findUnlimitedMember } from '../../core/request/limited-members.ts'
import { CHAT } from '../../openai/dialect.ts'
import { canKeep, mustKeep } from '../kept/keep.ts'
import { createBreaker, type Breaker } from '../breaker.ts'
import type { StepDeps } from '../deps.ts'
import { engineAnswerer, modelAnswerer, type Answerer } from './answerer.ts'
import type { Matched } from './match.ts'
import type { Declined, SkipReason } from '../reasons.ts'
import { acceptanceOf } from '../access/tenants.ts'
import { hash } from 'node:crypto'
import type { Match } from '../../core/template/template.ts'

/** Conversations that are remembered; each takes some 150 bytes. */
const MAX_CONVERSATIONS = 20_000

/** What stays the same over the turns of a conversation. */
const openingOf = (tenant: string, { template, query }: Match): string =>
  hash('sha256', `${tenant}\n${template.version}\n${query}`, 'base64')

const UINT32 = 2 ** 32

/** A position that needs no memory: after a restart, and at another proxy, all later turns have the same. */
const hashedPosition = (opening: string): number =>
  Buffer.from(opening, 'base64').readUInt32LE(0) / UINT32

/** @returns in [0, 1), the same for all turns of a conversation */
type PositionOf = (tenant: string, match: Match) => number

/** @param random uniform in [0, 1) */
export const createPositions = (random: () => number): PositionOf => {
  const known = new LRUCache<string, number>({ max: MAX_CONVERSATIONS })
  return (tenant, match) => {
    if (match.template.maxTurnsAfter === 0) return random()
    const opening = openingOf(tenant, match)
    if (match.turns.length > 0) return known.get(opening) ?? hashedPosition(opening)
    const position = random()
    known.set(opening, position)
    return position
  }
}

/** A matched completion whose lora is asked. */
export interface Routed {
  readonly matched: Matched
  readonly answerer: Answerer
  readonly breaker: Breaker
  /** drawn for its conversation; null where no other request has it */
  readonly position: number | null
}

type RouterDeps = Pick<
  StepDeps,
  | 'areRoutesGood'
  | 'bodies'
  | 'limits'
  | 'upstreamApiKey'
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

/** Why another model may not answer. What the proof did not ask with the operator's key is not proven. */
const unfitnessOfModel = (
  { upstreams, upstreamApiKey }: RouterDeps,
  { admitted: { read, charge } }: Matched,
  { name, hasLogprobs }: OtherModel,
  request: ChatRequest
): SkipReason | null => {
  if (read.exchange.dialect !== CHAT || findUnlimitedMember(request) !== null)
    return 'unsupported-field'
  if (request.logprobs === true && !hasLogprobs) return 'logprobs'
  if (charge !== null && !charge.allows(name)) return 'model-not-allowed'
  return upstreams.collectFor(request.model, name, upstreamApiKey) === null
    ? 'credential-elsewhere'
    : null
}

/** Why the lora may not answer, wherever the request stands in the traffic. */
const unfitness = (deps: RouterDeps, matched: Matched, request: ChatRequest): SkipReason | null => {
  const { route, match, admitted } = matched
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
  const unfit = route.model && unfitnessOfModel(deps, matched, route.model, request)
  if (unfit) return unfit
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

/** Routes of other models that are remembered; each takes some hundred bytes. */
const MAX_MODEL_BREAKERS = 10_000

/** One for each engine, and one for each route of another model: its callers' keys may be refused for it. */
const createBreakers = ({ engines, breaker, metrics, now }: RouterDeps) => {
  const ofEngines = new Map<string, Breaker>()
  const ofModels = new LRUCache<string, Breaker>({ max: MAX_MODEL_BREAKERS })
  for (const { name } of engines.values()) {
    const created = createBreaker({ ...breaker, now })
    ofEngines.set(name, created)
    metrics.watchBreaker(name, created.state)
  }
  return ({ model, engine, lora }: Route): Breaker => {
    const known = model === undefined ? ofEngines.get(engine) : ofModels.get(lora)
    if (known !== undefined) return known
    const created = createBreaker({ ...breaker, now })
    ofModels.set(lora, created)
    return created
  }
}

/** @returns null where there is none */
const answererFor = (deps: RouterDeps, matched: Matched): Answerer | null => {
  const { route, request } = matched
  if (route.model === undefined) {
    const engine = deps.engines.get(route.engine)
    return engine ? engineAnswerer(engine, matched, deps.limits.adaptedMaxTokens) : null
  }
  const collect = deps.upstreams.collectFor(request.model, route.model.name, deps.upstreamApiKey)
  return collect && modelAnswerer(deps, matched, route.model, collect)
}

export type Router = ReturnType<typeof createRouter>

export const createRouter = (deps: RouterDeps) => {
  const positionOf = createPositions(deps.random)
  const breakerOf = createBreakers(deps)
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
    const answerer = answererFor(deps, matched)
    if (answerer === null) return skipped(matched, 'engine-missing', position)
    const breaker = breakerOf(route)
    return breaker.allows()
      ? { matched, answerer, breaker, position }
      : skipped(matched, 'engine-paused', position)
  }
}
