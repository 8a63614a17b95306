/** The last step of a routed completion: the lora's answer in the form that the client asked for, and its record. */
import type { RouteOutcome } from '../../core/log/record.ts'
import type { Usage } from '../../openai/chat.ts'
import { askLora, type GivenAnswer, type LoraAnswer } from './ask-lora.ts'
import type { GivenAnswers } from '../after-ours/given-answers.ts'
import type { StepDeps } from '../deps.ts'
import { recordHeader, type ChatExchange } from '../exchange.ts'
import { routeHeaders } from '../headers.ts'
import { keptOf, mustKeep } from '../kept/keep.ts'
import type { Declined, FaultReason } from '../reasons.ts'
import {
  afterAnswer,
  declinedOutcome,
  drawn,
  recordOfLora,
  report,
  type RecordDeps,
} from '../record/record.ts'
import { settleLora } from '../record/settle.ts'
import type { Matched } from './match.ts'
import { renderAnswer, type RenderDeps, type Rendered } from './render-answer.ts'
import type { Routed } from './router.ts'

type AskDeps = Pick<StepDeps, 'limits' | 'formats' | 'metrics' | 'fault' | 'setTimer'>
type SendDeps = Pick<StepDeps, 'upstreams' | 'pages' | 'now'>
type FinishDeps = RecordDeps & Pick<StepDeps, 'metrics' | 'fault' | 'now'>
type GiveDeps = SendDeps & FinishDeps & Pick<StepDeps, 'savedUsd'> & { given: GivenAnswers }
type LoraDeps = AskDeps & RenderDeps & GiveDeps & Pick<StepDeps, 'routes' | 'keptResponses'>

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

const send = (
  deps: SendDeps,
  { client, exchange }: Matched['admitted']['read'],
  rendered: Rendered,
  headers: string[]
): void => {
  const ownHeaders = [...apiHeaders(deps, exchange), ...recordHeader(exchange), ...headers]
  if (!exchange.streamed) {
    client.sendJson(200, rendered.body, ownHeaders)
    return
  }
  client.outgoing.writeHead(200, [
    'content-type',
    'text/event-stream; charset=utf-8',
    'cache-control',
    'no-cache',
    ...ownHeaders,
  ])
  client.outgoing.end(exchange.dialect.renderEvents(rendered.answer, rendered.request))
}

interface Ending {
  /** null when the client left before there was an answer */
  rendered: Rendered | null
  usage: Usage | null
  route: RouteOutcome
  firstByteAt: number | null
}

/** Settles the limits of the caller's key and makes the record. */
const finish = (
  deps: FinishDeps,
  { admitted: { charge, read } }: Matched,
  { rendered, usage, route, firstByteAt }: Ending
): void => {
  const { exchange } = read
  afterAnswer(deps, exchange, () => {
    if (charge !== null) settleLora(charge, usage, rendered !== null)
    report(deps, exchange, () => {
      const times = { firstByteAt, endedAt: deps.now() }
      return recordOfLora(exchange, { response: rendered && rendered.body, usage }, route, times)
    })
  })
}

const give = (
  deps: GiveDeps,
  { matched, position }: Routed,
  rendered: Rendered,
  { confidence, usage, content }: GivenAnswer
): void => {
  const { read } = matched.admitted
  const { model, tenant } = read.exchange
  const { lora, templateTokens: promptTokensSaved, model: other } = matched.route
  const templateVersion = matched.route.template.version
  const headers = routeHeaders({
    route: 'answered',
    template: templateVersion,
    lora,
    confidence,
    overheadMs: matched.overheadMs,
    promptTokensSaved,
  })
  send(deps, read, rendered, headers)
  const firstByteAt = deps.now()
  deps.metrics.request('answered')
  deps.given.add(tenant, matched.request.messages, content, { templateVersion, lora, model })
  const savedUsd = deps.savedUsd(model, { promptTokensSaved, usage, other: other?.name ?? null })
  deps.metrics.saved(promptTokensSaved, savedUsd)
  const route: RouteOutcome = {
    templateVersion,
    lora,
    outcome: 'answered',
    reason: null,
    confidence,
    promptTokensSaved,
    savedUsd,
    ...drawn(position),
  }
  finish(deps, matched, { rendered, usage, route, firstByteAt })
}

const declined = (
  { matched: { route }, position }: Routed,
  reason: FaultReason,
  confidence: number | null
): Declined => ({ route, reason, confidence, wasAsked: true, position })

/** Of a client that has left before its answer. @returns null: the exchange is over */
const endLeft = (deps: FinishDeps, routed: Routed, { usage }: LoraAnswer): null => {
  deps.metrics.cancelled('before-answer')
  const route = declinedOutcome(declined(routed, 'client-closed', null))
  finish(deps, routed.matched, { rendered: null, usage, route, firstByteAt: null })
  return null
}

export type RespondFromLora = ReturnType<typeof createRespondFromLora>

/**
 * Asks the lora, and gives its answer where it is good enough. Null when the exchange is over (answered, or
 * the client has left), else why the upstream must answer; then no byte has been sent.
 */
export const createRespondFromLora =
  (deps: LoraDeps) =>
  async (routed: Routed): Promise<Declined | null> => {
    const { matched } = routed
    const { client, exchange } = matched.admitted.read
    const answer = await ask(deps, routed)
    if (client.gone) return endLeft(deps, routed, answer)
    const { confidence } = answer
    if (!answer.given) return declined(routed, answer.reason, confidence)
    const rendered = renderAnswer(deps, matched, answer)
    // before it is sent: a caller that has an id may use it at once
    const kept = mustKeep(matched.request) ? keptOf(exchange, rendered.body) : null
    if (kept !== null) await deps.keptResponses?.put(kept)
    const hasLeft = client.gone
    if (hasLeft || !isLive(deps, matched)) {
      if (kept !== null) await deps.keptResponses?.remove(kept.id, kept.tenant)
      return hasLeft ? endLeft(deps, routed, answer) : declined(routed, 'route-gone', confidence)
    }
    give(deps, routed, rendered, answer)
    return null
  }
