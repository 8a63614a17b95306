/** What answers a routed request in place of its upstream. Made for one request. */
import { answerOfModel } from '../../core/answer/outcome.ts'
import { countableUsage } from '../../core/cost/token-estimate.ts'
import { isSuccess } from '../../core/http-status.ts'
import { adaptedRequest, type OtherModel } from '../../core/route/route.ts'
import type { Engine, GeneratedDelta } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { ChatCompletion, ChatRequest } from '../../openai/chat.ts'
import { parseJson } from '../../openai/fields.ts'
import { readAnswer } from '../../openai/read-answer.ts'
import { askForUsage } from '../../openai/usage/ask-usage.ts'
import { answerUsage } from '../../openai/usage/usage.ts'
import type { Purchase } from '../access/limits.ts'
import type { StepDeps } from '../deps.ts'
import type { ChatExchange } from '../exchange.ts'
import { withoutHeaders } from '../headers.ts'
import { Capture } from '../upstream/capture.ts'
import type { Collect } from '../upstream/collect.ts'
import type { Matched } from './match.ts'
import { inserted, orNull, replaced, Scanner, UNSURE } from '../../openai/json-edit.ts'

/**
 * Makes a chat request one to another model: replaces `model`, and asks for log-probabilities where the client does
 * not. All other bytes stay. A body that cannot be edited with certainty is not edited.
 */
const withName = (body: Buffer, name: string): Buffer => {
  const scanner = new Scanner(body)
  const request = scanner.find('model', scanner.space(0))
  if (request.value === null || scanner.space(request.end) !== body.length) throw UNSURE
  return replaced(body, request.value, JSON.stringify(name))
}

const withLogprobs = (body: Buffer): Buffer => {
  const scanner = new Scanner(body)
  const request = scanner.find('logprobs', scanner.space(0))
  return request.value === null
    ? inserted(body, request, '"logprobs":true')
    : replaced(body, request.value, 'true')
}

/**
 * @returns null where the body cannot be edited with certainty: not a JSON object, without a model, repeated or escaped
 * names
 */
export const forOtherModel = (
  body: Buffer,
  { name, hasLogprobs }: { name: string; hasLogprobs: boolean }
): Buffer | null =>
  orNull(() => {
    const named = withName(body, name)
    return hasLogprobs ? withLogprobs(named) : named
  })

export interface Answerer {
  /** for metrics and the log */
  readonly name: string
  /** The answer, in one piece or in many. Rejects with AppError; a status below 500 says that the request is refused. */
  stream(signal: AbortSignal): AsyncIterable<GeneratedDelta>
}

/**
 * @param maxTokens the most that an answer may have, even where the request allows more
 */
export const engineAnswerer = (
  engine: Engine,
  { route, match, request }: Matched,
  maxTokens: number
): Answerer => ({
  name: engine.name,
  stream: (signal) => {
    const asked: ChatRequest = {
      ...adaptedRequest(route, match, request, maxTokens),
      // reports the usage of an answer that is dropped before its end
      stream_options: { include_usage: true, continuous_usage_stats: true },
    }
    return engine.stream(asked, { signal })
  },
})

/** A provider takes it for the request itself: then the fallback would be given the answer of the other model. */
const OF_ONE_REQUEST = 'idempotency-key'

const askedBy = ({ incoming }: ChatExchange): Parameters<Collect>[0] => {
  const { method = 'POST', url = '/', rawHeaders, headers } = incoming
  const kept = withoutHeaders(rawHeaders, (name) => name === OF_ONE_REQUEST)
  return { method, url, rawHeaders: kept, headers }
}

/** A stream is asked for its usage, which the client gets only where it asks for it. */
const bodyFor = ({ body, streamed }: ChatExchange, model: OtherModel): Buffer => {
  const edited = forOtherModel(body, model)
  if (edited === null)
    throw new AppError('invalid-request', 'the model in the body cannot be replaced')
  return streamed ? (askForUsage(edited) ?? edited) : edited
}

/** Of the request itself; all others are taken for refusals of the model or of the caller's key. */
const OF_REQUEST = new Set([400, 413, 422])

const requireSuccess = ({ status }: Capture): void => {
  if (isSuccess(status)) return
  const message = `the upstream answered ${status}`
  throw new AppError(OF_REQUEST.has(status) ? 'invalid-request' : 'upstream-unavailable', message)
}

const readCompletion = async (
  { chunks, contentType, contentEncoding }: Capture,
  { dialect }: ChatExchange,
  maxBytes: number
): Promise<ChatCompletion | null> => {
  const form = { contentType, contentEncoding, complete: true }
  const body = Buffer.concat(chunks)
  const isStream = contentType.startsWith('text/event-stream')
  const { response } = await readAnswer(body, form, { dialect, maxBytes })
  // a stream that ended early may have a part of the answer
  const isWhole = !isStream || contentEncoding !== '' || body.includes(dialect.lastEvent)
  if (response === null || !isWhole) return null
  return dialect.completionOf(parseJson(response.toString()))
}

type ModelDeps = Pick<StepDeps, 'limits' | 'bodies' | 'now'>

/**
 * The client's own bytes go to the other model, with its name in them.
 * @param collect asks its upstream
 */
export const modelAnswerer = (
  { limits, bodies, now }: ModelDeps,
  { admitted: { read, charge } }: Matched,
  model: OtherModel,
  collect: Collect
): Answerer => {
  const { exchange } = read
  const ask = async (capture: Capture, signal: AbortSignal): Promise<void> => {
    const body = bodyFor(exchange, model)
    if (!bodies.take(body.length))
      throw new AppError('overloaded', 'there is no memory for the request to the other model')
    try {
      await collect(askedBy(exchange), body, capture, signal)
    } catch (cause) {
      throw new AppError('upstream-unavailable', `${model.name} did not answer`, { cause })
    } finally {
      bodies.give(body.length)
    }
  }
  const answer = async (
    purchase: Purchase | null,
    capture: Capture,
    signal: AbortSignal
  ): Promise<GeneratedDelta> => {
    await ask(capture, signal)
    requireSuccess(capture)
    const completion = await readCompletion(capture, exchange, limits.captureMaxBytes)
    const given = answerOfModel(completion)
    if (given === null)
      throw new AppError('upstream-unavailable', `the answer of ${model.name} is no completion`)
    const usage = answerUsage(completion)
    const counted = countableUsage(usage)
    purchase?.settle(counted ?? 'unknown')
    return { ...given, usage: counted && usage }
  }
  return {
    name: `model:${model.name}`,
    async *stream(signal) {
      const purchase = charge === null ? null : await charge.buy(model.name)
      if (charge !== null && purchase === null)
        throw new AppError('budget-exceeded', `the key has no money for ${model.name} beside`)
      const capture = new Capture(limits.captureMaxBytes, now)
      try {
        yield await answer(purchase, capture, signal)
      } finally {
        // an upstream that refuses bills nothing, and one that answers may bill what was lost
        const { status } = capture
        purchase?.settle(status === 0 || isSuccess(status) ? 'unknown' : 'nothing')
      }
    },
  }
}
