/** Adds field heads to an engine that has their encoder; every other model is the engine's own. */
import { AppError } from '../../../src/errors.ts'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'
import type { ModelObject, TrainingMethod, TrainingRow } from '../../../src/openai/fine-tuning.ts'
import type {
  CompletionEnd,
  EngineBackend,
  RowsPurpose,
  TokenDelta,
  TrainHooks,
  TrainInput,
  TrainResult,
} from '../../host/backend.ts'
import { cutAtStop } from '../../host/cut-at-stop.ts'
import { headModels } from '../../host/model-records.ts'
import { fieldAnswer, type FieldAnswer } from './field-answer.ts'
import type { FieldHead, FieldHeads } from './field-heads.ts'
import { requestSources } from '../../../src/core/answer/request-sources.ts'
import { checkFieldRows } from './field-rows.ts'
import { invalidRequest } from '../../host/validation.ts'

export interface FieldHeadParts {
  /** with the encoder among its models */
  backend: EngineBackend
  /** id of the encoder */
  encoder: string
  heads: FieldHeads
  /** writes the head into the folder of `heads` */
  train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult>
}

const answerOf = async (
  head: FieldHead,
  { messages, structured_outputs: constraint }: ChatRequest
): Promise<FieldAnswer> => {
  const sources = requestSources(messages, head.slots)
  const [scores] = await head.model.scores([sources])
  return fieldAnswer(head, sources, scores!, constraint?.choice)
}

class FieldHeadBackend implements EngineBackend {
  private readonly parts: FieldHeadParts

  constructor(parts: FieldHeadParts) {
    this.parts = parts
  }

  models(): ModelObject[] {
    const { backend, encoder, heads } = this.parts
    const own = backend
      .models()
      .map((model): ModelObject =>
        model.id === encoder
          ? { ...model, training_methods: [...(model.training_methods ?? []), 'field-head'] }
          : model
      )
    return [
      ...own,
      ...headModels(
        heads.list(),
        own.find(({ id }) => id === encoder)!
      ),
    ]
  }

  fingerprint(model: string): string | null {
    return this.isHead(model) ? null : this.parts.backend.fingerprint(model)
  }

  async validateTraining(
    model: string,
    rows: TrainingRow[],
    purpose: RowsPurpose = 'training',
    method?: TrainingMethod
  ): Promise<void> {
    if (this.isHead(model))
      throw invalidRequest(
        `${model} is a head: train from its encoder ${this.parts.encoder}`,
        'model'
      )
    if (method !== 'field-head')
      return this.parts.backend.validateTraining(model, rows, purpose, method)
    if (purpose === 'training') checkFieldRows(rows)
  }

  async train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult> {
    if (input.method !== 'field-head') return this.parts.backend.train(input, hooks)
    const result = await this.parts.train(input, hooks)
    const { problem } = await this.parts.heads.add(result.model)
    if (problem !== null) throw new AppError('internal', `the trained head is unusable: ${problem}`)
    return result
  }

  complete(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    return this.isHead(request.model)
      ? this.answer(request)
      : this.parts.backend.complete(request, signal)
  }

  async loss(model: string, rows: TrainingRow[]): Promise<{ losses: number[]; tokens: number[] }> {
    if (this.isHead(model))
      throw invalidRequest(`${model} is a field head, which has no loss of a text`, 'model')
    return this.parts.backend.loss(model, rows)
  }

  countTokens(model: string, input: ChatMessage[] | string): Promise<number> {
    const { backend, encoder } = this.parts
    return backend.countTokens(this.isHead(model) ? encoder : model, input)
  }

  async deleteModel(id: string): Promise<void> {
    const { backend, heads } = this.parts
    await (this.isHead(id) ? heads.remove(id) : backend.deleteModel(id))
  }

  async close(): Promise<void> {
    this.parts.heads.close()
    await this.parts.backend.close()
  }

  private isHead(model: string): boolean {
    return this.parts.heads.has(model)
  }

  private async *answer(
    request: ChatRequest
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const { heads } = this.parts
    const { text, logprob } = await heads.use(request.model, (head) => answerOf(head, request))
    const token = { token: text, logprob, bytes: [...new TextEncoder().encode(text)] }
    yield { text: cutAtStop(text, request.stop), logprobs: [{ ...token, top_logprobs: [] }] }
    const promptTokens = await this.countTokens(request.model, request.messages)
    return {
      finishReason: 'stop',
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: 1,
        total_tokens: promptTokens + 1,
      },
    }
  }
}

export const withFieldHeads = (parts: FieldHeadParts): EngineBackend => new FieldHeadBackend(parts)
