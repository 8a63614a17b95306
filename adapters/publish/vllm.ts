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
import type { GenerationEnd, GenerationRequest, SampledToken } from '../text/tokens.ts'
import { disproof } from './probe.ts'
import { fittedTokens, lossesOf } from './score-rows.ts'
import { VllmClient, type VllmAddress } from './vllm-client.ts'

/** Attempts to load a lora that was just trained, while vLLM comes and goes. */
const LOAD_ATTEMPTS = 3

/** The server, as far as it comes and goes. */
export interface VllmServer extends VllmAddress {
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

/** Whether it may be tried again: what was trained is right. */
export const isAway = (error: unknown): boolean =>
  ['engine-unavailable', 'store-unavailable'].includes(toAppError(error).code)

class Vllm implements VllmPublisher {
  readonly maxPositions: number
  private readonly deps: VllmDeps
  private readonly client: VllmClient
  /** loads that have ended or are under way, each good for one start of the server */
  private readonly published = new Map<string, { incarnation: number; done: Promise<void> }>()

  constructor(deps: VllmDeps) {
    this.deps = deps
    this.maxPositions = deps.base.config.maxPositions
    this.client = new VllmClient(deps.server, (model) => void this.published.delete(model))
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal
  ): AsyncGenerator<SampledToken, GenerationEnd, undefined> {
    const promptTokens = request.promptIds.length
    const fitting = { ...request, maxTokens: fittedTokens(request, this.maxPositions) }
    const model = await this.modelFor(request.lora)
    let completionTokens = 0
    for await (const { tokens, finishReason } of this.client.generate(model, fitting, signal)) {
      let reason = finishReason
      for (const token of tokens) {
        completionTokens++
        // a stop text, which vLLM does not know: leaving the stream ends it
        const isStopped = request.endsWith?.(token) ?? false
        yield token
        if (isStopped) reason = 'stop'
        if (isStopped) break
      }
      if (reason !== null)
        return { finishReason: reason, promptTokens, cachedTokens: 0, completionTokens }
    }
    throw new AppError('engine-unavailable', 'vLLM ended an answer without a reason; try again')
  }

  async losses(lora: string | null, rows: TrainingRow[]): Promise<RowLosses> {
    const { base } = this.deps
    return lossesOf({ base, lora }, rows, async ({ promptIds, completionIds }) =>
      this.client.nats(await this.modelFor(lora), promptIds, completionIds)
    )
  }

  async publish(lora: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.deps.server.waitRunning()
        await this.modelFor(lora)
        return
      } catch (error) {
        if (!isAway(error) || attempt === LOAD_ATTEMPTS) throw error
      }
      await delay(1000 * attempt)
    }
  }

  async unload(lora: string): Promise<void> {
    if (!this.published.delete(lora)) return
    try {
      await this.client.unloadLora(lora)
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
    const { loras, base, dtype } = this.deps
    // a damaged folder is found before vLLM is asked
    const stored = await loras.read(lora)
    await this.client.loadLora(lora, loras.path(lora))
    const problem = await disproof(stored, loras.path(lora), base, dtype, (model, prompt, answer) =>
      this.client.nats(model, prompt, answer)
    )
    if (problem === null) return
    await this.client.unloadLora(lora)
    throw new AppError('internal', `vLLM has loaded ${lora}, but ${problem}; not served`)
  }
}

export const createVllmPublisher = (deps: VllmDeps): VllmPublisher => new Vllm(deps)
