/**
 * Publishes loras to vLLM and serves by it. A lora is loaded from its folder under its immutable name
 * and proved on its probe before a request may use it, also after vLLM was started anew. vLLM itself
 * decides which loras are in memory. Knows nothing of texts, and of how a process is kept running.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, toAppError } from '../../src/errors.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import type { Log } from '../host/log.ts'
import type { LoraServing, RowLosses } from '../lora/lora-backend.ts'
import type { Loras } from '../lora/loras.ts'
import type { BaseModel } from '../model/open-model.ts'
import { scoredRow } from '../text/render-rows.ts'
import { checkRows } from '../text/rows.ts'
import type { GenerationEnd, GenerationRequest, SampledToken } from '../text/tokens.ts'
import { changesNothing, contradiction, probeRows, readProbe, toleranceOf } from './probe.ts'
import { completionBody, eventsOf, failure, readScores, readStep, scoreBody } from './vllm-wire.ts'

/** Rows of one loss that vLLM is asked for at a time. */
const SCORED_AT_A_TIME = 16
/** Attempts to load a lora that was just trained, while vLLM comes and goes. */
const LOAD_ATTEMPTS = 3
const LOAD_MS = 300_000
const HEALTH_MS = 10_000

/** The server, as far as it comes and goes. */
export interface VllmServer {
  /** without a path */
  baseUrl: string
  apiKey: string
  fetch: typeof fetch
  /** counts starts: what was told to an earlier one is forgotten */
  incarnation(): number
  /** @throws AppError `engine-unavailable` */
  requireRunning(): void
  /** @throws AppError `engine-unavailable` when a start takes too long */
  waitRunning(): Promise<void>
  close(): Promise<void>
}

export interface VllmDeps {
  server: VllmServer
  base: BaseModel
  /** in which vLLM computes */
  dtype: 'float32' | 'bfloat16'
  loras: Loras
  log: Log
}

export interface VllmPublisher extends LoraServing {
  /**
   * The lora can answer when it resolves. Waits for a server that is being started.
   * @throws AppError `invalid-model` for a damaged folder, `internal` when vLLM refuses it or does not
   * compute what training computed, `engine-unavailable`
   */
  publish(lora: string): Promise<void>
}

