/**
 * The part of vLLM's API that is used here, as bodies and what is read from answers. Pure. Field names
 * are those of vLLM 0.33, vllm/entrypoints/openai/completion/protocol.py.
 */
import { randomBytes } from 'node:crypto'
import { AppError } from '../../../src/errors.ts'
import type { GenerationRequest, SampledToken, TokenChoice } from '../../text/tokens.ts'

/** How `return_tokens_as_token_ids` spells a token. */
const ID_PREFIX = 'token_id:'

/** What answers, by its own word. */
export interface Answerer {
  model: string
  /**
   * Of vLLM's version and configuration, the base model's name among it (`system_fingerprint` of vLLM
   * 0.33); null where the server does not say, and in all but the last event of a stream
   */
  fingerprint: string | null
}

/** What one event of a stream adds. */
export interface Step extends Answerer {
  tokens: SampledToken[]
  /** when nothing follows */
  finishReason: 'stop' | 'length' | null
}

/** Calls are not bound: their readers check them. */
const structuredOutputs = ({ bounds }: GenerationRequest): object | null => {
  if (bounds?.choices) return { choice: bounds.choices }
  return bounds?.jsonObject ? { json_object: true } : null
}

/**
 * Tokens in and tokens out. Stop texts are found by the caller, which closes the connection.
 */
export const completionBody = (model: string, request: GenerationRequest): object => {
  const { promptIds, maxTokens, sampling, topLogprobs, endIds, usePrefixCache } = request
  const structured = structuredOutputs(request)
  return {
    model,
    prompt: promptIds,
    max_tokens: maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    // -1 is none to vLLM, and more than 2^63 an error
    seed: Math.abs(sampling.seed),
    stop_token_ids: endIds,
    stream: true,
    // of the sampled token, and of so many others
    logprobs: topLogprobs,
    return_token_ids: true,
    return_tokens_as_token_ids: true,
    ...(structured !== null && { structured_outputs: structured }),
    // a salt of its own, so that nothing is found and what is kept is never found
    ...(!usePrefixCache && { cache_salt: randomBytes(32).toString('base64url') }),
  }
}

/**
 * For the log-probabilities of given tokens. The last one is generated, with no other choice: a prompt
 * may not fill the context, and vLLM must generate something.
 */
export const scoreBody = (model: string, ids: readonly number[]): object => ({
  model,
  prompt: ids.slice(0, -1),
  max_tokens: 1,
  temperature: 0,
  allowed_token_ids: ids.slice(-1),
  logprobs: 0,
  prompt_logprobs: 0,
})

const unknownAnswer = (what: string, cause?: unknown): AppError =>
  new AppError(
    'internal',
    `vLLM answers in an unexpected form: ${what}. The engine was written for vLLM 0.33`,
    { cause }
  )

interface NamedAnswer {
  model: string
  system_fingerprint?: string | null
}

const answererOf = ({ model, system_fingerprint: fingerprint }: NamedAnswer): Answerer => ({
  model,
  fingerprint: fingerprint ?? null,
})

interface ScoreAnswer extends NamedAnswer {
  choices: {
    prompt_logprobs: (Record<string, { logprob: number }> | null)[]
    logprobs: { token_logprobs: number[] }
  }[]
}

/** Log-probabilities of given tokens. */
export interface Scores extends Answerer {
  nats: number[]
}

/** @returns of every token but the first, `ids.length − 1`; @throws AppError `internal` */
export const readScores = (answer: unknown, ids: readonly number[]): Scores => {
  try {
    const choice = (answer as ScoreAnswer).choices[0]!
    const given = choice.prompt_logprobs
    if (given.length !== ids.length - 1) throw new Error(`${given.length} of the prompt’s tokens`)
    const prompt = ids.slice(1, -1).map((id, at) => given[at + 1]![id]!.logprob)
    const all = [...prompt, choice.logprobs.token_logprobs[0]!]
    if (!all.every((value) => typeof value === 'number')) throw new Error('not numbers')
    return { ...answererOf(answer as ScoreAnswer), nats: all }
  } catch (cause) {
    throw unknownAnswer('no log-probabilities of the prompt', cause)
  }
}

