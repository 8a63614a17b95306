/** The last step of a routed completion: the lora's answer in the form that the client asked for. */
import { askLora } from './ask-lora.ts'
import type { StepDeps } from '../deps.ts'
import { recordHeader, type ChatExchange } from '../exchange.ts'
import { EVENT_STREAM, routeHeaders } from '../headers.ts'
import { keptOf, mustKeep } from '../kept/keep.ts'
import type { Declined, FaultReason } from '../reasons.ts'
import { concludeGiven, concludeLeft, concludePart, type ConcludeDeps } from './conclude.ts'
import type { LoraAnswer, EarlyClient } from './draft.ts'
import type { Matched } from './match.ts'
import { answerHead, renderAnswer, type RenderDeps, type Rendered } from './render-answer.ts'
import type { Routed } from './router.ts'
import type { AnswerStream, RenderedAnswer } from '../../openai/answer.ts'
import type { Client } from '../client/client.ts'

/**
 * A lora's answer on its way to the client while it is generated, from its first tokens on. What the client does not
 * read yet waits as text, once for all parts of it: an answer has a limit of tokens, and a part for each of them would
 * take many times its bytes.
 */
const HIGH_SURROGATE = /[\ud800-\udbff]$/

interface EarlyOptions {
  events: AnswerStream
  /** whether the answer may begin at this moment */
  mayBegin: () => boolean
  /** of the answer, made when it begins */
  headers: (confidence: number) => string[]
  now: () => number
  /** takes an exception, after which the answer is held back */
  onFault: (error: unknown) => void
}

class EarlyAnswer implements EarlyClient {
  /** milliseconds since the epoch; null: the client has nothing */
  begunAt: number | null = null
  /** what there is of the answer */
  content = ''
  /** of it, what is not sent */
  private waiting = ''
  private isFull = false

  constructor(
    private readonly client: Client,
    private readonly options: EarlyOptions
  ) {}

  begin(text: string, confidence: number): boolean {
    const { client, options } = this
    if (!client.canBeAnswered || !options.mayBegin()) return false
    try {
      client.outgoing.writeHead(200, [...EVENT_STREAM, ...options.headers(confidence)])
    } catch (error) {
      options.onFault(error)
      return false
    }
    this.begunAt = options.now()
    client.outgoing.write(options.events.begin())
    this.add(text)
    return true
  }

  add(text: string): void {
    this.content += text
    this.waiting += text
    this.flush()
  }

  /** The rest and the end. */
  end(answer: RenderedAnswer): void {
    const { events } = this.options
    const rest = this.waiting === '' ? '' : events.content(this.waiting)
    this.waiting = ''
    this.client.outgoing.end(rest + events.end(answer))
  }

  /** Sends what there is, without half a character at its end, unless the client reads more slowly than it gets. */
  private flush(): void {
    const { outgoing } = this.client
    if (this.isFull || outgoing.writableEnded || outgoing.destroyed) return
    const half = HIGH_SURROGATE.exec(this.waiting)?.[0] ?? ''
    const whole = this.waiting.slice(0, this.waiting.length - half.length)
    if (whole === '') return
    this.waiting = half
    if (outgoing.write(this.options.events.content(whole))) return
    this.isFull = true
    outgoing.once('drain', () => {
      this.isFull = false
      this.flush()
    })
  }
}

type AskDeps = Pick<StepDeps, 'limits' | 'formats' | 'metrics' | 'fault' | 'setTimer'>
type SendDeps = Pick<StepDeps, 'upstreams' | 'pages' | 'now'>
type EarlyDeps = SendDeps & RenderDeps & Pick<StepDeps, 'routes' | 'streamsEarly' | 'fault'>
type LoraDeps = AskDeps & EarlyDeps & ConcludeDeps & Pick<StepDeps, 'keptResponses'>

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
  routed: Routed,
  early: EarlyAnswer | null
): Promise<LoraAnswer> => {
  const { matched, answerer } = routed
  const { client, exchange } = matched.admitted.read
  const { lora } = matched.route
  const abort = new AbortController()
  client.onGone(() => abort.abort())
  metrics.engineAsked(answerer.name)
  const answer = await askLora(answerer, matched, {
    timeoutMs: limits.adaptedTimeoutMs,
    early,
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

/** Where the answer goes while it is generated. @returns null: it is held back */
const earlyAnswer = (deps: EarlyDeps, matched: Matched): EarlyAnswer | null => {
  const { request, route, admitted } = matched
  const { client, exchange } = admitted.read
  const { openEvents } = exchange.dialect
  if (!deps.streamsEarly || route.streamsEarly !== true || !exchange.streamed) return null
  // those of a token may have half a character
  if (openEvents === null || request.logprobs === true) return null
  return new EarlyAnswer(client, {
    events: openEvents(answerHead(deps, matched), request),
    mayBegin: () => isLive(deps, matched),
    headers: (confidence) => headersOf(deps, matched, confidence),
    now: deps.now,
    onFault: (error) => deps.fault('route', error, { request: exchange.id, lora: route.lora }),
  })
}

/** Of an answer that the client has in part: its end, or the end of its connection. */
const endEarly = (
  deps: RenderDeps & ConcludeDeps,
  routed: Routed,
  { early, begunAt }: { early: EarlyAnswer; begunAt: number },
  answer: LoraAnswer
): void => {
  const { matched } = routed
  const { client } = matched.admitted.read
  const sent = { firstByteAt: begunAt, isEarly: true }
  if (answer.given && !client.gone) {
    const isCut = answer.foundLate === 'length'
    const rendered = renderAnswer(deps, matched, { ...answer, ...(isCut && { endedBy: 'length' }) })
    early.end(rendered.answer)
    return concludeGiven(deps, routed, { ...sent, rendered }, answer)
  }
  const { usage, confidence } = answer
  const reason = answer.given || client.gone ? 'client-closed' : answer.reason
  if (!client.gone) client.break()
  const part = { content: early.content, logprobs: null, usage, endedBy: 'fault' as const }
  const rendered = renderAnswer(deps, matched, part)
  concludePart(deps, routed, { ...sent, rendered }, { given: false, reason, confidence, usage })
}

const declined = (
  { matched: { route }, position }: Routed,
  reason: FaultReason,
  confidence: number | null
): Declined => ({ route, reason, confidence, wasAsked: true, position })

export type RespondFromLora = ReturnType<typeof createRespondFromLora>

/**
 * Asks the lora, and gives its answer where it is good enough. Null when the exchange is over (answered, broken off, or
 * the client has left), else why the upstream must answer; then no byte has been sent.
 */
export const createRespondFromLora =
  (deps: LoraDeps) =>
  async (routed: Routed): Promise<Declined | null> => {
    const { matched } = routed
    const { client, exchange } = matched.admitted.read
    const early = earlyAnswer(deps, matched)
    const answer = await ask(deps, routed, early)
    const begunAt = early?.begunAt ?? null
    if (early !== null && begunAt !== null) {
      endEarly(deps, routed, { early, begunAt }, answer)
      return null
    }
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
    concludeGiven(deps, routed, { rendered, firstByteAt: deps.now(), isEarly: false }, answer)
    return null
  }
