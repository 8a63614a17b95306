/** The last step of a completion that no lora answers: the upstream's own answer, and its record. */
import type { IncomingMessage } from 'node:http'
import { askForUsage } from '../openai/usage/ask-usage.ts'
import { REFUSED_AFTER_OURS } from '../core/rollout/pair.ts'
import { acceptanceOf } from './access/tenants.ts'
import type { Admitted } from './admit.ts'
import {
  type GivenAnswers,
  refusedAfterOurs,
  refusedOutcome,
  type RefusedAfterOurs,
} from './after-ours/given-answers.ts'
import type { Client } from './client/client.ts'
import type { StepDeps } from './deps.ts'
import { recordHeader } from './exchange.ts'
import { routeHeaders } from './headers.ts'
import type { Compared } from './lora/match.ts'
import type { Declined, ExchangeEnd } from './reasons.ts'
import {
  afterAnswer,
  declinedOutcome,
  recordOfUpstream,
  report,
  type RecordDeps,
} from './record/record.ts'
import { settleUpstream } from './record/settle.ts'
import { Capture } from './upstream/capture.ts'
import { refusalStatus } from './upstream/refusal.ts'
import type { AnsweredBy, Passage } from './upstream/upstream-answer.ts'

type AskUsageDeps = Pick<StepDeps, 'asksForUsage' | 'bodies'>
type AskDeps = Pick<StepDeps, 'upstreams' | 'upstreamApiKey' | 'limits' | 'now'>
type EndDeps = RecordDeps & Pick<StepDeps, 'tenants' | 'metrics' | 'fault'>
type UpstreamDeps = AskUsageDeps & AskDeps & EndDeps & { given: GivenAnswers }

const headersOf = (
  { route, wasAsked, reason, confidence }: Declined,
  overheadMs: number
): string[] =>
  routeHeaders({
    route: wasAsked ? 'fallback' : 'skipped',
    template: route.template.version,
    lora: route.lora,
    confidence,
    reason,
    overheadMs,
  })

const count = (metrics: StepDeps['metrics'], declined: Declined | null): void => {
  if (declined === null) return metrics.request('unmatched')
  metrics.request(declined.wasAsked ? 'fallback' : 'skipped')
  metrics.forwarded(declined.reason)
}

/** A completion's way through an upstream, and the work after its answer. */
class ChatPassage implements Passage {
  readonly incoming: IncomingMessage
  readonly body: Buffer
  readonly client: Client
  readonly apiKey: string | null
  readonly capture: Capture
  readonly hidesUsage: boolean
  private readonly admitted: Admitted
  private readonly overheadMs: number
  private knownHeaders: string[] | null = null

  /**
   * @param declined null without a match
   * @param asking the body that asks for usage; null when the original is sent
   */
  constructor(
    private readonly deps: UpstreamDeps,
    { admitted, overheadMs }: Compared,
    private readonly declined: Declined | null,
    asking: Buffer | null
  ) {
    const { client, exchange } = admitted.read
    this.admitted = admitted
    this.overheadMs = overheadMs
    this.incoming = exchange.incoming
    this.body = asking ?? exchange.body
    this.client = client
    this.apiKey = deps.upstreamApiKey
    this.capture = new Capture(deps.limits.captureMaxBytes, deps.now)
    this.hidesUsage = asking !== null
  }

  get addedHeaders(): string[] {
    return (this.knownHeaders ??= this.makeHeaders())
  }

  /** Makes the headers. Called when the upstream has the request, so that the time of it delays nothing. */
  prepareHeaders(): void {
    this.knownHeaders ??= this.makeHeaders()
  }

  private makeHeaders(): string[] {
    const { admitted, declined, overheadMs } = this
    const explained = declined === null ? [] : headersOf(declined, overheadMs)
    try {
      return [...recordHeader(admitted.read.exchange), ...explained]
    } catch {
      // an issued key was revoked meanwhile: then the exchange is not logged, which its end reports
      return explained
    }
  }

