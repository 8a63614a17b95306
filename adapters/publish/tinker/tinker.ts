/**
 * Serves loras by Tinker's sampling, by token ids. A lora lies at the provider since it was trained; the
 * record beside it names where. It is proved on its probe before a request may use it, and deleted there
 * with it. Knows nothing of texts and of how loras are trained.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { AppError, toAppError } from '../../../src/errors.ts'
import type { DeletionReceipt, EngineState } from '../../../src/openai/engine-state.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import type { LoraServing, RowLosses } from '../../lora/lora-backend.ts'
import type { Loras } from '../../lora/loras.ts'
import type { BaseModel } from '../../model/open-model.ts'
import type { GenerationEnd, GenerationRequest, SampledToken } from '../../text/tokens.ts'
import type { Deletions } from '../deletions.ts'
import type { Receipts } from '../receipts.ts'
import { disproof, probeRows } from '../probe.ts'
import { provedInTime } from '../proved-in-time.ts'
import { fittedTokens, lossesOf, scoreInParts } from '../score-rows.ts'
import { isRefusal, type TinkerChild } from './tinker-child.ts'
import { chooseAmong, readSampled, readScores, type Sampled } from './tinker-wire.ts'

/** What training leaves beside a lora. */
export const RECORD = 'tinker.json'
/** What the provider computes in. */
export const PLACEMENT = 'bfloat16'
/** Tokens that are sampled and scored, so that both speak of the same log-probabilities. */
const COMPARED_TOKENS = 8
/** Nats by which the mean of these may differ: twice what bfloat16 may make of one token. */
const MOST_APART = 0.1
const FIRST_PAUSE_MS = 2000
const LONGEST_PAUSE_MS = 60_000
/** Longer than `serve.py` waits with a refused call. */
const TRIAL_MS = 8000
/** After which a lora that was refused is proved anew: each proof is paid. */
const REFUSED_MS = 600_000

const record = z.object({ weights: z.string(), state: z.string() })

export interface TinkerDeps {
  child: Pick<TinkerChild, 'call' | 'close'>
  base: BaseModel
  loras: Loras
  deletions: Deletions
  receipts: Pick<Receipts, 'list'>
  state(): EngineState
  /** milliseconds */
  now?: () => number
}

export interface TinkerPublisher extends LoraServing {
  /**
   * The lora can answer when it resolves. Waits, longer each time, while the provider refuses calls.
   * @throws AppError `internal` when it does not compute what training computed, `invalid-model`; the
   * signal's reason
   */
  publish(lora: string, onWait: (message: string) => void, signal: AbortSignal): Promise<void>
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** A proof that has passed, is under way, or has failed. */
interface Publication {
  /** at the provider */
  place: Promise<string>
  /** when it is proved again, milliseconds since the epoch */
  until: number
}

class Tinker implements TinkerPublisher {
  readonly maxPositions: number
  private readonly deps: TinkerDeps
  private readonly now: () => number
  private readonly published = new Map<string, Publication>()
  /** while the provider refuses: how often in turn, and until when nothing is asked */
  private refusals = 0
  private quietUntil = 0

  constructor(deps: TinkerDeps) {
    this.deps = deps
    this.now = deps.now ?? Date.now
    this.maxPositions = deps.base.config.maxPositions
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal
  ): AsyncGenerator<SampledToken, GenerationEnd, undefined> {
    const promptTokens = request.promptIds.length
    const fitting = { ...request, maxTokens: fittedTokens(request, this.maxPositions) }
    const model = await this.placeFor(request.lora, signal)
    const end = { promptTokens, cachedTokens: 0, completionTokens: 0 }
    // a JSON object and calls are bound by nothing: their readers check them
    if (request.bounds?.choices && request.constraint) {
      const score = (ids: readonly number[], next: readonly number[]): Promise<number[]> =>
        scoreInParts(next, async (id) => (await this.nats(model, ids, [id], signal))[0]!)
      for await (const token of chooseAmong(request.constraint, fitting, score)) {
        end.completionTokens++
        const isEnd = request.endsWith?.(token) ?? false
        yield token
        if (isEnd) break
      }
      return { ...end, finishReason: request.constraint.finished ? 'stop' : 'length' }
    }
    const answer = await this.sample(model, fitting, signal)
    end.cachedTokens = answer.cachedTokens
    for (const token of answer.tokens) {
      end.completionTokens++
      const isEnd = request.endsWith?.(token) ?? false
      yield token
      if (isEnd) return { ...end, finishReason: 'stop' }
    }
    return { ...end, finishReason: answer.finishReason }
  }

  losses(lora: string | null, rows: TrainingRow[]): Promise<RowLosses> {
    const { base } = this.deps
    return lossesOf({ base, lora }, rows, async ({ promptIds, completionIds }) =>
      this.nats(await this.placeFor(lora), promptIds, completionIds)
    )
  }

