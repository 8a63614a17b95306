/** vLLM's API over HTTP: tokens, scores, loras by name. Knows nothing of processes and of what loras are. */
import { AppError } from '../../../src/errors.ts'
import { textWithin } from '../../../src/text-within.ts'
import type { GenerationRequest } from '../../text/tokens.ts'
import {
  completionBody,
  eventsOf,
  failure,
  readScores,
  readStep,
  rootOf,
  scoreBody,
  type Scores,
  type Step,
} from './vllm-wire.ts'

/** For everything but answers, which may take as long as their clients wait. */
const CHANGE_MS = 300_000
const HEALTH_MS = 10_000
/** Of an answer that comes whole; the scores of 16,384 tokens take some 2 MiB. */
const MAX_BYTES = 64 * 2 ** 20

export interface VllmAddress {
  /** without a path */
  baseUrl: string
  apiKey: string
  fetch: typeof fetch
}

/** A failed connection means that vLLM is away, unless the client went first. */
const away = (cause: unknown, signal: AbortSignal): AppError => {
  if (cause instanceof AppError) return cause
  const isLate = (signal.reason as Error | undefined)?.name === 'TimeoutError'
  if (signal.aborted && !isLate)
    return new AppError('client-closed', 'the request was aborted by its client')
  const reason = ((cause as Error).cause as Error | undefined)?.message ?? String(cause)
  return new AppError('engine-unavailable', `vLLM does not answer (${reason})`, { cause })
}

/** @throws AppError `engine-unavailable` where it breaks off, or has no end */
const bodyOf = async (response: Response): Promise<unknown> => {
  const text = await textWithin(response, MAX_BYTES).catch((cause: unknown) => {
    const { message } = cause as Error
    throw new AppError('engine-unavailable', `vLLM broke an answer off (${message})`, { cause })
  })
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Every method throws AppError `engine-unavailable` when vLLM is away or fails. */
export class VllmClient {
  /** @param onUnknown told a model that vLLM does not know or does not answer by, as one started anew */
  constructor(
    private readonly address: VllmAddress,
    private readonly onUnknown: (model: string) => void
  ) {}

  /** For messages. */
  get name(): string {
    return new URL(this.address.baseUrl).host
  }

  /** Whether the server can serve. Never throws. */
  async isHealthy(): Promise<boolean> {
    const { baseUrl, fetch } = this.address
    try {
      const signal = AbortSignal.timeout(HEALTH_MS)
      return (await fetch(`${baseUrl}/health`, { signal })).ok
    } catch {
      return false
    }
  }

  /**
   * Tokens as they come; the last step has a finish reason. Leaving the loop ends the generation.
   * @throws AppError `invalid-request` for what vLLM refuses; `client-closed`
   */
  async *generate(
    model: string,
    request: GenerationRequest,
    signal: AbortSignal
  ): AsyncGenerator<Step, void, undefined> {
    const left = new AbortController()
    const either = AbortSignal.any([signal, left.signal])
    try {
      const body = completionBody(model, request)
      const response = await this.post('/v1/completions', body, either)
      for await (const data of eventsOf(response.body!)) {
        const step = readStep(data, request.topLogprobs)
        this.requireAnswerOf(model, step.model)
        yield step
      }
    } catch (error) {
      throw away(error, signal)
    } finally {
      left.abort()
    }
  }

  /** Log-probability of every completion token, in nats. */
  async score(
    model: string,
    prompt: readonly number[],
    completion: readonly number[],
    signal?: AbortSignal
  ): Promise<Scores> {
    const ids = [...prompt, ...completion]
    const ends = AbortSignal.any([AbortSignal.timeout(CHANGE_MS), ...(signal ? [signal] : [])])
    const response = await this.post('/v1/completions', scoreBody(model, ids), ends)
    const scores = readScores(await bodyOf(response), ids)
    this.requireAnswerOf(model, scores.model)
    return { ...scores, nats: scores.nats.slice(prompt.length - 1) }
  }

  /** The path of the base model there; null where the server does not say. */
  async rootOf(base: string): Promise<string | null> {
    const response = await this.request('/v1/models', {})
    const answer = await bodyOf(response)
    if (response.status >= 500) throw failure(response.status, answer)
    // a router may have no such route
    return rootOf(answer, base)
  }

  /**
   * Never with `load_inplace`: vLLM would read the folder anew in every step of every answer, and end
   * when it is gone while the last answer is being given up.
   * @throws AppError `internal` when vLLM refuses the lora, which it does with the status of a fault
   */
  async loadLora(name: string, path: string): Promise<void> {
    const load = () => this.post('/v1/load_lora_adapter', { lora_name: name, lora_path: path })
    try {
      await load().catch(async (error: AppError) => {
        if (error.code !== 'invalid-request') throw error
        // the name is known: from an earlier engine on this server, or a request that was given up
        await this.unloadLora(name)
        await load()
      })
    } catch (cause) {
      const { code, message } = cause as AppError
      // its own end is no fault of the lora's
      if (code === 'engine-unavailable' && !(await this.isHealthy())) throw cause
      throw new AppError('internal', `the lora ${name} cannot be loaded. ${message}`, { cause })
    }
  }

  /** A server that does not have it, or loads and unloads by itself, answers 404. */
  async unloadLora(name: string): Promise<void> {
    await this.post('/v1/unload_lora_adapter', { lora_name: name }, undefined, 404)
  }

  /**
   * vLLM with `VLLM_SKIP_MODEL_NAME_VALIDATION` answers by the base model what it does not find, and a
   * router may send it elsewhere: the answer says so, and nothing else does.
   */
  private requireAnswerOf(asked: string, answers: string): void {
    if (answers === asked) return
    this.onUnknown(asked)
    throw new AppError(
      'engine-unavailable',
      `vLLM answers by ${answers} what was asked of ${asked}; its base model must have that --served-model-name, and VLLM_SKIP_MODEL_NAME_VALIDATION must not be set`
    )
  }

  private async request(path: string, init: RequestInit): Promise<Response> {
    const { baseUrl, apiKey, fetch } = this.address
    const signal = init.signal ?? AbortSignal.timeout(CHANGE_MS)
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
    try {
      return await fetch(`${baseUrl}${path}`, { ...init, headers, signal })
    } catch (error) {
      throw away(error, signal)
    }
  }

  /** @param accepted a status beside success that is no error */
  private async post(
    path: string,
    body: object,
    signal?: AbortSignal,
    accepted?: number
  ): Promise<Response> {
    const init = { method: 'POST', body: JSON.stringify(body), signal: signal ?? null }
    const response = await this.request(path, init)
    if (response.ok || response.status === accepted) return response
    const error = failure(response.status, await bodyOf(response))
    const isUnknown = response.status === 404 || response.status === 400
    if (isUnknown && error.code === 'engine-unavailable' && 'model' in body)
      this.onUnknown(String(body.model))
    throw error
  }
}