  onEnd(end: ExchangeEnd, answeredBy: AnsweredBy): void {
    const { exchange } = this.admitted.read
    afterAnswer(this.deps, exchange, () => this.conclude(end, answeredBy))
  }

  private conclude(end: ExchangeEnd, answeredBy: AnsweredBy): void {
    const { bodies, metrics, now, limits, given, fault } = this.deps
    const { capture, declined, client } = this
    const { read, charge } = this.admitted
    const { exchange } = read
    if (charge !== null)
      void settleUpstream(charge, capture, end, {
        dialect: exchange.dialect,
        maxBytes: limits.captureMaxBytes,
        fault,
      })
    if (this.hidesUsage) bodies.give(this.body.length)
    // with a match it is counted before the lora is asked
    if (declined === null) metrics.overhead(this.overheadMs)
    metrics.upstreamAnswered(capture.status)
    if (end === 'client-gone')
      metrics.cancelled(client.outgoing.headersSent ? 'during-answer' : 'before-answer')
    const refused = refusedAfterOurs(given, read, capture)
    if (refused !== null) this.reportRefused(refused)
    // not for what the caller wrote: a key is not refused for an answer of ours
    else if (capture.status !== 0) this.observe(answeredBy)
    report(this.deps, exchange, () => {
      const outcome = declined && declinedOutcome(declined)
      const by = refused?.by ?? null
      const route = by === null ? outcome : refusedOutcome(by, outcome)
      return recordOfUpstream(exchange, capture, now(), { end, route })
    })
  }

  private reportRefused({ by }: RefusedAfterOurs): void {
    const { capture, admitted } = this
    const message = `the upstream answered ${capture.status} to a request that continues a lora's answer`
    const { id } = admitted.read.exchange
    const data = { request: id, status: capture.status, lora: by?.lora ?? null }
    this.deps.fault(REFUSED_AFTER_OURS, new Error(message), data)
  }

  /** A key is proven only by an upstream that has seen it, and only for the model that it answered with. */
  private observe({ name, apiKey }: AnsweredBy): void {
    const { exchange } = this.admitted.read
    if (apiKey !== null || this.apiKey !== null || !exchange.hasProof) return
    const ageMs = this.deps.now() - exchange.at
    const { tenant, model } = exchange
    const { tenants } = this.deps
    const note = (status: number): void =>
      tenants.observe(acceptanceOf(tenant, name), model, status, ageMs)
    const status = refusalStatus(this.capture, exchange.dialect)
    if (typeof status === 'number') note(status)
    else void status.then(note)
  }
}

/**
 * A budget must know what a stream costs, so a stream of a key with a budget is always asked for its
 * usage. The edited copy of the body takes room like a body; where there is none the original is sent,
 * and the usage stays unknown.
 */
const askingBody = (
  { asksForUsage, bodies }: AskUsageDeps,
  { read: { exchange }, charge }: Admitted
): Buffer | null => {
  const { dialect, streamed, body } = exchange
  const asks = dialect.asksForUsage && streamed && (asksForUsage || charge?.isBilled === true)
  const asking = asks ? askForUsage(body) : null
  return asking !== null && bodies.take(asking.length) ? asking : null
}

export type RespondFromUpstream = ReturnType<typeof createRespondFromUpstream>

/**
 * Sends the original bytes; the client gets the upstream's bytes. With `STREAM_USAGE=always`, and for a
 * key with a budget, a stream is asked for its usage, which is removed from the client's stream. `declined`
 * is null without a match.
 */
export const createRespondFromUpstream =
  (deps: UpstreamDeps) =>
  (compared: Compared, declined: Declined | null): void => {
    const { admitted } = compared
    const passage = new ChatPassage(deps, compared, declined, askingBody(deps, admitted))
    deps.upstreams.ask(passage, admitted.read.exchange.model)
    passage.prepareHeaders()
    count(deps.metrics, declined)
  }
