/**
 * One base model and its loras behind the contract. An engine gives two things: `train`, which makes a
 * lora's folder of rows, and `serving`, which answers by token ids. Chats are rendered and texts put
 * together here, so that what is served is what was trained.
 */
import { randomInt } from 'node:crypto'
import { setImmediate as endOfTick } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'
import type { ModelObject, TrainingMethod, TrainingRow } from '../../src/openai/fine-tuning.ts'
import type {
  CompletionEnd,
  EngineBackend,
  TokenDelta,
  TrainHooks,
  TrainInput,
  TrainResult,
} from '../host/backend.ts'
import { systemFingerprint, type BaseModel } from '../model/open-model.ts'
import { generateText, type Vocabulary } from '../text/generate-text.ts'
import { studentRow, teacherRow } from '../text/chat-renderer.ts'
import { checkRows, type TokenizedRow } from '../text/rows.ts'
import type { TokenGenerator } from '../text/tokens.ts'
import type { Loras } from './loras.ts'
import { invalidRequest } from '../host/validation.ts'

export interface RowLosses {
  /** mean nats per completion token of each row */
  losses: number[]
  /** completion tokens of each row */
  tokens: number[]
}

export interface LoraServing extends TokenGenerator {
  /** @param lora null for the base model */
  losses(lora: string | null, rows: TrainingRow[]): Promise<RowLosses>
  /** Forgets a lora. @throws AppError `conflict` while requests use it */
  unload(lora: string): Promise<void>
  close(): Promise<void>
}

/** A job on the base model, or on the lora that it starts from. */
export type LoraTask = Omit<TrainInput, 'model'> & { lora: string | null }

export interface LoraBackendParts {
  base: BaseModel
  loras: Loras
  serving: LoraServing
  /** The lora's folder is in `loras`, and it can be served, when it resolves. */
  train(task: LoraTask, hooks: TrainHooks): Promise<TrainResult>
}

const METHODS: TrainingMethod[] = ['supervised', 'self-distillation']

/** Rows rendered in one tick of the event loop, so that requests are served in between. */
const ROWS_PER_TICK = 32

const vocabularyOf = ({ tokenizer }: BaseModel): Vocabulary => ({
  encode: (text) => tokenizer.encode(text, { special: false, continues: true }),
  decodeBytes: (id) => tokenizer.decodeBytes(id),
  eosIds: tokenizer.eosIds,
})

class LoraBackend implements EngineBackend {
  private readonly vocabulary: Vocabulary
  private readonly baseFingerprint: string
  /** number of jobs and requests that use a lora */
  private readonly users = new Map<string, number>()
  /** loras that are being deleted: a request would publish them again */
  private readonly leaving = new Set<string>()

  constructor(private readonly parts: LoraBackendParts) {
    this.vocabulary = vocabularyOf(parts.base)
    this.baseFingerprint = systemFingerprint(parts.base)
  }

  models(): ModelObject[] {
    const { base, loras, serving } = this.parts
    const common = {
      object: 'model' as const,
      owned_by: 'promptintern',
      max_model_len: serving.maxPositions,
      training_methods: METHODS,
      parameters: base.parameters,
    }
    return [
      { id: base.name, created: 0, fingerprint: this.baseFingerprint, ...common },
      ...loras.list().map(({ id, created }) => ({ id, created, parent: base.name, ...common })),
    ]
  }

  fingerprint(model: string): string | null {
    return model === this.parts.base.name ? this.baseFingerprint : null
  }

  async validateTraining(model: string, rows: TrainingRow[]): Promise<void> {
    this.loraOf(model)
    if (rows.length === 0) throw new AppError('invalid-request', 'there are no rows to train on')
    const { chat, config } = this.parts.base
    const rendered: TokenizedRow[] = []
    const taught: TokenizedRow[] = []
    for (const [index, row] of rows.entries()) {
      if (index % ROWS_PER_TICK === 0) await endOfTick()
      rendered.push(studentRow(chat, row))
      if (row.teacher_messages !== undefined) taught.push(teacherRow(chat, row))
    }
    checkRows(rendered, config)
    checkRows(taught, config)
  }