/** A failed connection means that vLLM is away, unless the client went first. */
const away = (cause: unknown, signal?: AbortSignal): AppError => {
  if (cause instanceof AppError) return cause
  const isLate = (cause as Error).name === 'TimeoutError'
  if (signal?.aborted && !isLate)
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

interface Published {
  incarnation: number
  done: Promise<void>
}

class Vllm implements VllmPublisher {
  readonly maxPositions: number
  private readonly deps: VllmDeps
  private readonly published = new Map<string, Published>()

  constructor(deps: VllmDeps) {
    this.deps = deps
    this.maxPositions = deps.base.config.maxPositions
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal
  ): AsyncGenerator<SampledToken, GenerationEnd, undefined> {
    const promptTokens = request.promptIds.length
    const free = this.maxPositions - promptTokens
    if (free < 1)
      throw new AppError(
        'context-length-exceeded',
        `the prompt has ${promptTokens} tokens, the model takes ${this.maxPositions} together with the answer`,
        { param: 'messages' }
      )
    const model = await this.modelFor(request.lora)
    const body = completionBody(model, {
      ...request,
      maxTokens: Math.min(request.maxTokens, free),
    })
    const left = new AbortController()
    const either = AbortSignal.any([signal, left.signal])
    let completionTokens = 0
    const end = (finishReason: 'stop' | 'length'): GenerationEnd => ({
      finishReason,
      promptTokens,
      cachedTokens: 0,
      completionTokens,
    })
    try {
      const response = await this.post('/v1/completions', body, either)
      for await (const data of eventsOf(response.body!)) {
        const { tokens, finishReason } = readStep(data, request.topLogprobs)
        for (const token of tokens) {
          completionTokens++
          const isEnded = request.endsWith?.(token) ?? false
          yield token
          // a stop text, which vLLM does not know: leaving the stream ends it
          if (isEnded) return end('stop')
        }
        if (finishReason !== null) return end(finishReason)
      }
      throw new AppError('engine-unavailable', 'vLLM ended an answer without a reason')
    } catch (error) {
      throw away(error, signal)
    } finally {
      left.abort()
    }
  }

  async losses(lora: string | null, rows: TrainingRow[]): Promise<RowLosses> {
    const { base } = this.deps
    if (rows.length === 0)
      throw new AppError('invalid-request', 'there are no rows', { param: 'rows' })
    const read = rows.map((row) => scoredRow(base.chat, row, lora === null))
    checkRows(read, base.config)
    const model = await this.modelFor(lora)
    const losses: number[] = []
    for (let at = 0; at < read.length; at += SCORED_AT_A_TIME) {
      const nats = await Promise.all(
        read
          .slice(at, at + SCORED_AT_A_TIME)
          .map(({ promptIds, completionIds }) => this.nats(model, promptIds, completionIds))
      )
      losses.push(...nats.map((own) => -own.reduce((sum, value) => sum + value, 0) / own.length))
    }
    return { losses, tokens: read.map(({ completionIds }) => completionIds.length) }
  }

  async publish(lora: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.deps.server.waitRunning()
        await this.modelFor(lora)
        return
      } catch (error) {
        if (toAppError(error).code !== 'engine-unavailable' || attempt === LOAD_ATTEMPTS)
          throw error
      }
      await delay(1000 * attempt)
    }
  }

  async unload(lora: string): Promise<void> {
    if (!this.published.delete(lora)) return
    try {
      await this.post('/v1/unload_lora_adapter', { lora_name: lora })
    } catch (error) {
      // a server that is gone has forgotten it too
      this.deps.log('warn', 'a lora was not unloaded', { lora, error: toAppError(error).message })
    }
  }

  close(): Promise<void> {
    return this.deps.server.close()
  }

  /** The name that vLLM has for the model, which it can answer by. */
  private async modelFor(lora: string | null): Promise<string> {
    const { server, base } = this.deps
    server.requireRunning()
    if (lora === null) return base.name
    const incarnation = server.incarnation()
    let published = this.published.get(lora)
    if (published?.incarnation !== incarnation) {
      const done = this.load(lora)
      published = { incarnation, done }
      this.published.set(lora, published)
      done.catch(() => {
        if (this.published.get(lora)?.done === done) this.published.delete(lora)
      })
    }
    await published.done
    return lora
  }

  private async load(lora: string): Promise<void> {
    const { loras } = this.deps
    // a damaged folder is told before vLLM is asked
    const { layout, theta } = await loras.read(lora)
    const body = { lora_name: lora, lora_path: loras.path(lora) }
    try {
      await this.postLoad(body)
    } catch (error) {
      const { code, message } = toAppError(error)
      if (code === 'engine-unavailable' && !(await this.isHealthy())) throw error
      throw new AppError('internal', `the lora ${lora} cannot be loaded. ${message}`, {
        cause: error,
      })
    }
    const changes = layout.entries.some(
      ({ matrix, offset, length }) =>
        matrix === 'B' && theta.subarray(offset, offset + length).some((value) => value !== 0)
    )
    const problem = await this.disproof(lora, changes)
    if (problem === null) return
    await this.post('/v1/unload_lora_adapter', { lora_name: lora })
    throw new AppError('internal', `vLLM has loaded ${lora}, but ${problem}; not served`)
  }

  /**
   * Never with `load_inplace`: vLLM would read the folder anew in every step of every answer, and end
   * when it is gone while the last answer is being given up.
   */
  private async postLoad(body: { lora_name: string; lora_path: string }): Promise<void> {
    const load = (): Promise<unknown> => this.post('/v1/load_lora_adapter', body)
    try {
      await load()
    } catch (error) {
      if (toAppError(error).code !== 'invalid-request') throw error
      // the name is known: an earlier engine on this server, or a request that was given up
      await this.post('/v1/unload_lora_adapter', { lora_name: body.lora_name })
      await load()
    }
  }

  /**
   * Why the lora is not what was trained; null when it is. The requests are also the warm-up.
   * @param changes false for one whose B is zero, which answers as the base model does
   */
  private async disproof(lora: string, changes: boolean): Promise<string | null> {
    const { base, dtype, loras } = this.deps
    const probe = await readProbe(loras.path(lora))
    if (probe === null) {
      const rows = probeRows(base.chat)
      const answers = rows.map(({ completionIds }) => completionIds)
      const values: number[][] = []
      for (const model of [base.name, base.name, lora])
        values.push(await this.allNats(model, rows[0]!.promptIds, answers))
      const [once, again, own] = values
      return changes && changesNothing(once!, again!, own!) ? 'it changes nothing there' : null
    }
    const { prompt_ids: prompt, completions, placement } = probe
    const without = await this.allNats(base.name, prompt, completions)
    const own = await this.allNats(lora, prompt, completions)
    return contradiction(probe, without, own, toleranceOf(placement, dtype))
  }

  /** One after the other, each in a batch of its own: the proof is of the lora alone. */
  private async allNats(
    model: string,
    prompt: number[],
    completions: number[][]
  ): Promise<number[]> {
    const nats: number[] = []
    for (const completion of completions) nats.push(...(await this.nats(model, prompt, completion)))
    return nats
  }

  /** Log-probability of every completion token. */
  private async nats(model: string, prompt: number[], completion: number[]): Promise<number[]> {
    const ids = [...prompt, ...completion]
    const response = await this.post('/v1/completions', scoreBody(model, ids))
    return readScores(await bodyOf(response), ids).slice(prompt.length - 1)
  }

  private async isHealthy(): Promise<boolean> {
    return isHealthy(this.deps.server)
  }

  private async post(
    path: string,
    body: object,
    signal = AbortSignal.timeout(LOAD_MS)
  ): Promise<Response> {
    const { server } = this.deps
    let response: Response
    try {
      response = await server.fetch(`${server.baseUrl}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal,
      })
    } catch (error) {
      throw away(error, signal)
    }
    if (response.ok) return response
    // the server was started anew, so the lora is loaded again when it is next asked for
    if (response.status === 404 && 'model' in body) this.published.delete(String(body.model))
    throw failure(response.status, await bodyOf(response))
  }
}

/** Whether the server can serve. Never throws. */
export const isHealthy = async ({
  baseUrl,
  fetch,
}: Pick<VllmServer, 'baseUrl' | 'fetch'>): Promise<boolean> => {
  try {
    const signal = AbortSignal.timeout(HEALTH_MS)
    return (await fetch(`${baseUrl}/health`, { signal })).ok
  } catch {
    return false
  }
}

export const createVllmPublisher = (deps: VllmDeps): VllmPublisher => new Vllm(deps)
