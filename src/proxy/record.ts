/**
 * Last step: an exchange that is over → the record of it. Runs behind the log queue, when the
 * client has its answer.
 */
import type { ExchangeRecord, RouteOutcome } from '../core/record.ts'
import { createAccumulator } from '../openai/accumulate.ts'
import type { Usage } from '../openai/chat.ts'
import type { Capture } from './capture.ts'
import { decodeBody } from './decode.ts'
import type { Exchange, ExchangeEnd } from './exchange.ts'

const CLIENT_CLOSED = 499
/** A stream that broke began with 200, but the client got no answer: a record must not say 2xx. */
const UPSTREAM_FAILED = 502

const baseOf = (exchange: Exchange, endedAt: number) => ({
  id: exchange.id,
  at: Math.floor(exchange.at),
  tenant: exchange.tenant,
  model: exchange.model,
  path: exchange.path,
  streamed: exchange.streamed,
  request: exchange.body.toString('utf8'),
  durationMs: endedAt - exchange.at,
})

const statusOf = (end: ExchangeEnd, capture: Capture): number => {
  if (end === 'client-gone') return CLIENT_CLOSED
  return end === 'upstream-failed' ? UPSTREAM_FAILED : capture.status
}

interface ReadAnswer {
  response: string | null
  usage: Usage | null
}

const NO_ANSWER: ReadAnswer = { response: null, usage: null }

const readStream = (body: Buffer): ReadAnswer => {
  const accumulator = createAccumulator()
  accumulator.push(body)
  const completion = accumulator.completion()
  if (completion) {
    return { response: JSON.stringify(completion), usage: completion.usage ?? null }
  }
  const error = accumulator.error()
  return error === undefined ? NO_ANSWER : { response: JSON.stringify({ error }), usage: null }
}

const readJson = (text: string): ReadAnswer => {
  try {
    const parsed = JSON.parse(text) as { usage?: Usage | null } | null
    return { response: text, usage: parsed?.usage ?? null }
  } catch {
    // an error page of something before the upstream: kept, as a JSON string
    return { response: text === '' ? null : JSON.stringify(text), usage: null }
  }
}

const readAnswer = async (
  capture: Capture,
  end: ExchangeEnd,
  maxBytes: number
): Promise<ReadAnswer> => {
  if (capture.truncated || capture.bytes === 0) return NO_ANSWER
  const raw = capture.chunks.length === 1 ? capture.chunks[0]! : Buffer.concat(capture.chunks)
  const body = await decodeBody(raw, capture.contentEncoding, maxBytes)
  if (body === null) return NO_ANSWER
  if (capture.contentType.startsWith('text/event-stream')) return readStream(body)
  // half a JSON body says nothing
  return end === 'complete' ? readJson(body.toString('utf8')) : NO_ANSWER
}

export interface UpstreamEnd {
  end: ExchangeEnd
  route: RouteOutcome | null
  /** of the decoded answer; a larger one is logged without its text */
  maxBytes: number
}

export const recordOfUpstream = async (
  exchange: Exchange,
  capture: Capture,
  endedAt: number,
  { end, route, maxBytes }: UpstreamEnd
): Promise<ExchangeRecord> => ({
  ...baseOf(exchange, endedAt),
  status: statusOf(end, capture),
  firstByteMs: capture.firstByteAt === null ? null : capture.firstByteAt - exchange.at,
  ...(await readAnswer(capture, end, maxBytes)),
  route,
})

/** An answer of the lora; `response` null when the client went away before there was one. */
export const recordOfLora = (
  exchange: Exchange,
  answer: ReadAnswer | null,
  route: RouteOutcome,
  times: { firstByteAt: number | null; endedAt: number }
): ExchangeRecord => ({
  ...baseOf(exchange, times.endedAt),
  status: answer ? 200 : CLIENT_CLOSED,
  firstByteMs: times.firstByteAt === null ? null : times.firstByteAt - exchange.at,
  ...(answer ?? NO_ANSWER),
  route,
})
