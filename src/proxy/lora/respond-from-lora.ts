/** The last step of a routed completion: the lora's answer in the form that the client asked for. */
import { askLora } from './ask-lora.ts'
import type { StepDeps } from '../deps.ts'
import { recordHeader, type ChatExchange } from '../exchange.ts'
import { EVENT_STREAM, routeHeaders } from '../headers.ts'
import { keptOf, mustKeep } from '../kept/keep.ts'
import type { Declined, FaultReason } from '../reasons.ts'
import { concludeGiven, concludeLeft, type ConcludeDeps } from './conclude.ts'
import type { LoraAnswer } from './draft.ts'
import type { Matched } from './match.ts'
import { renderAnswer, type RenderDeps, type Rendered } from './render-answer.ts'
import type { Routed } from './router.ts'

type AskDeps = Pick<StepDeps, 'limits' | 'formats' | 'metrics' | 'fault' | 'setTimer'>
type SendDeps = Pick<StepDeps, 'upstreams' | 'pages' | 'now'>
type LoraDeps = AskDeps &
  SendDeps &
  RenderDeps &
  ConcludeDeps &
  Pick<StepDeps, 'routes' | 'keptResponses'>

/** Faults of the engine itself; for all others it has answered. */
const ENGINE_FAULTS = new Set<FaultReason>(['engine-error', 'engine-timeout'])
/** A model that refuses one request after the other cannot answer this route. */
const MODEL_FAULTS = new Set<FaultReason>([...ENGINE_FAULTS, 'engine-refused'])
/** It was not asked to the end. */
const SAYS_NOTHING = new Set<FaultReason>(['client-closed', 'over-budget'])

const tell = ({ breaker, matched }: Routed, answer: LoraAnswer): void => {
  const faults = matched.route.model === undefined ? ENGINE_FAULTS : MODEL_FAULTS
  if (answer.given) breaker.succeeded()
  else if (faults.has(answer.reason)) breaker.failed()
  else if (!SAYS_NOTHING.has(answer.reason)) breaker.succeeded()
}

const ask = async (
  { limits, formats, metrics, fault, setTimer }: AskDeps,
  routed: Routed
): Promise<LoraAnswer> => {
  const { matched, answerer } = routed
  const { client, exchange } = matched.admitted.read
  const { lora } = matched.route
  const abort = new AbortController()
  client.onGone(() => abort.abort())
  metrics.engineAsked(answerer.name)
  const answer = await askLora(answerer, matched, {
    timeoutMs: limits.adaptedTimeoutMs,
    formats,
    signal: abort.signal,
    setTimer,
    onFault: (error, reason) =>
      fault('engine', error, { request: exchange.id, engine: answerer.name, lora, reason }),
  })
  metrics.engineDone(answerer.name)
  tell(routed, answer)
  return answer
}

/**
 * Whether the route still stands: an answer must not be given after a rollback was confirmed. Checked
 * in the same tick in which the answer is sent.
 */
const isLive = ({ routes }: Pick<StepDeps, 'routes'>, { route }: Matched): boolean =>
  routes().byVersion.get(route.template.version)?.internalizationId === route.internalizationId

/** Of the API's form that the answer has. */
const API_VERSION = '2020-10-01'

/**
 * The headers that clients read, in the API's forms. Without `x-ratelimit-…`: an answer of a lora uses none of the
 * provider's limits, and what is left of them is not known here.
 */
const apiHeaders = (
  { upstreams, pages, now }: SendDeps,
  { id, at, incoming, model }: ChatExchange
): string[] => [
  'x-request-id',
  `req_${id}`,
  'openai-processing-ms',
  String(Math.max(0, Math.round(now() - at))),
  'openai-version',
  API_VERSION,
  ...(pages.ofAnswer(incoming, upstreams.nameFor(model)) ?? []),
]

const headersOf = (deps: SendDeps, matched: Matched, confidence: number): string[] => {
  const { exchange } = matched.admitted.read
  const { lora, templateTokens, template } = matched.route
  return [
    ...apiHeaders(deps, exchange),
    ...recordHeader(exchange),
    ...routeHeaders({
      route: 'answered',
      template: template.version,
      lora,
      confidence,
      overheadMs: matched.overheadMs,
      promptTokensSaved: templateTokens,
    }),
  ]
}

const send = (deps: SendDeps, matched: Matched, rendered: Rendered, confidence: number): void => {
  const { client, exchange } = matched.admitted.read
  const headers = headersOf(deps, matched, confidence)
  if (!exchange.streamed) {
    client.sendJson(200, rendered.body, headers)
    return
  }
  client.outgoing.writeHead(200, [...EVENT_STREAM, ...headers])
  client.outgoing.end(exchange.dialect.renderEvents(rendered.answer, rendered.request))
}

const declined = (
  { matched: { route }, position }: Routed,
  reason: FaultReason,
  confidence: number | null
): Declined => ({ route, reason, confidence, wasAsked: true, position })

export type RespondFromLora = ReturnType<typeof createRespondFromLora>

/**
 * Asks the lora, and gives its answer where it is good enough. Null when the exchange is over (answered, or the client has
 * left), else why the upstream must answer; then no byte has been sent.
 */
export const createRespondFromLora =
  (deps: LoraDeps) =>
  async (routed: Routed): Promise<Declined | null> => {
    const { matched } = routed
    const { client, exchange } = matched.admitted.read
    const answer = await ask(deps, routed)
    if (client.gone) {
      concludeLeft(deps, routed, answer)
      return null
    }
    const { confidence } = answer
    if (!answer.given) return declined(routed, answer.reason, confidence)
    const rendered = renderAnswer(deps, matched, answer)
    // before it is sent: a caller that has an id may use it at once
    const kept = mustKeep(matched.request) ? keptOf(exchange, rendered.body) : null
    if (kept !== null) await deps.keptResponses?.put(kept)
    const hasLeft = client.gone
    if (hasLeft || !isLive(deps, matched)) {
      if (kept !== null) await deps.keptResponses?.remove(kept.id, kept.tenant)
      if (!hasLeft) return declined(routed, 'route-gone', confidence)
      concludeLeft(deps, routed, answer)
      return null
    }
    send(deps, matched, rendered, answer.confidence)
    concludeGiven(deps, routed, { rendered, firstByteAt: deps.now() }, answer)
    return null
  }
