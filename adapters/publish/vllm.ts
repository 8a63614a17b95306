/**
 * Publishes loras to vLLM and serves by it. A lora is loaded from its folder under its immutable name,
 * or laid where replicas find it by that name, and proved on its probe before a request may use it, also
 * after vLLM was started anew. vLLM itself decides which loras are in memory. Knows nothing of texts, and
 * of how a process is kept running.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, toAppError } from '../../src/errors.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import type { Log } from '../host/log.ts'
import type { LoraServing, RowLosses } from '../lora/lora-backend.ts'
import type { StoredLora } from '../lora/lora-file.ts'
import type { Loras } from '../lora/loras.ts'
import type { BaseModel } from '../model/open-model.ts'
import { scoredRow } from '../text/render-rows.ts'
import { checkRows } from '../text/rows.ts'
import type { GenerationEnd, GenerationRequest, SampledToken } from '../text/tokens.ts'
import type { LoraFolder } from './lora-folder.ts'
import { disproof } from './probe.ts'
import { VllmClient, type VllmAddress } from './vllm-client.ts'
import type { Answerer } from './vllm-wire.ts'

/** Rows of one loss that vLLM is asked for at a time. */
const SCORED_AT_A_TIME = 16
/** Attempts to load a lora that was just trained, while vLLM comes and goes. */
const LOAD_ATTEMPTS = 3
/** Between two proofs of a lora that replicas do not have, each of which reads it back from their folder. */
const PROOF_PAUSE_MS = 2000

/** The server, as far as it comes and goes. Requests go to its address. */
export interface VllmServer extends VllmAddress {
  /** get no requests, but a lora is proved there, too, before it is served */
  replicas: VllmAddress[]
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
  /** in which vLLM finds loras; null: each is loaded from where it is stored */
  folder: LoraFolder | null
  /** a lora's name in `model`, with `{lora}` and `{base}` */
  loraName: string
  log: Log
}

export interface VllmPublisher extends LoraServing {
  /**
   * The lora can answer when it resolves. Waits for a server that is being started.
   * @throws AppError `invalid-model` for a damaged folder, `internal` when vLLM refuses it or does not
   * compute what training computed, `engine-unavailable` and `store-unavailable` where a later request
   * tries again
   */
  publish(lora: string): Promise<void>
}

/** Whether it may be tried again: what was trained is right. */
export const isAway = (error: unknown): boolean =>
  ['engine-unavailable', 'store-unavailable'].includes(toAppError(error).code)

/** What requests for a model are asked by, and what may answer them. */
interface Proved {
  /** in `model` */
  name: string
  /** of the servers that have proved it; null for the base model, which is not proved */
  fingerprints: Set<string> | null
}

class Vllm implements VllmPublisher {
  readonly maxPositions: number
  private readonly deps: VllmDeps
  private readonly client: VllmClient
  /** of every address, the one that gets requests first */
  private readonly clients: VllmClient[]
  /** by name in `model`: loads that have ended or are under way, each good for one start of the server */
  private readonly published = new Map<string, { incarnation: number; done: Promise<Proved> }>()

  constructor(deps: VllmDeps) {
    this.deps = deps
    this.maxPositions = deps.base.config.maxPositions
    this.client = new VllmClient(deps.server, (model) => void this.published.delete(model))
    const replicas = deps.server.replicas.map((address) => new VllmClient(address, () => undefined))
    this.clients = [this.client, ...replicas]
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
    const proved = await this.modelFor(request.lora)
    const fitting = { ...request, maxTokens: Math.min(request.maxTokens, free) }
    let completionTokens = 0
    for await (const step of this.client.generate(proved.name, fitting, signal)) {
      const { tokens, finishReason } = step
      this.requireProved(proved, step)
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
    if (rows.length === 0)
      throw new AppError('invalid-request', 'there are no rows', { param: 'rows' })
    const read = rows.map((row) => scoredRow(base.chat, row, lora === null))
    checkRows(read, base.config)
    const proved = await this.modelFor(lora)
    const losses: number[] = []
    for (let at = 0; at < read.length; at += SCORED_AT_A_TIME) {
      const part = read.slice(at, at + SCORED_AT_A_TIME)
      const scores = await Promise.all(
        part.map((row) => this.client.score(proved.name, row.promptIds, row.completionIds))
      )
      for (const score of scores) {
        this.requireProved(proved, score)
        losses.push(-score.nats.reduce((sum, value) => sum + value, 0) / score.nats.length)
      }
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
        if (!isAway(error) || attempt === LOAD_ATTEMPTS) throw error
      }
      await delay(PROOF_PAUSE_MS * attempt)
    }
  }