  async publish(
    lora: string,
    onWait: (message: string) => void,
    signal: AbortSignal
  ): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        await this.load(lora)
        return
      } catch (error) {
        if (!isRefusal(error)) throw error
        onWait(`the lora is trained and waits for the provider: ${toAppError(error).message}`)
      }
      await delay(pauseMs, undefined, { signal }).catch(() => undefined)
      signal.throwIfAborted()
    }
  }

  async unload(lora: string): Promise<void> {
    const { weights, state } = await this.recordOf(lora)
    this.published.delete(lora)
    await this.deps.deletions.request([weights, state])
    await this.deps.deletions.tell([weights, state])
  }

  state(): EngineState {
    return this.deps.state()
  }

  async receipts(): Promise<DeletionReceipt[]> {
    return this.deps.receipts.list()
  }

  async close(): Promise<void> {
    const deleted = this.deps.deletions.close()
    // a call that is under way ends with the child
    await this.deps.child.close()
    await deleted
  }

  /** Where the model lies at the provider, which has proved that it computes it; null for the base. */
  private async placeFor(lora: string | null, signal?: AbortSignal): Promise<string | null> {
    return lora === null ? null : provedInTime(lora, this.load(lora), signal)
  }

  private load(lora: string): Promise<string> {
    const known = this.published.get(lora)
    if (known !== undefined && this.now() < known.until) return known.place
    const publication: Publication = { place: this.prove(lora), until: Infinity }
    this.published.set(lora, publication)
    publication.place.catch((error: unknown) => {
      if (!isRefusal(error)) publication.until = this.now() + REFUSED_MS
      else if (this.published.get(lora) === publication) this.published.delete(lora)
    })
    return publication.place
  }

  private async recordOf(lora: string): Promise<z.infer<typeof record>> {
    const path = join(this.deps.loras.path(lora), RECORD)
    try {
      return record.parse(JSON.parse(await readFile(path, 'utf8')))
    } catch (cause) {
      throw new AppError('invalid-model', `${lora} has no ${RECORD}: it was not trained there`, {
        cause,
      })
    }
  }

  private async prove(lora: string): Promise<string> {
    const { base, loras } = this.deps
    const stored = await loras.read(lora)
    const { weights, state } = await this.recordOf(lora)
    const proved = { ...stored, name: lora }
    const problem =
      (await disproof(proved, loras.path(lora), base, PLACEMENT, (model, prompt, completion) =>
        this.nats(model === lora ? weights : null, prompt, completion)
      )) ?? (await this.differsFromScores(weights))
    if (problem !== null)
      throw new AppError('internal', `the provider has ${lora}, but ${problem}; not served`)
    await this.ask({ call: 'keep', paths: [weights, state] })
    return weights
  }

  /** The answers' log-probabilities decide what a client gets, and the probe knows only scores. */
  private async differsFromScores(model: string): Promise<string | null> {
    const { tokenizer, chat } = this.deps.base
    const promptIds = probeRows(chat)[0]!.promptIds
    const { tokens } = await this.sample(model, {
      promptIds,
      lora: null,
      maxTokens: COMPARED_TOKENS,
      sampling: { temperature: 0, topP: 1, seed: 1 },
      topLogprobs: 0,
      constraint: null,
      endIds: tokenizer.eosIds,
      usePrefixCache: true,
    })
    if (tokens.length === 0) return 'it samples nothing'
    const ids = tokens.map(({ tokenId }) => tokenId)
    const scores = await this.nats(model, promptIds, ids)
    const apart = mean(tokens.map(({ logprob }, at) => Math.abs(logprob - scores[at]!)))
    return apart <= MOST_APART
      ? null
      : `its samples' log-probabilities differ from its scores by ${apart.toPrecision(3)} nats a token`
  }

  private async sample(
    model: string | null,
    request: GenerationRequest,
    signal?: AbortSignal
  ): Promise<Sampled> {
    const { promptIds, maxTokens, sampling, endIds, topLogprobs } = request
    const answer = await this.ask(
      {
        call: 'sample',
        model,
        prompt: promptIds,
        max_tokens: maxTokens,
        temperature: sampling.temperature,
        top_p: sampling.topP,
        seed: Math.abs(sampling.seed),
        stop: endIds,
        top: topLogprobs,
      },
      signal
    )
    return readSampled(answer, request, this.deps.base.config.vocabSize)
  }

  /** Log-probability of every completion token. */
  private async nats(
    model: string | null,
    prompt: readonly number[],
    completion: readonly number[],
    signal?: AbortSignal
  ): Promise<number[]> {
    const ids = [...prompt, ...completion]
    return readScores(await this.ask({ call: 'score', model, ids }, signal), ids, completion.length)
  }

  /** While the provider refuses, one call after a pause finds out whether it still does. */
  private async ask(call: object, signal?: AbortSignal): Promise<unknown> {
    const now = this.now()
    if (now < this.quietUntil)
      throw new AppError('overloaded', 'the provider refuses calls at the moment; try later')
    const before = this.refusals
    if (before > 0) this.quietUntil = now + TRIAL_MS
    try {
      const answer = await this.deps.child.call(call, signal)
      this.answers()
      return answer
    } catch (error) {
      // calls that were refused together count as one
      if (isRefusal(error) && this.refusals === before) {
        this.refusals++
        this.quietUntil = this.now() + Math.min(1000 * 2 ** before, LONGEST_PAUSE_MS)
      }
      const { code, message } = toAppError(error)
      if (code !== 'invalid-state') throw error
      // it does answer: one lora that it has lost keeps no other waiting
      this.answers()
      throw new AppError('engine-unavailable', message, { cause: error })
    }
  }

  private answers(): void {
    this.refusals = 0
    this.quietUntil = 0
  }
}

export const createTinkerPublisher = (deps: TinkerDeps): TinkerPublisher => new Tinker(deps)