interface StepEvent extends NamedAnswer {
  error?: unknown
  choices: {
    finish_reason?: string | null
    token_ids?: number[] | null
    logprobs: { token_logprobs: number[]; top_logprobs: (Record<string, number> | null)[] }
  }[]
}

/** Best first; of equal ones the sampled token. It is named too where it is none of the best. */
const readTop = (tokenId: number, named: Record<string, number>): TokenChoice[] =>
  Object.entries(named)
    .map(([name, value]) => ({
      tokenId: Number(name.slice(ID_PREFIX.length)),
      logprob: Math.min(0, value),
    }))
    .sort(
      (a, b) =>
        b.logprob - a.logprob || Number(b.tokenId === tokenId) - Number(a.tokenId === tokenId)
    )

/**
 * @param data of an event
 * @param topLogprobs alternatives to report with each token
 * @throws AppError `internal`, `engine-unavailable` where vLLM gave the answer up
 */
export const readStep = (data: string, topLogprobs: number): Step => {
  let event: StepEvent
  let tokens: SampledToken[]
  try {
    event = JSON.parse(data) as StepEvent
    if (event.error !== undefined) throw failure(500, event)
    const { token_ids: ids, logprobs } = event.choices[0]!
    tokens = (ids ?? []).map((tokenId, at) => ({
      tokenId,
      logprob: Math.min(0, logprobs.token_logprobs[at]!),
      top: readTop(tokenId, logprobs.top_logprobs[at] ?? {}).slice(0, topLogprobs),
    }))
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw unknownAnswer(data.slice(0, 200), cause)
  }
  const reason = event.choices[0]!.finish_reason ?? null
  if (reason !== null && reason !== 'stop' && reason !== 'length')
    throw new AppError('engine-unavailable', `vLLM gave the answer up: ${reason}; try later`)
  return { ...answererOf(event), tokens, finishReason: reason }
}

/**
 * The path of a base model that vLLM lists, as `vllm serve` was given it, which is the name that its
 * resolvers of loras are given.
 * @returns null where the model is not listed, or without a path, as other servers do
 */
export const rootOf = (answer: unknown, base: string): string | null => {
  const models = (answer as { data?: unknown } | null)?.data
  if (!Array.isArray(models)) return null
  return (models as { id: string; root?: string }[]).find(({ id }) => id === base)?.root ?? null
}

/** What a resolver says of a folder that it cannot load, half gone or of another base. */
const NOT_LOADED = /could not be loaded/

/** What vLLM's error means for a request. */
export const failure = (status: number, body: unknown): AppError => {
  const error = (body as { error?: unknown } | null)?.error ?? body
  const message = String((error as { message?: unknown } | null)?.message ?? error)
  if (status === 400 && !NOT_LOADED.test(message))
    return new AppError('invalid-request', `vLLM refuses the request: ${message}`)
  if (status === 404)
    // it was proved before it is asked for, so the server is another one than it was then
    return new AppError('engine-unavailable', `vLLM does not have the model: ${message}`)
  return new AppError('engine-unavailable', `vLLM failed: ${message}`)
}

/** One event; a token with twenty alternatives takes 1 kB. */
const MAX_EVENT_CHARS = 4 * 2 ** 20

/**
 * The data of server-sent events, each on one line.
 * @throws AppError `engine-unavailable` when the stream ends before its end, `internal` for a line without one
 */
export async function* eventsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_EVENT_CHARS)
      throw unknownAnswer(`an event of more than ${MAX_EVENT_CHARS} characters`)
    for (const line of lines) {
      if (!line.startsWith('data:')) continue
      const data = line.slice('data:'.length).trim()
      if (data === '[DONE]') return
      yield data
    }
  }
  throw new AppError('engine-unavailable', 'vLLM ended in the middle of an answer; try again')
}