  async unload(lora: string): Promise<void> {
    const { folder, loras } = this.deps
    const name = this.nameOf(lora)
    const isKnown = this.published.delete(name)
    if (folder === null && !isKnown) return
    await folder?.remove(loras.path(lora))
    await this.unloadEverywhere(name)
  }

  close(): Promise<void> {
    return this.deps.server.close()
  }

  private nameOf(lora: string): string {
    const { loraName, base } = this.deps
    return loraName.replaceAll('{lora}', lora).replaceAll('{base}', base.name)
  }

  private async unloadEverywhere(lora: string): Promise<void> {
    const { log } = this.deps
    for (const client of this.clients)
      await client.unloadLora(lora).catch((thrown: unknown) => {
        // a server that is gone has forgotten it too
        const error = toAppError(thrown).message
        log('warn', 'a lora was not unloaded', { lora, server: client.name, error })
      })
  }

  /**
   * Behind a balancer may be servers that were started again, with another model or another vLLM.
   * @throws AppError `engine-unavailable`; the next request proves the lora again
   */
  private requireProved({ name, fingerprints }: Proved, { fingerprint }: Answerer): void {
    if (fingerprint === null || fingerprints === null || fingerprints.has(fingerprint)) return
    this.published.delete(name)
    throw new AppError(
      'engine-unavailable',
      `${name} was answered by ${fingerprint}, which has not proved it; try again`
    )
  }

  /** What vLLM has for the model, which it can answer by. */
  private async modelFor(lora: string | null): Promise<Proved> {
    const { server, base, folder } = this.deps
    server.requireRunning()
    if (lora === null) return { name: base.name, fingerprints: null }
    const name = this.nameOf(lora)
    const incarnation = server.incarnation()
    let published = this.published.get(name)
    if (published?.incarnation !== incarnation) {
      const done = this.load(lora, name)
      published = { incarnation, done }
      this.published.set(name, published)
      const forget = (): void => {
        if (this.published.get(name)?.done === done) this.published.delete(name)
      }
      done.catch(() => (folder === null ? forget() : setTimeout(forget, PROOF_PAUSE_MS).unref()))
    }
    return published.done
  }

  /** @throws AppError as `publish`, `store-unavailable` for the shared folder */
  private async load(lora: string, name: string): Promise<Proved> {
    const { loras, folder } = this.deps
    // a damaged folder is found before vLLM is asked
    const stored = await loras.read(lora)
    if (folder === null) await this.client.loadLora(name, loras.path(lora))
    else await folder.put(loras.path(lora), await this.rootOfBase())
    const fingerprints = new Set<string>()
    for (const client of this.clients) await this.prove(client, stored, name, fingerprints)
    return { name, fingerprints }
  }

  /**
   * @param fingerprints gets the server's
   * @throws AppError `internal` when the server does not compute what training computed
   */
  private async prove(
    client: VllmClient,
    stored: StoredLora,
    name: string,
    fingerprints: Set<string>
  ): Promise<void> {
    const { loras, base, dtype } = this.deps
    const path = loras.path(stored.id)
    const problem = await disproof(
      { ...stored, name },
      path,
      base,
      dtype,
      async (model, prompt, answer) => {
        const { nats, fingerprint } = await client.score(model, prompt, answer)
        if (fingerprint !== null) fingerprints.add(fingerprint)
        return nats
      }
    ).catch((error: unknown) => {
      throw this.notFound(client, stored.id, toAppError(error))
    })
    if (problem === null) return
    await this.unloadEverywhere(name)
    throw new AppError(
      'internal',
      `vLLM has loaded ${name} at ${client.name}, but ${problem}; not served`
    )
  }

  private notFound(client: VllmClient, lora: string, cause: AppError): AppError {
    const { folder } = this.deps
    const where =
      folder === null
        ? ''
        : `; ${lora} is in ${folder.path}, which its VLLM_LORA_RESOLVER_CACHE_DIR must be`
    return new AppError(cause.code, `${client.name}: ${cause.message}${where}`, { cause })
  }

  /**
   * The name that resolvers are given for the base model (`model_config.model` in resolve_lora of vLLM
   * 0.33, vllm/entrypoints/openai/models/serving.py). A lora that has another one is not found.
   */
  private async rootOfBase(): Promise<string> {
    const { base } = this.deps
    const roots = await Promise.all(this.clients.map((client) => client.rootOf(base.name)))
    const [root = base.name, ...others] = new Set(roots.filter((known) => known !== null))
    if (others.length > 0)
      throw new AppError(
        'engine-unavailable',
        `vLLM has its base model in ${[root, ...others].join(' and in ')}, and a lora can name one of them: start all replicas with the same path`
      )
    return root
  }
}

export const createVllmPublisher = (deps: VllmDeps): VllmPublisher => new Vllm(deps)
