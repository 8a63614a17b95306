/** Last step: an exchange that is over, as the log takes it. The store reads its answer. */
import type { AnswerForm, CapturedExchange } from '../core/log/exchange-batch.ts'
import type { RouteOutcome } from '../core/log/record.ts'
import type { Usage } from '../openai/chat.ts'
import type { Capture } from './upstream/capture.ts'
import type { ChatExchange } from './exchange.ts'
import type { ExchangeEnd } from './reasons.ts'

const CLIENT_CLOSED = 499
/** A stream that broke began with 200, but the client got no answer: a record must not say 2xx. */
const UPSTREAM_FAILED = 502

interface Ending {
  status: number
  firstByteAt: number | null
  endedAt: number
  route: RouteOutcome | null
  answer: Uint8Array[] | null
  form: AnswerForm
}

/** Milliseconds without the digits that no clock means, which every record would be longer by. */
const wholeMicros = (ms: number): number => Math.round(ms * 1000) / 1000

const captured = (exchange: ChatExchange, ending: Ending): CapturedExchange => ({
  head: {
    id: exchange.id,
    at: Math.floor(exchange.at),
    tenant: exchange.tenant,
    model: exchange.model,
    path: exchange.path,
    streamed: exchange.streamed,
    status: ending.status,
    firstByteMs: ending.firstByteAt === null ? null : wholeMicros(ending.firstByteAt - exchange.at),
    durationMs: wholeMicros(ending.endedAt - exchange.at),
    route: ending.route,
  },
  form: ending.form,
  request: exchange.body,
  answer: ending.answer,
})

const statusOf = (end: ExchangeEnd, capture: Capture): number => {
  if (end === 'client-gone') return CLIENT_CLOSED
  return end === 'upstream-failed' ? UPSTREAM_FAILED : capture.status
}

export const recordOfUpstream = (
  exchange: ChatExchange,
  capture: Capture,
  endedAt: number,
  { end, route }: { end: ExchangeEnd; route: RouteOutcome | null }
): CapturedExchange =>
  captured(exchange, {
    status: statusOf(end, capture),
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

/** An answer of the lora; `response` null when the client went away before there was one. */
export const recordOfLora = (
  exchange: ChatExchange,
  { response, usage }: { response: string | null; usage: Usage | null },
  route: RouteOutcome,
  times: { firstByteAt: number | null; endedAt: number }
): CapturedExchange =>
  captured(exchange, {
    status: response === null ? CLIENT_CLOSED : 200,
    ...times,
    route,
    answer: response === null ? null : [Buffer.from(response)],
    form: { kind: 'read', usage },
  })
