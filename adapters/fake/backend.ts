/**
 * A deterministic engine for tests. It memorizes prompts and completions, gives memorized answers a high
 * and guesses a low probability, and fails on demand.
 */
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'
import type { ModelObject, TrainingRow } from '../../src/openai/fine-tuning.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import type {
  CompletionEnd,
  EngineBackend,
  TokenDelta,
  TrainHooks,
  TrainInput,
  TrainResult,
} from '../host/backend.ts'
import { noModel } from '../host/model-records.ts'
import { Heads } from '../host/label-head/heads.ts'
import { trainLabelHead } from '../host/label-head/train-head.ts'
import { labelHeads } from '../host/label-head/label-heads.ts'
import { withHeads } from '../host/label-head/with-heads.ts'
import { createFakeEncoder } from './encoder.ts'
import { answer, completionTokens, countMessages, tokenLogprob, tokensOf } from './generate.ts'
import { type Lora, type Loras, openLoras } from './loras.ts'
import { Memory } from './memory.ts'
import { type FakeFaults, pause, trainFake } from './train.ts'
import { invalidRequest } from '../host/validation.ts'

export interface FakeBackendOptions {
  /** loras are in its folder `loras` */
  dataDir: string
  baseModel?: string
  /** tokens, prompt and answer together */
  maxModelLen?: number
  /** training steps between two checkpoints */
  checkpointSteps?: number
  faults?: FakeFaults
  /** adds the encoder `fake-encoder`, whose label heads are in the folder `heads`; `alone`: there is no base model */
  encoder?: boolean | 'alone'
  /** milliseconds since the epoch */
  now?: () => number
}

const DEFAULTS = { baseModel: 'fake-base', maxModelLen: 2048, checkpointSteps: 10 }

const UNTRAINED = new Memory([])

class FakeBackend implements EngineBackend {
  private readonly options: FakeBackendOptions & typeof DEFAULTS
  private readonly faults: FakeFaults
  private readonly now: () => number
  private readonly users = new Map<string, number>()

  constructor(
    options: FakeBackendOptions,
    private readonly loras: Loras
  ) {
    this.options = { ...DEFAULTS, ...options }
    this.faults = options.faults ?? {}
    this.now = options.now ?? Date.now
  }

  models(): ModelObject[] {
    const { baseModel } = this.options
    const loras = this.loras.list().filter((lora) => lora.base === baseModel)
    return [this.modelObject(baseModel), ...loras.map((lora) => this.modelObject(lora.id, lora))]
  }

  fingerprint(): null {
    return null
  }

  async validateTraining(model: string, rows: TrainingRow[]): Promise<void> {
    this.memoryOf(model)
    if (rows.length === 0) throw new AppError('invalid-request', 'there are no rows to train on')
    this.checkRows(rows)
  }

  async train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult> {
    const { baseModel: base, checkpointSteps } = this.options
    const { faults, loras, now } = this
    const memory = this.memoryOf(input.model)
    return trainFake(input, hooks, { memory, base, checkpointSteps, faults, loras, now })
  }

  async *complete(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const { model } = request
    if (this.faults.unavailable)
      throw new AppError('engine-unavailable', 'the fake engine is unavailable, as told')
    this.users.set(model, (this.users.get(model) ?? 0) + 1)
    try {
      return yield* this.generate(request, signal)
    } finally {
      this.users.set(model, this.users.get(model)! - 1)
    }
  }

  async loss(model: string, rows: TrainingRow[]): Promise<{ losses: number[]; tokens: number[] }> {
    const memory = this.memoryOf(model)
    this.checkRows(rows)
    return {
      losses: rows.map((row) => memory.rowLoss(row)),
      tokens: rows.map(completionTokens),
    }
  }

  async countTokens(model: string, input: ChatMessage[] | string): Promise<number> {
    this.memoryOf(model)
    return typeof input === 'string' ? tokensOf(input).length : countMessages(input)
  }

  async deleteModel(id: string): Promise<void> {
    this.memoryOf(id)
    if (this.users.get(id)) throw new AppError('conflict', `requests use ${id}`)
    await this.loras.remove(id)
  }

  async close(): Promise<void> {}

  private modelObject(id: string, lora?: Lora): ModelObject {
    return {
      id,
      object: 'model',
      created: lora?.created ?? 0,
      owned_by: 'promptintern',
      ...(lora ? { parent: lora.base } : { parameters: 1_000_000 }),
      max_model_len: this.options.maxModelLen,
      training_methods: ['supervised'],
    }
  }

  private memoryOf(model: string): Memory {
    const { baseModel } = this.options
    if (model === baseModel) return UNTRAINED
    const lora = this.loras.get(model)
    if (!lora) throw new AppError('not-found', `no model ${model}`, { param: 'model' })
    if (lora.base !== baseModel)
      throw invalidRequest(`${model} sits on ${lora.base}, not on ${baseModel}`, 'model')
    return lora.memory
  }

  private checkRows(rows: TrainingRow[]): void {
    for (const [index, row] of rows.entries())
      this.checkLength(countMessages(row.messages), `row ${index + 1}`)
  }

  private checkLength(tokens: number, what: string): void {
    const { maxModelLen } = this.options
    if (tokens > maxModelLen)
      throw new AppError(
        'context-length-exceeded',
        `${what} has ${tokens} tokens, the model reads ${maxModelLen}`
      )
  }

  private async *generate(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const { faults } = this
    const memory = this.memoryOf(request.model)
    const promptTokens = countMessages(request.messages)
    this.checkLength(promptTokens + 1, 'the prompt with one token of an answer')
    const { text, certainty } = answer(memory, request)
    const tokens = tokensOf(text)
    const room = this.options.maxModelLen - promptTokens
    const shown = tokens.slice(0, Math.min(request.max_tokens ?? room, room))
    await pause(faults.firstTokenMs, signal)
    for (const [index, token] of shown.entries()) {
      if (index === faults.dieAfterTokens)
        throw new AppError('internal', `the fake engine dies after ${index} tokens, as told`)
      await pause(faults.tokenMs, signal)
      yield { text: token, logprobs: [tokenLogprob(token, certainty, request.top_logprobs ?? 0)] }
    }
    return {
      finishReason: shown.length < tokens.length ? 'length' : 'stop',
      usage: usageOf(promptTokens, shown.length),
    }
  }
}

const withFakeEncoder = async (
  backend: EngineBackend,
  { dataDir, faults = {}, now = Date.now }: FakeBackendOptions
): Promise<EngineBackend> => {
  const headsDir = join(dataDir, 'heads')
  const encoder = createFakeEncoder('fake-encoder')
  const heads = await Heads.open(headsDir, encoder.fingerprint, () => undefined)
  return withHeads(backend, encoder, [
    labelHeads(
      encoder,
      heads,
      () => 0,
      async (input, hooks) => {
        await pause(faults.stepMs, hooks.signal)
        return trainLabelHead(input, hooks, { encoder, headsDir, now })
      }
    ),
  ])
}

/** @throws the system's error when the data directory cannot be used */
export const createFakeBackend = async (options: FakeBackendOptions): Promise<EngineBackend> => {
  if (options.encoder === 'alone') return withFakeEncoder(noModel, options)
  const backend = new FakeBackend(options, await openLoras(join(options.dataDir, 'loras')))
  return options.encoder === true ? withFakeEncoder(backend, options) : backend
}
