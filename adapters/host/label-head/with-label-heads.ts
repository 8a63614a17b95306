/** Adds a sentence encoder and its label heads to an engine; every other model is the engine's own. */
import { AppError } from '../../../src/errors.ts'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'
import type { ModelObject, TrainingRow } from '../../../src/openai/fine-tuning.ts'
import type {
  CompletionEnd,
  EngineBackend,
  RowsPurpose,
  TokenDelta,
  TrainHooks,
  TrainInput,
  TrainResult,
} from '../backend.ts'
import { headModels } from '../model-records.ts'
import { answerOf } from './answer-head.ts'
import { messagesText } from '../../../src/openai/message-text.ts'
import { checkTrainingRows, rowLabel, rowText } from './head-rows.ts'
import type { Heads } from './heads.ts'
import type { SentenceEncoder } from './sentence-encoder.ts'
import { textProbabilities } from '../../../src/core/learn/text-head.ts'
import { invalidRequest } from '../validation.ts'

export interface LabelHeadParts {
  backend: EngineBackend
  encoder: SentenceEncoder
  heads: Heads
  /** writes the head into the folder of `heads` */
  train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult>
  /** for completions with a temperature and without a seed */
  randomSeed: () => number
}

class LabelHeadBackend implements EngineBackend {
  private readonly parts: LabelHeadParts

  constructor(parts: LabelHeadParts) {
    this.parts = parts
  }

  models(): ModelObject[] {
    const { backend, encoder, heads } = this.parts
    const own: ModelObject = {
      id: encoder.id,
      object: 'model',
      created: 0,
      owned_by: 'promptintern',
      max_model_len: encoder.maxTokens,
      kind: 'encoder',
      parameters: encoder.parameters,
      fingerprint: encoder.fingerprint,
      training_methods: ['label-head'],
    }
    return [...backend.models(), own, ...headModels(heads.list(), own)]
  }

  fingerprint(model: string): string | null {
    const { backend, encoder } = this.parts
    if (model === encoder.id) return encoder.fingerprint
    return this.isHead(model) ? null : backend.fingerprint(model)
  }

  async validateTraining(
    model: string,
    rows: TrainingRow[],
    purpose: RowsPurpose = 'training'
  ): Promise<void> {
    if (this.isHead(model))
      throw invalidRequest(
        `${model} is a head: train from its encoder ${this.parts.encoder.id}`,
        'model'
      )
    if (model !== this.parts.encoder.id)
      return this.parts.backend.validateTraining(model, rows, purpose)
    if (purpose === 'training') checkTrainingRows(rows)
  }

  async train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult> {
    if (input.method !== 'label-head') return this.parts.backend.train(input, hooks)
    const result = await this.parts.train(input, hooks)
    const { problem } = await this.parts.heads.add(result.model)
    if (problem !== null) throw new AppError('internal', `the trained head is unusable: ${problem}`)
    return result
  }

  complete(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    return this.isHead(request.model) || request.model === this.parts.encoder.id
      ? this.answer(request)
      : this.parts.backend.complete(request, signal)
  }

  async loss(model: string, rows: TrainingRow[]): Promise<{ losses: number[]; tokens: number[] }> {
    const { backend, encoder, heads } = this.parts
    if (!this.isHead(model) && model !== encoder.id) return backend.loss(model, rows)
    this.refuseEncoder(model)
    const { head, manifest } = await heads.load(model)
    const texts = rows.map(rowText)
    const { vectors } = await encoder.encode(texts)
    const all = textProbabilities(head, texts, vectors)
    const losses = rows.map((row, at) => {
      const place = manifest.labels.indexOf(rowLabel(row))
      if (place < 0) throw invalidRequest(`row ${at + 1}: ${model} does not know its label`, 'rows')
      return -Math.log(Math.max(all[at * manifest.labels.length + place]!, Number.MIN_VALUE))
    })
    return { losses, tokens: rows.map(() => 1) }
  }

  async countTokens(model: string, input: ChatMessage[] | string): Promise<number> {
    const { backend, encoder } = this.parts
    if (!this.isHead(model) && model !== encoder.id) return backend.countTokens(model, input)
    return encoder.countTokens(typeof input === 'string' ? input : messagesText(input))
  }

  async deleteModel(id: string): Promise<void> {
    this.refuseEncoder(id)
    await (this.isHead(id) ? this.parts.heads.remove(id) : this.parts.backend.deleteModel(id))
  }

  async close(): Promise<void> {
    await this.parts.encoder.close()
    await this.parts.backend.close()
  }

  private isHead(model: string): boolean {
    return this.parts.heads.has(model)
  }

  private refuseEncoder(model: string): void {
    if (model === this.parts.encoder.id)
      throw invalidRequest(
        `${model} is an encoder: it gives no answers and cannot be deleted`,
        'model'
      )
  }

  private async *answer(
    request: ChatRequest
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const { encoder, heads, randomSeed } = this.parts
    this.refuseEncoder(request.model)
    const head = await heads.load(request.model)
    const query = messagesText(request.messages)
    const { vectors: vector, tokens } = await encoder.encode([query])
    const { text, logprob, distance } = answerOf(head, { text: query, vector }, request, randomSeed)
    yield { text, logprobs: [logprob] }
    const [promptTokens] = tokens
    return {
      finishReason: 'stop',
      usage: {
        prompt_tokens: promptTokens!,
        completion_tokens: 1,
        total_tokens: promptTokens! + 1,
      },
      distance,
    }
  }
}

/** @throws AppError `invalid-config` when the encoder has the id of another model */
export const withLabelHeads = (parts: LabelHeadParts): EngineBackend => {
  if (parts.backend.models().some(({ id }) => id === parts.encoder.id))
    throw new AppError(
      'invalid-config',
      `the encoder and the base model are both named ${parts.encoder.id}: rename a folder`
    )
  return new LabelHeadBackend(parts)
}
