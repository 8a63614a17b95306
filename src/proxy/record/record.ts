/** Last step: an exchange that is over becomes a record. The store reads its answer. */
import type { AnswerForm, CapturedExchange } from '../../core/log/exchange-batch.ts'
import { receivedHead, type RouteOutcome } from '../../core/log/record.ts'
import { PLAIN } from '../../core/request/envelope.ts'
import { AUDIT } from '../../core/rollout/pair.ts'
import type { Usage } from '../../openai/chat.ts'
import type { Capture } from '../upstream/capture.ts'
import type { StepDeps } from '../deps.ts'
import type { ChatExchange } from '../exchange.ts'
import type { Declined, ExchangeEnd } from '../reasons.ts'

const CLIENT_CLOSED = 499
/** A stream that broke began with 200, but the client got no whole answer: a record must not say 2xx. */
const UPSTREAM_FAILED = 502

interface Ending {
  status: number
  firstByteAt: number | null
  endedAt: number
  route: RouteOutcome | null
  answer: Uint8Array[] | null
  form: AnswerForm
}

/** Milliseconds without digits beyond the clock's precision, which would make every record longer. */
const wholeMicros = (ms: number): number => Math.round(ms * 1000) / 1000

const captured = (exchange: ChatExchange, ending: Ending): CapturedExchange => ({
  head: receivedHead({
    id: exchange.id,
    at: Math.floor(exchange.at),
    tenant: exchange.tenant,
    ...(exchange.caller !== undefined && { caller: exchange.caller }),
    ...(exchange.envelope !== PLAIN && { envelope: exchange.envelope }),
    model: exchange.model,
    path: exchange.path,
    streamed: exchange.streamed,
    status: ending.status,
    firstByteMs: ending.firstByteAt === null ? null : wholeMicros(ending.firstByteAt - exchange.at),
    durationMs: wholeMicros(ending.endedAt - exchange.at),
    route: ending.route,
  }),
  form: ending.form,
  request: exchange.body,
  answer: ending.answer,
})

const statusOf = (end: ExchangeEnd, status: number): number => {
  if (end === 'client-gone') return CLIENT_CLOSED
  return end === 'upstream-failed' ? UPSTREAM_FAILED : status
}

export const recordOfUpstream = (
  exchange: ChatExchange,
  capture: Capture,
  endedAt: number,
  { end, route }: { end: ExchangeEnd; route: RouteOutcome | null }
): CapturedExchange =>
  captured(exchange, {
    status: statusOf(end, capture.status),
    firstByteAt: capture.firstByteAt,
    endedAt,
    route,
    answer: capture.bytes === 0 ? null : capture.chunks,
    form: {
      kind: 'raw',
      contentType: capture.contentType,
      contentEncoding: capture.contentEncoding,
      complete: end === 'complete',
    },
  })

interface LoraEnding {
  /** body of the answer, or of the part that there was; null when the client left before */
  response: string | null
  usage: Usage | null
  /** `upstream-failed`: the engine did */
  end: ExchangeEnd
}

/** The record of a lora's answer. */
export const recordOfLora = (
  exchange: ChatExchange,
  { response, usage, end }: LoraEnding,
  route: RouteOutcome,
  times: { firstByteAt: number | null; endedAt: number }
): CapturedExchange =>
  captured(exchange, {
    status: statusOf(end, 200),
    ...times,
    route,
    answer: response === null ? null : [Buffer.from(response)],
    form: { kind: 'read', usage },
  })

/** What the log keeps of a drawn position. */
export const drawn = (position: number | null): Pick<RouteOutcome, 'position'> =>
  position === null ? {} : { position }

/** The outcome of a matched request that no lora answered. */
export const declinedOutcome = ({
  route,
  reason,
  confidence,
  wasAsked,
  position,
}: Declined): RouteOutcome => ({
  templateVersion: route.template.version,
  lora: route.lora,
  outcome: wasAsked ? 'fallback' : 'skipped',
  reason,
  confidence,
  promptTokensSaved: 0,
  ...(reason === AUDIT && route.auditPart < 1 && { auditPart: route.auditPart }),
  ...drawn(position),
})

export type RecordDeps = Pick<StepDeps, 'log' | 'trace'>

/**
 * Logs and traces an exchange that is over.
 * @param record called where it is logged or traced
 */
export const report = (
  { log, trace }: RecordDeps,
  { isCaptured, incoming }: Pick<ChatExchange, 'isCaptured' | 'incoming'>,
  record: () => CapturedExchange
): void => {
  if (!isCaptured && trace === null) return
  const made = record()
  if (isCaptured) log(made)
  trace?.(made, incoming.headers.traceparent)
}

/** Runs the work after an answer: thrown further, its errors would break an answer that is whole. */
export const afterAnswer = (
  { fault }: Pick<StepDeps, 'fault'>,
  exchange: Pick<ChatExchange, 'id'>,
  work: () => void
): void => {
  try {
    work()
  } catch (error) {
    fault('exchange-end', error, { request: exchange.id })
  }
}
