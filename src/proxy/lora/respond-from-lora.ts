/** Fourth step, when a route answers: the lora's answer as the client asked for it, and its record. */
import type { RouteOutcome } from '../../core/log/record.ts'
import type { ChatRequest, Usage } from '../../openai/chat.ts'
import { renderCompletion, renderEvents, type RenderedAnswer } from '../../openai/render.ts'
import { askLora, type LoraAnswer } from './ask-lora.ts'
import type { FaultReason } from '../reasons.ts'
import type { Breaker } from '../breaker.ts'
import type { ChatDeps } from '../deps.ts'
import type { Received } from '../exchange.ts'
import { routeHeaders } from '../headers.ts'
import type { MatchedRoute } from '../../core/route/route-table.ts'
import { recordOfLora } from '../record.ts'
import type { Decision } from './router.ts'
import { settleLora } from '../settle.ts'

/** Faults that say that the engine is unwell, not that it was unsure. */
const ENGINE_FAULTS = new Set<FaultReason>(['engine-error', 'engine-timeout'])

const report = (breaker: Breaker, answer: LoraAnswer): void => {
  if (!answer.given && ENGINE_FAULTS.has(answer.reason)) breaker.failed()
  else if (answer.given || answer.reason !== 'client-closed') breaker.succeeded()
}

/**
 * Whether the route still stands: a lora that was taken back while it answered must not be heard after
 * the one who took it back was told so. Asked in the turn in which the answer is sent.
 */
const isLive = ({ routes }: ChatDeps, { route }: MatchedRoute): boolean =>
  routes().byVersion.get(route.template.version)?.internalizationId === route.internalizationId

const send = (
  { client, exchange }: Received,
  request: ChatRequest,
  answer: RenderedAnswer,
  headers: string[]
): void => {
  const ownHeaders = ['x-request-id', exchange.id, ...headers]
  if (request.stream !== true) {
    client.sendJson(200, JSON.stringify(renderCompletion(answer)), ownHeaders)
    return
  }
  client.outgoing.writeHead(200, [
    'content-type',
    'text/event-stream; charset=utf-8',
    'cache-control',
    'no-cache',
    ...ownHeaders,
  ])
  client.outgoing.end(renderEvents(answer, request.stream_options?.include_usage === true))
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
  { engine, breaker }: Extract<Decision, { target: 'lora' }>
): Promise<{ reason: FaultReason; confidence: number | null } | null> => {
  const { limits, metrics, now } = deps
  const { exchange, client } = received
  const { route } = matched
  const abort = new AbortController()
  client.onGone(() => abort.abort())
  metrics.engineAsked(engine.name)
  const answer = await askLora(engine, matched, request, {
    timeoutMs: limits.adaptedTimeoutMs,
    maxTokens: limits.adaptedMaxTokens,
    formats: deps.formats,
    signal: abort.signal,
    onFault: (error, reason) =>
      deps.fault('engine', error, {
        request: exchange.id,
        engine: engine.name,
        lora: route.lora,
        reason,
      }),
  })
  metrics.engineDone(engine.name)
  report(breaker, answer)

  if (client.gone) {
    metrics.cancelled('before-answer')
    finish(deps, received, matched, { given: null, usage: answer.usage })
    return null
  }
  if (!answer.given) return { reason: answer.reason, confidence: answer.confidence }
  if (!isLive(deps, matched)) return { reason: 'route-gone', confidence: answer.confidence }
  const rendered: RenderedAnswer = {
    id: `chatcmpl-${exchange.id}`,
    created: Math.floor(exchange.at / 1000),
    model: deps.echoModel ? request.model : route.lora,
    content: answer.content,
    usage: answer.usage,
  }
  const headers = routeHeaders({
    route: 'answered',
    template: route.template.version,
    lora: route.lora,
    confidence: answer.confidence,
    promptTokensSaved: route.templateTokens,
    overheadMs: received.overheadMs,
  })
  send(received, request, rendered, headers)
  metrics.request('answered')
  const { confidence, usage } = answer
  const savedUsd = deps.savedUsd(exchange.model, route.templateTokens, usage)
  metrics.saved(route.templateTokens, savedUsd)
  finish(deps, received, matched, { given: { rendered, confidence, savedUsd, at: now() }, usage })
  return null
}

interface GivenAnswer {
  rendered: RenderedAnswer
  confidence: number
  savedUsd: number | null
  at: number
}

const outcomeOf = ({ route }: MatchedRoute, given: GivenAnswer | null): RouteOutcome => ({
  templateVersion: route.template.version,
  lora: route.lora,
  outcome: given ? 'answered' : 'fallback',
  reason: given ? null : 'client-closed',
  ...(given ? {} : { asked: true }),
  confidence: given?.confidence ?? null,
  promptTokensSaved: given ? route.templateTokens : 0,
  savedUsd: given && given.savedUsd,
})

/** What is left to do when the exchange is over: its key's limits and its record. */
const finish = (
  deps: ChatDeps,
  received: Received,
  matched: MatchedRoute,
  end: { given: GivenAnswer | null; usage: Usage | null }
): void => {
  try {
    conclude(deps, received, matched, end)
  } catch (error) {
    // thrown further, it would break an answer that the client has as a whole
    deps.fault('exchange-end', error, { request: received.exchange.id })
  }
}

const conclude = (
  deps: ChatDeps,
  received: Received,
  matched: MatchedRoute,
  { given, usage }: { given: GivenAnswer | null; usage: Usage | null }
): void => {
  const { exchange, incoming, charge } = received
  if (charge !== null) settleLora(charge, usage, given !== null)
  if (!exchange.isCaptured && deps.trace === null) return
  const record = recordOfLora(
    exchange,
    { response: given && JSON.stringify(renderCompletion(given.rendered)), usage },
    outcomeOf(matched, given),
    { firstByteAt: given?.at ?? null, endedAt: deps.now() }
  )
  if (exchange.isCaptured) deps.log(record)
  deps.trace?.(record, incoming.headers.traceparent)
}
