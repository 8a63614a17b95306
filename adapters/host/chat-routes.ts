/** `POST /v1/chat/completions`, streaming or not. */
import { type Context, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { AppError, toAppError } from '../../src/errors.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { engineErrorBody } from '../../src/openai/error-body.ts'
import type { AppDeps } from './deps.ts'
import type { EngineBackend } from './backend.ts'
import { parseChatRequest } from './chat-request.ts'
import {
  type AnswerHead,
  type Generation,
  chunks,
  collect,
  completionBody,
} from './chat-response.ts'
import type { openFaults } from './log.ts'
import { parseJson } from './validation.ts'

type EngineFault = ReturnType<typeof openFaults>

interface Answer {
  backend: EngineBackend
  head: AnswerHead
  request: ChatRequest
  generation: Generation
  /** ends the generation, also when the client disconnects */
  abort: AbortController
}

/** The backend's `complete` for at most `maxActive` requests at a time. */
const limited = (backend: EngineBackend, maxActive: number): EngineBackend['complete'] => {
  let active = 0
  return async function* admitted(request, signal) {
    if (active >= maxActive)
      throw new AppError('overloaded', `${maxActive} completions are running already`)
    active += 1
    try {
      return yield* backend.complete(request, signal)
    } finally {
      active -= 1
    }
  }
}

const whole = async (c: Context, { head, request, generation, abort }: Answer) => {
  const answer = await collect(generation)
  if (abort.signal.aborted) throw new AppError('client-closed', 'the client has disconnected')
  return c.json(completionBody(head, answer, request.logprobs === true))
}

const streamed = async (c: Context, answer: Answer, fault: EngineFault) => {
  const { backend, head, request, generation, abort } = answer
  // an error before the first token gets an error status instead of a stream
  const first = await generation.next()
  const promptTokens = request.stream_options?.continuous_usage_stats
    ? await backend.countTokens(request.model, request.messages)
    : null
  return streamSSE(c, async (stream) => {
    stream.onAbort(() => abort.abort())
    try {
      for await (const chunk of chunks(head, request, { first, generation, promptTokens }))
        await stream.writeSSE({ data: JSON.stringify(chunk) })
      if (!abort.signal.aborted) await stream.writeSSE({ data: '[DONE]' })
    } catch (thrown) {
      if (abort.signal.aborted) return
      fault('generation', thrown)
      // without [DONE], so that no client takes this for a complete answer
      await stream.writeSSE({ data: JSON.stringify(engineErrorBody(toAppError(thrown))) })
    }
  })
}

export const chatRoutes = ({
  backend,
  limits,
  now,
  newId,
  fault,
}: AppDeps & { fault: EngineFault }): Hono => {
  const complete = limited(backend, limits.maxConcurrentCompletions)
  return new Hono().post('/chat/completions', async (c) => {
    const request = parseChatRequest(parseJson(await c.req.text()))
    const abort = new AbortController()
    const clientGone = c.req.raw.signal
    if (clientGone.aborted) abort.abort()
    clientGone.addEventListener('abort', () => abort.abort(), { once: true })
    const created = Math.floor(now() / 1000)
    const { model } = request
    const fingerprint = backend.fingerprint(model)
    const head = {
      id: `chatcmpl-${newId()}`,
      created,
      model,
      ...(fingerprint === null ? {} : { system_fingerprint: fingerprint }),
    }
    const generation = complete(request, abort.signal)
    const answer = { backend, head, request, abort, generation }
    return request.stream ? streamed(c, answer, fault) : whole(c, answer)
  })
}
