/** Fourth step when a route answers: the lora's answer in the form that the client asked for. */
import { hash } from 'node:crypto'
import { argumentsText } from '../../core/answer/argument-order.ts'
import { isCallText, parseCalls } from '../../core/answer/calls.ts'
import { functionNamed } from '../../core/answer/tool-rules.ts'
import type { RouteOutcome } from '../../core/log/record.ts'
import type { MatchedRoute } from '../../core/route/route-table.ts'
import type { ChatRequest, Usage } from '../../openai/chat.ts'
import type { RenderedAnswer } from '../../openai/answer.ts'
import { callId, outputItemId } from '../../openai/ids.ts'
import { askLora, type LoraAnswer } from './ask-lora.ts'
import type { FaultReason } from '../reasons.ts'
import type { Breaker } from '../breaker.ts'
import type { ChatDeps } from '../deps.ts'
import { recordHeader, type Received } from '../exchange.ts'
import { routeHeaders } from '../headers.ts'
import { keptOf, mustKeep } from '../kept/keep.ts'
import { afterAnswer, drawn, forwardedOutcome, recordOfLora, report } from '../record/record.ts'
import type { Decision } from './router.ts'
import { settleLora } from '../record/settle.ts'

type Asked = Extract<Decision, { target: 'lora' }>
type GivenAnswer = Extract<LoraAnswer, { given: true }>

/** Faults of the engine itself; for all others it has answered. */
const ENGINE_FAULTS = new Set<FaultReason>(['engine-error', 'engine-timeout'])

const tell = (breaker: Breaker, answer: LoraAnswer): void => {
  if (!answer.given && ENGINE_FAULTS.has(answer.reason)) breaker.failed()
  else if (answer.given || answer.reason !== 'client-closed') breaker.succeeded()
}

const ask = async (
  deps: ChatDeps,
  { exchange, client }: Received,
  request: ChatRequest,
  matched: MatchedRoute,
  { engine, breaker }: Asked
): Promise<LoraAnswer> => {
  const { limits, metrics, formats, setTimer } = deps
  const { lora } = matched.route
  const abort = new AbortController()
  client.onGone(() => abort.abort())
  metrics.engineAsked(engine.name)
  const answer = await askLora(engine, matched, request, {
    timeoutMs: limits.adaptedTimeoutMs,
    maxTokens: limits.adaptedMaxTokens,
    formats,
    signal: abort.signal,
    setTimer,
    onFault: (error, reason) =>
      deps.fault('engine', error, { request: exchange.id, engine: engine.name, lora, reason }),
  })
  metrics.engineDone(engine.name)
  tell(breaker, answer)
  return answer
}

/**
 * Whether the route still stands: an answer must not be given after a rollback was confirmed. Checked
 * in the same tick in which the answer is sent.
 */
const isLive = ({ routes }: ChatDeps, { route }: MatchedRoute): boolean =>
  routes().byVersion.get(route.template.version)?.internalizationId === route.internalizationId

/** The answer as the caller's dialect has it. */
interface Rendered {
  answer: RenderedAnswer
  /** the caller's body, which a renderer may repeat */
  request: Record<string, unknown>
  /** of an answer that is not streamed */
  body: string
}

/** Of the API's form that the answer has. */
const API_VERSION = '2020-10-01'

/**
 * The headers that clients read, in the API's forms. Without `x-ratelimit-…`: an answer of a lora uses none of the
 * provider's limits, and what is left of them is not known here.
 */
const apiHeaders = (
  { upstreams, pages, now }: ChatDeps,
  { id, at, incoming, model }: Received['exchange']
): string[] => [
  'x-request-id',
  `req_${id}`,
  'openai-processing-ms',
  String(Math.max(0, Math.round(now() - at))),
  'openai-version',
  API_VERSION,
  ...(pages.ofAnswer(incoming, upstreams.nameFor(model)) ?? []),
]

const send = (deps: ChatDeps, received: Received, rendered: Rendered, headers: string[]): void => {
  const { client, exchange } = received
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
  deps: ChatDeps,
  received: Received,
  { rendered, usage, route, firstByteAt }: Ending
): void =>
  afterAnswer(deps, received, () => {
    const { charge, exchange } = received
    if (charge !== null) settleLora(charge, usage, rendered !== null)
    report(deps, received, () => {
      const times = { firstByteAt, endedAt: deps.now() }
      return recordOfLora(exchange, { response: rendered && rendered.body, usage }, route, times)
    })
  })

