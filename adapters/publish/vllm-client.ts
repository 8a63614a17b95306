/** vLLM's API over HTTP: tokens, scores, loras by name. Knows nothing of processes and of what loras are. */
import { AppError } from '../../src/errors.ts'
import type { GenerationRequest } from '../text/tokens.ts'
import {
  completionBody,
  eventsOf,
  failure,
  readScores,
  readStep,
  scoreBody,
  type Step,
} from './vllm-wire.ts'

/** For everything but answers, which may take as long as their clients wait. */
const CHANGE_MS = 300_000
const HEALTH_MS = 10_000

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

const bodyOf = async (response: Response): Promise<unknown> => {
  const text = await response.text()
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Every method throws AppError `engine-unavailable` when vLLM is away or fails. */
export class VllmClient {
  private readonly address: VllmAddress
  private readonly onUnknown: (model: string) => void

  /** @param onUnknown told a model that vLLM does not know, because it was started anew */
  constructor(address: VllmAddress, onUnknown: (model: string) => void) {
    this.address = address
    this.onUnknown = onUnknown
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
      for await (const data of eventsOf(response.body!)) yield readStep(data, request.topLogprobs)
    } catch (error) {
      throw away(error, signal)
    } finally {
      left.abort()
    }
  }

  /** Log-probability of every completion token. */
  async nats(
    model: string,
    prompt: readonly number[],
    completion: readonly number[]
  ): Promise<number[]> {
    const ids = [...prompt, ...completion]
    const response = await this.post('/v1/completions', scoreBody(model, ids))
    return readScores(await bodyOf(response), ids).slice(prompt.length - 1)
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

  async unloadLora(name: string): Promise<void> {
    await this.post('/v1/unload_lora_adapter', { lora_name: name })
  }

  private async post(
    path: string,
    body: object,
    signal = AbortSignal.timeout(CHANGE_MS)
  ): Promise<Response> {
    const { baseUrl, apiKey, fetch } = this.address
    let response: Response
    try {
      response = await fetch(`${baseUrl}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal,
      })
    } catch (error) {
      throw away(error, signal)
    }
    if (response.ok) return response
    if (response.status === 404 && 'model' in body) this.onUnknown(String(body.model))
    throw failure(response.status, await bodyOf(response))
  }
}
