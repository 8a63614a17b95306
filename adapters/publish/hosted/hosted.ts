/**
 * Publishes loras to a host that serves them by the token, and serves by it: Nebius Token Factory. A lora is proved on
 * its probe before a request may use it. Texts are rendered here, and token ids go out. Knows nothing of training.
 */
import { AppError, toAppError } from '../../../src/errors.ts'
import type {
  DeletionReceipt,
  EnginePrices,
  EngineState,
} from '../../../src/openai/engine-state.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import type { LoraServing, RowLosses } from '../../lora/lora-backend.ts'
import type { BaseModel } from '../../model/open-model.ts'
import type { GenerationEnd, GenerationRequest, SampledToken } from '../../text/tokens.ts'
import { Conditions } from '../conditions.ts'
import { HostedClient } from './hosted-client.ts'
import { HostedModels, type HostedModelsDeps } from './hosted-models.ts'
import {
  completionBody,
  readAnswer,
  readScores,
  requireAnswerOf,
  scoreBody,
  type Answer,
} from './hosted-wire.ts'
import { disproof } from '../probe.ts'
import { provedInTime } from '../proved-in-time.ts'
import { fittedTokens, lossesOf, scoreInParts } from '../score-rows.ts'
import { isAway } from '../vllm/vllm.ts'

/** After which a lora that was refused is published anew. */
const REFUSED_MS = 600_000

export interface HostedDeps extends HostedModelsDeps {
  prices: EnginePrices | null
  base: BaseModel
}

export interface HostedPublisher extends LoraServing {
  /**
   * The lora can answer when it resolves.
   * @throws AppError `invalid-model` for a damaged folder or one that the host refuses, `internal` when the host does
   * not compute what training computed, `engine-unavailable` and `store-unavailable` where a later request tries again
   */
  publish(lora: string): Promise<void>
  state(): EngineState
  receipts(): Promise<DeletionReceipt[]>
}

const sharedTokens = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((id, place) => id !== b[place])
  return at < 0 ? a.length : at
}

/** An answer that cannot be read begins like none. */
const orNull = <Value>(read: () => Value): Value | null => {
  try {
    return read()
  } catch {
    return null
  }
}

interface Publication {
  /** name there, of a lora that is proved or being published */
  model: Promise<string>
  /** the same; null before it is proved */
  name: string | null
  stop: AbortController
  /** when it is tried again, milliseconds since the epoch */
  until: number
}

class Hosted implements HostedPublisher {
  readonly maxPositions: number
  private readonly deps: HostedDeps
  private readonly conditions: Conditions
  private readonly client: HostedClient
  private readonly models: HostedModels
  private readonly published = new Map<string, Publication>()

  constructor(deps: HostedDeps) {
    this.deps = deps
    this.maxPositions = deps.base.config.maxPositions
    this.conditions = new Conditions(deps.now)
    this.client = new HostedClient(deps, this.conditions)
    this.models = new HostedModels(deps, this.client, this.conditions)
  }

  state(): EngineState {
    const { provider, prices } = this.deps
    return { object: 'engine', provider, prices, conditions: this.conditions.list() }
  }

  async receipts(): Promise<DeletionReceipt[]> {
    return this.deps.receipts.list()
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal
  ): AsyncGenerator<SampledToken, GenerationEnd, undefined> {
    const fitting = { ...request, maxTokens: fittedTokens(request, this.maxPositions) }
    const model = await this.modelFor(request.lora, signal)
    const { tokens, finishReason } = await this.answer(model, fitting, signal)
    let completionTokens = 0
    let isStopped = false
    for (const token of tokens) {
      completionTokens++
      isStopped = request.endsWith?.(token) ?? false
      yield token
      if (isStopped) break
    }
    const promptTokens = request.promptIds.length
    const reason = isStopped ? 'stop' : finishReason
    return { finishReason: reason, promptTokens, cachedTokens: 0, completionTokens }
  }

  losses(lora: string | null, rows: TrainingRow[]): Promise<RowLosses> {
    return lossesOf({ base: this.deps.base, lora }, rows, async ({ promptIds, completionIds }) =>
      this.nats(await this.modelFor(lora), promptIds, completionIds)
    )
  }

  async publish(lora: string): Promise<void> {
    await this.load(lora)
  }

  async unload(lora: string): Promise<void> {
    const known = this.published.get(lora)
    // what is on its way there is noted before it is forgotten
    known?.stop.abort()
    await known?.model.catch(() => undefined)
    this.published.delete(lora)
    await this.models.forget(lora)
  }

  close(): Promise<void> {
    return this.models.close()
  }