/** Text, or calls with ids of their own. */
const answerParts = (
  { id }: Received['exchange'],
  request: ChatRequest,
  content: string
): Pick<RenderedAnswer, 'content' | 'calls'> => {
  if (!isCallText(content)) return { content, calls: [] }
  const calls = parseCalls(content)!.map(({ name, arguments: given }, place) => ({
    id: callId(id, place),
    itemId: outputItemId('fc', id, place),
    name,
    arguments: argumentsText(given, functionNamed(request, name)?.parameters),
  }))
  return { content: '', calls }
}

/** A lora is immutable, so its name says which weights answered. */
const fingerprintOf = (lora: string): string => `fp_${hash('sha256', lora).slice(0, 10)}`

const rendered = (
  { echoModel, now }: ChatDeps,
  { exchange }: Received,
  asked: ChatRequest,
  { route: { lora } }: MatchedRoute,
  { content, logprobs, usage }: GivenAnswer
): Rendered => {
  const { dialect, id, at, model, body, previousId } = exchange
  const continues = previousId === null ? {} : { previous_response_id: previousId }
  const request = { ...JSON.parse(body.toString()), ...continues } as Rendered['request']
  const answer = {
    id: dialect.answerId(id),
    itemId: outputItemId('msg', id, 0),
    created: Math.floor(at / 1000),
    completed: Math.floor(now() / 1000),
    model: echoModel ? model : lora,
    fingerprint: fingerprintOf(lora),
    logprobs,
    ...answerParts(exchange, asked, content),
    usage,
  }
  return { answer, request, body: JSON.stringify(dialect.render(answer, request)) }
}

const give = (
  deps: ChatDeps,
  received: Received,
  answer: Rendered,
  { route: { template, lora, templateTokens } }: MatchedRoute,
  { confidence, usage, content }: GivenAnswer
): void => {
  const { exchange, overheadMs } = received
  const { messages } = received.request!
  const explained = { template: template.version, lora, confidence, overheadMs }
  const promptTokensSaved = templateTokens
  send(deps, received, answer, routeHeaders({ route: 'answered', ...explained, promptTokensSaved }))
  const firstByteAt = deps.now()
  deps.metrics.request('answered')
  const { model } = exchange
  deps.given.add(exchange.tenant, messages, content, {
    templateVersion: template.version,
    lora,
    model,
  })
  const savedUsd = deps.savedUsd(model, promptTokensSaved, usage)
  deps.metrics.saved(promptTokensSaved, savedUsd)
  const route: RouteOutcome = {
    templateVersion: template.version,
    lora,
    outcome: 'answered',
    reason: null,
    confidence,
    promptTokensSaved,
    savedUsd,
    ...drawn(exchange),
  }
  finish(deps, received, { rendered: answer, usage, route, firstByteAt })
}

/** Of a client that has left before its answer. @returns null: the exchange is over */
const endLeft = (
  deps: ChatDeps,
  received: Received,
  matched: MatchedRoute,
  { usage }: LoraAnswer
): null => {
  deps.metrics.cancelled('before-answer')
  const route = forwardedOutcome(received.exchange, matched, 'client-closed', {
    confidence: null,
    wasAsked: true,
  })
  finish(deps, received, { rendered: null, usage, route, firstByteAt: null })
  return null
}

/**
 * @returns null when the exchange is over (answered, or the client has left), else why the upstream
 * must answer; then no byte has been sent
 */
export const respondFromLora = async (
  deps: ChatDeps,
  received: Received,
  request: ChatRequest,
  matched: MatchedRoute,
  asked: Asked
): Promise<{ reason: FaultReason; confidence: number | null } | null> => {
  const answer = await ask(deps, received, request, matched, asked)
  if (received.client.gone) return endLeft(deps, received, matched, answer)
  const { confidence } = answer
  if (!answer.given) return { reason: answer.reason, confidence }
  const given = rendered(deps, received, request, matched, answer)
  // before it is sent: a caller that has an id may use it at once
  const kept = mustKeep(request) ? keptOf(received.exchange, given.body) : null
  if (kept !== null) await deps.keptResponses?.put(kept)
  const hasLeft = received.client.gone
  if (hasLeft || !isLive(deps, matched)) {
    if (kept !== null) await deps.keptResponses?.remove(kept.id, kept.tenant)
    return hasLeft ? endLeft(deps, received, matched, answer) : { reason: 'route-gone', confidence }
  }
  give(deps, received, given, matched, answer)
  return null
}
