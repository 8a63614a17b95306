/**
 * Sends a logged request to another model with the operator's key: what it can cost, what it is expected to cost, and
 * when it is sent again. `promptintern move` and the arms of other models ask in the same way.
 */
import { boundTokens, boundUsd } from '../../core/cost/cost-bound.ts'
import { requestCost, tokensCost, type Price } from '../../core/cost/prices.ts'
import { isSuccess } from '../../core/http-status.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import { readChatRequest } from '../../core/request/chat-reading.ts'
import { toAppError } from '../../errors.ts'
import { dialectOfRecord } from '../../openai/dialect.ts'
import { errorMessageIn } from '../../openai/error-body.ts'
import type { AskUpstream, UpstreamAnswer } from '../deps.ts'

/** Requests at the same time. */
export const LANES = 4
/** Of a request that comes too soon, or that the upstream has no room for. */
const [TRIES, WAIT_MS, MAX_WAIT_MS] = [4, 1_000, 30_000]

export interface AskDeps {
  ask: AskUpstream
  sleep: (ms: number) => Promise<void>
  /** of a request that comes too soon; four by default */
  tries?: number | undefined
}

export interface AskedModel {
  name: string
  price: Price
  /** whether log-probabilities are asked for where the logged request does not */
  addsLogprobs?: boolean
}

/** @param body of a logged request */
export const withModel = (
  body: string,
  { name, addsLogprobs }: Omit<AskedModel, 'price'>
): string => {
  const request = JSON.parse(body) as Record<string, unknown>
  return JSON.stringify({ ...request, model: name, ...(addsLogprobs && { logprobs: true }) })
}

/** What of a record is sent. */
export type AskedRecord = Pick<StoredRecord, 'path' | 'envelope' | 'request'>

/** What of a record says what it costs. */
export type CostedRecord = Pick<StoredRecord, 'path' | 'usage' | 'request' | 'response'>

/** US dollars that a request can cost at most; Infinity: it has no bound. */
export const mostUsd = (record: AskedRecord, model: AskedModel): number => {
  const dialect = dialectOfRecord(record)
  const { outcome } = readChatRequest(Buffer.from(withModel(record.request, model)), dialect)
  if (typeof outcome === 'string') return Infinity
  try {
    return boundUsd(model.price, boundTokens(outcome, model.price))
  } catch (error) {
    if (toAppError(error).code === 'invalid-request') return Infinity
    throw error
  }
}

/** Of most texts and tokenizers fewer than a token has. */
const CHARS_OF_TOKEN = 3
/** Of an answer that the log does not have. */
const ANSWER_CHARS = 3_000

/** US dollars, as if the other model answered as long as the logged one. */
export const expectedCost = (
  { usage, request, response }: Pick<StoredRecord, 'usage' | 'request' | 'response'>,
  price: Price
): number =>
  (usage && requestCost(price, usage)) ??
  tokensCost(price, {
    input: request.length / CHARS_OF_TOKEN,
    cachedInput: 0,
    cacheWrite: 0,
    output: (response?.length ?? ANSWER_CHARS) / CHARS_OF_TOKEN,
  })

export const refusalOf = ({
  status,
  body,
}: UpstreamAnswer): { status: number; message: string | null } => ({
  status,
  message: errorMessageIn(body),
})

/** Of the request and not of the moment: with the other model it is not possible. No redirect is followed. */
export const isRefusal = (status: number): boolean =>
  status >= 300 && status < 500 && status !== 408 && status !== 429

/** `lost`: it may have been charged; `not-sent`: the operator's key must not go there; `refused`: for the moment. */
export type NoAnswer = 'lost' | 'not-sent' | 'refused'

/** Nothing was sent: undici's codes, and those of the system. */
const NOT_CONNECTED = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
])

const NO_CONNECTION: UpstreamAnswer = { status: 503, body: '', retryAfterMs: null }

const isNotConnected = (error: unknown): boolean => {
  const { cause } = error as { cause?: { code?: unknown } }
  return NOT_CONNECTED.has(String(cause?.code))
}

/**
 * A request that was lost on its way may have been charged, so it is not repeated; one that was refused for the
 * moment is. @returns why it has no answer, where it has none
 */
export const askModel = async (
  { ask, sleep, tries = TRIES }: AskDeps,
  record: AskedRecord,
  model: AskedModel
): Promise<UpstreamAnswer | NoAnswer> => {
  const asked = { ...record, request: withModel(record.request, model) }
  for (let attempt = 1; ; attempt++) {
    const answer = await ask(asked).catch((error: unknown) =>
      isNotConnected(error) ? NO_CONNECTION : ('lost' as const)
    )
    if (answer === null) return 'not-sent'
    if (answer === 'lost' || isSuccess(answer.status) || isRefusal(answer.status)) return answer
    if (attempt >= tries) return 'refused'
    await sleep(Math.min(MAX_WAIT_MS, answer.retryAfterMs ?? WAIT_MS * 2 ** attempt))
  }
}