  private async answer(
    model: string,
    request: GenerationRequest,
    signal: AbortSignal
  ): Promise<Answer> {
    const { tokenizer } = this.deps.base
    const answered = await this.complete(completionBody(model, request), signal)
    const read = (): Answer => readAnswer(answered, request.topLogprobs, tokenizer)
    const choices = request.bounds?.choices
    if (!choices) return read()
    const lists = choices.map((text) => tokenizer.encode(text, { special: false, continues: true }))
    const free = orNull(read)
    const ids = (free?.tokens ?? [])
      .map(({ tokenId }) => tokenId)
      .filter((id) => !tokenizer.eosIds.includes(id))
    if (free !== null && lists.some((list) => list.join() === ids.join())) return free
    // the host binds no answer: of the choices that begin like a free one the most probable counts
    const longest = Math.max(...lists.map((list) => sharedTokens(list, ids)))
    const rest = lists.filter((list) => sharedTokens(list, ids) === longest)
    return this.mostProbable(model, request.promptIds, rest, signal)
  }

  private async mostProbable(
    model: string,
    promptIds: readonly number[],
    lists: number[][],
    signal: AbortSignal
  ): Promise<Answer> {
    const end = this.deps.base.tokenizer.eosIds[0]!
    const answers = await scoreInParts(lists, async (list): Promise<Answer & { nats: number }> => {
      const ids = [...list, end]
      const nats = await this.nats(model, promptIds, ids, signal)
      const tokens = ids.map((tokenId, i) => ({ tokenId, logprob: nats[i]!, top: [] }))
      const sum = nats.reduce((total, value) => total + value, 0)
      return { tokens, finishReason: 'stop', nats: sum }
    })
    return answers.reduce((best, one) => (one.nats > best.nats ? one : best))
  }

  /** Log-probability of every completion token. */
  private async nats(
    model: string,
    prompt: readonly number[],
    completion: readonly number[],
    signal?: AbortSignal
  ): Promise<number[]> {
    const ids = [...prompt, ...completion]
    const answer = await this.complete(scoreBody(model, ids), signal)
    return readScores(answer, ids, this.deps.base.tokenizer).slice(prompt.length - 1)
  }

  private async complete(body: { model: string }, signal?: AbortSignal): Promise<unknown> {
    const answer = await this.client.call('/v1/completions', {
      method: 'POST',
      body,
      ...(signal && { signal }),
    })
    requireAnswerOf(body.model, this.deps.model, answer)
    if (answer !== null) return answer
    // the host has lost the lora, or no longer serves the base model; what is being published goes on
    for (const [lora, { name }] of this.published)
      if (name === body.model) this.published.delete(lora)
    await this.models.requireBase()
    throw new AppError(
      'engine-unavailable',
      `${this.deps.provider} no longer has the model, which is published again; try later`
    )
  }

  /** The name that the host has for the model, which it can answer by. */
  private async modelFor(lora: string | null, signal?: AbortSignal): Promise<string> {
    return lora === null ? this.deps.model : provedInTime(lora, this.load(lora), signal)
  }

  private load(lora: string): Promise<string> {
    const known = this.published.get(lora)
    if (known !== undefined && this.deps.now() < known.until) return known.model
    const stop = new AbortController()
    const model = this.publishAndProve(lora, stop.signal)
    const publication: Publication = { model, name: null, until: Infinity, stop }
    this.published.set(lora, publication)
    model.then(
      (name) => (publication.name = name),
      (error: unknown) => {
        if (!isAway(error)) publication.until = this.deps.now() + REFUSED_MS
        else if (this.published.get(lora) === publication) this.published.delete(lora)
      }
    )
    return model
  }

  private async publishAndProve(lora: string, signal: AbortSignal): Promise<string> {
    const { base, loras, model: baseThere, provider } = this.deps
    // a damaged folder is found before anything leaves
    const stored = await loras.read(lora)
    const model = await this.models.activate(lora, signal).catch(async (error: unknown) => {
      // what it refuses does not stay there
      if (toAppError(error).code === 'invalid-model') await this.models.forget(lora)
      throw error
    })
    const proved = { ...stored, name: lora }
    const problem = await disproof(proved, loras.path(lora), base, 'bfloat16', (name, ...tokens) =>
      this.nats(name === base.name ? baseThere : model, ...tokens, signal)
    )
    if (problem === null) return model
    await this.models.forget(lora)
    throw new AppError('internal', `${provider} has loaded ${lora}, but ${problem}; not served`)
  }
}

/** It deletes at the host what was left to delete. */
export const createHostedPublisher = (deps: HostedDeps): HostedPublisher => new Hosted(deps)
