/** Adds a sentence encoder and its heads to an engine; every other model is the engine's own. */
import { AppError } from '../../../src/errors.ts'
import type { ChatMessage, ChatRequest, TokenLogprob } from '../../../src/openai/chat.ts'
import type { ModelObject, TrainingMethod, TrainingRow } from '../../../src/openai/fine-tuning.ts'
import { messagesText } from '../../../src/openai/message-text.ts'
import { usageOf } from '../../../src/openai/usage/usage.ts'
import type {
  CompletionEnd,
  EngineBackend,
  TokenDelta,
  TrainHooks,
  TrainInput,
  TrainResult,
} from '../backend.ts'
import type { ModelFolder } from '../model-records.ts'
import { invalidRequest } from '../validation.ts'
import type { SentenceEncoder } from './sentence-encoder.ts'

export interface HeadAnswer {
  text: string
  logprob: TokenLogprob
  promptTokens: number
  /** 1 − cosine similarity to the nearest training query, 0 to 2 */
  distance?: number
}

/** What heads of one kind do. Methods throw AppError as those of `EngineBackend`. */
export interface HeadKind {
  method: 'label-head' | 'field-head'
  heads: ModelFolder<unknown>
  checkRows(rows: readonly TrainingRow[]): void
  /** Writes the head into the folder of `heads`. */
  train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult>
  answer(request: ChatRequest): Promise<HeadAnswer>
  losses(model: string, rows: TrainingRow[]): Promise<number[]>
  close(): void
}

class HeadsBackend implements EngineBackend {
  constructor(
    private readonly backend: EngineBackend,
    private readonly encoder: SentenceEncoder,
    private readonly kinds: readonly HeadKind[]
  ) {}

  models(): ModelObject[] {
    const { id: parent, maxTokens, parameters, fingerprint } = this.encoder
    const common = {
      object: 'model' as const,
      owned_by: 'promptintern',
      max_model_len: maxTokens,
    }
    const training_methods = this.kinds.map(({ method }) => method)
    const heads = this.kinds.flatMap((kind) => kind.heads.list())
    return [
      ...this.backend.models(),
      {
        ...common,
        id: parent,
        created: 0,
        kind: 'encoder',
        parameters,
        fingerprint,
        training_methods,
      },
      ...heads.map(({ id, created }): ModelObject => ({
        ...common,
        id,
        created,
        kind: 'head',
        parent,
      })),
    ]
  }

  fingerprint(model: string): string | null {
    if (model === this.encoder.id) return this.encoder.fingerprint
    return this.kindOf(model) ? null : this.backend.fingerprint(model)
  }

  async validateTraining(
    model: string,
    rows: TrainingRow[],
    method?: TrainingMethod
  ): Promise<void> {
    const { id } = this.encoder
    if (this.kindOf(model))
      throw invalidRequest(`${model} is a head: train from its encoder ${id}`, 'model')
    if (model !== id) return this.backend.validateTraining(model, rows, method)
    this.kinds.find((kind) => kind.method === method)?.checkRows(rows)
  }

  async train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult> {
    const kind = this.kinds.find(({ method }) => method === input.method)
    if (!kind) return this.backend.train(input, hooks)
    const result = await kind.train(input, hooks)
    const { problem } = await kind.heads.add(result.model)
    if (problem !== null) throw new AppError('internal', `the trained head is unusable: ${problem}`)
    return result
  }

  complete(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const kind = this.kindOf(request.model)
    if (kind) return this.answer(kind, request)
    this.refuseEncoder(request.model)
    return this.backend.complete(request, signal)
  }

  async loss(model: string, rows: TrainingRow[]): Promise<{ losses: number[]; tokens: number[] }> {
    this.refuseEncoder(model)
    const kind = this.kindOf(model)
    if (!kind) return this.backend.loss(model, rows)
    return { losses: await kind.losses(model, rows), tokens: rows.map(() => 1) }
  }

  async countTokens(model: string, input: ChatMessage[] | string): Promise<number> {
    if (!this.kindOf(model) && model !== this.encoder.id)
      return this.backend.countTokens(model, input)
    return this.encoder.countTokens(typeof input === 'string' ? input : messagesText(input))
  }

  async deleteModel(id: string): Promise<void> {
    this.refuseEncoder(id)
    await (this.kindOf(id)?.heads.remove(id) ?? this.backend.deleteModel(id))
  }

  async close(): Promise<void> {
    for (const kind of this.kinds) kind.close()
    await this.encoder.close()
    await this.backend.close()
  }

  private kindOf(model: string): HeadKind | undefined {
    return this.kinds.find(({ heads }) => heads.has(model))
  }

  private refuseEncoder(model: string): void {
    if (model === this.encoder.id)
      throw invalidRequest(
        `${model} is an encoder: it gives no answers and cannot be deleted`,
        'model'
      )
  }

  private async *answer(
    kind: HeadKind,
    request: ChatRequest
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const { text, logprob, promptTokens, distance } = await kind.answer(request)
    yield { text, logprobs: [logprob] }
    const usage = usageOf(promptTokens, 1)
    return { finishReason: 'stop', usage, ...(distance !== undefined && { distance }) }
  }
}

/** @throws AppError `invalid-config` when the encoder has the id of another model */
export const withHeads = (
  backend: EngineBackend,
  encoder: SentenceEncoder,
  kinds: readonly HeadKind[]
): EngineBackend => {
  if (backend.models().some(({ id }) => id === encoder.id))
    throw new AppError(
      'invalid-config',
      `the encoder and the base model are both named ${encoder.id}: rename a folder`
    )
  return new HeadsBackend(backend, encoder, kinds)
}