  async train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult> {
    const { model, ...task } = input
    const { loras, train } = this.parts
    const lora = this.loraOf(model)
    const result = await this.using(lora, () => train({ ...task, lora }, hooks))
    const { problem } = await loras.add(result.model)
    if (problem !== null) throw new AppError('internal', `the trained lora is unusable: ${problem}`)
    return result
  }

  async *complete(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const lora = this.loraOf(request.model)
    const { base, serving } = this.parts
    const { ids } = base.chat.render(request.messages, {
      addGenerationPrompt: true,
      defaultSystem: lora === null,
    })
    const { stop } = request
    const leave = this.enter(lora)
    try {
      return yield* generateText(
        serving,
        this.vocabulary,
        {
          promptIds: ids,
          lora,
          maxTokens: request.max_completion_tokens ?? request.max_tokens ?? serving.maxPositions,
          temperature: request.temperature ?? 0,
          topP: request.top_p ?? 1,
          seed: request.seed ?? randomInt(2 ** 31),
          stop: typeof stop === 'string' ? [stop] : (stop ?? []),
          topLogprobs: request.top_logprobs ?? 0,
          choices: request.structured_outputs?.choice ?? null,
          calls: request.structured_outputs?.calls ?? null,
          jsonObject: request.response_format?.type === 'json_object',
          usePrefixCache: request.cache_prompt !== false,
        },
        signal
      )
    } finally {
      leave()
    }
  }

  async loss(model: string, rows: TrainingRow[]): Promise<RowLosses> {
    const lora = this.loraOf(model)
    return this.using(lora, () => this.parts.serving.losses(lora, rows))
  }

  async countTokens(model: string, input: ChatMessage[] | string): Promise<number> {
    const lora = this.loraOf(model)
    const { chat, tokenizer } = this.parts.base
    if (typeof input === 'string') return tokenizer.encode(input, { special: false }).length
    const addGenerationPrompt = input.at(-1)?.role !== 'assistant'
    return chat.render(input, { addGenerationPrompt, defaultSystem: lora === null }).ids.length
  }

  async deleteModel(id: string): Promise<void> {
    const lora = this.loraOf(id)
    if (lora === null)
      throw invalidRequest(`${id} is the base model and cannot be deleted`, 'model')
    if (this.users.has(lora)) throw new AppError('conflict', `a job or a request uses ${id}`)
    if (this.leaving.has(lora)) throw new AppError('conflict', `${id} is being deleted`)
    this.leaving.add(lora)
    try {
      await this.parts.serving.unload(lora)
      await this.parts.loras.remove(lora)
    } finally {
      this.leaving.delete(lora)
    }
  }

  async close(): Promise<void> {
    await this.parts.serving.close()
  }

  /** The lora's id, or null for the base model. */
  private loraOf(model: string): string | null {
    return model === this.parts.base.name ? null : this.parts.loras.require(model).id
  }

  /** @returns ends the use of the lora, which cannot be deleted meanwhile */
  private enter(lora: string | null): () => void {
    if (lora === null) return () => undefined
    if (this.leaving.has(lora)) throw new AppError('not-found', `${lora} is being deleted`)
    this.users.set(lora, (this.users.get(lora) ?? 0) + 1)
    return () => {
      const left = (this.users.get(lora) ?? 1) - 1
      if (left > 0) this.users.set(lora, left)
      else this.users.delete(lora)
    }
  }

  private async using<Result>(lora: string | null, work: () => Promise<Result>): Promise<Result> {
    const leave = this.enter(lora)
    try {
      return await work()
    } finally {
      leave()
    }
  }
}

export const createLoraBackend = (parts: LoraBackendParts): EngineBackend => new LoraBackend(parts)
