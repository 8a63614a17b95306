/**
 * The embedded engine: one base model and its loras. It generates in this process, and trains and
 * computes losses in child processes.
 */
import { createHash, randomInt } from 'node:crypto'
import { join } from 'node:path'
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
import type { Log } from '../host/log.ts'
import type { ChildSetup } from './child-messages.ts'
import { createGenerator, type Generator, type GeneratorOptions } from './generate/generator.ts'
import { generateText, type Vocabulary } from '../text/generate-text.ts'
import { Loras } from '../lora/loras.ts'
import { Losses } from './losses.ts'
import { loadModel, type LoadedModel, type Precision } from './load-model.ts'
import { checkRows, type TokenizedRow } from '../text/rows.ts'
import { studentRow, teacherRow } from '../text/render-rows.ts'
import { runTrainingJob } from './training-jobs.ts'

export interface OnnxBackendOptions {
  /** a GGUF file or a Hugging Face folder */
  modelPath: string
  /** gets the folders `loras` and `cache` */
  dataDir: string
  threads: number
  log: Log
  /** of the weights, in serving and in training; default `auto` of `loadModel` */
  precision?: Precision
  /** limits of serving; the defaults are the generator's */
  generator?: Partial<Pick<GeneratorOptions, 'maxRows' | 'maxCacheBytes' | 'maxLoraBytes'>>
  checkpointSeconds?: number
  /** told the process id of every training process */
  onTrainingProcess?: (pid: number | undefined) => void
}

const METHODS: TrainingMethod[] = ['supervised', 'self-distillation']

/** Identifies the weights and the chat template. */
const fingerprintOf = ({ fingerprint, chat }: LoadedModel): string =>
  `fp_${createHash('sha256').update(`${fingerprint}\n${chat.templateHash}`).digest('hex').slice(0, 20)}`

/** Rows rendered in one tick of the event loop, so that requests are served in between. */
const ROWS_PER_TICK = 32

const vocabularyOf = ({ tokenizer }: LoadedModel): Vocabulary => ({
  encode: (text) => tokenizer.encode(text, { special: false, continues: true }),
  decodeBytes: (id) => tokenizer.decodeBytes(id),
  eosIds: tokenizer.eosIds,
})

interface Parts {
  model: LoadedModel
  loras: Loras
  generator: Generator
  losses: Losses
  setup: ChildSetup
  options: OnnxBackendOptions
}

class OnnxBackend implements EngineBackend {
  private readonly parts: Parts
  private readonly vocabulary: Vocabulary
  private readonly baseFingerprint: string
  /** number of jobs and loss requests that use a lora */
  private readonly users = new Map<string, number>()

  constructor(parts: Parts) {
    this.parts = parts
    this.vocabulary = vocabularyOf(parts.model)
    this.baseFingerprint = fingerprintOf(parts.model)
  }

  models(): ModelObject[] {
    const { model, loras, generator } = this.parts
    const common = {
      object: 'model' as const,
      owned_by: 'promptintern',
      max_model_len: generator.maxPositions,
      training_methods: METHODS,
      parameters: model.parameters,
    }
    return [
      { id: model.name, created: 0, fingerprint: this.baseFingerprint, ...common },
      ...loras.list().map(({ id, created }) => ({ id, created, parent: model.name, ...common })),
    ]
  }

  fingerprint(model: string): string | null {
    return model === this.parts.model.name ? this.baseFingerprint : null
  }

  async validateTraining(model: string, rows: TrainingRow[]): Promise<void> {
    this.loraOf(model)
    if (rows.length === 0) throw new AppError('invalid-request', 'there are no rows to train on')
    const { chat, config } = this.parts.model
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
    const { model, jobId: _, ...task } = input
    const { setup, loras, options } = this.parts
    const lora = this.loraOf(model)
    const result = await this.using(lora, () =>
      runTrainingJob(
        {
          task: { ...task, lora },
          checkpointDir: task.checkpointDir,
          request: (taskFile) => ({ kind: 'train', setup, taskFile }),
        },
        hooks,
        options.onTrainingProcess
      )
    )
    const { problem } = await loras.add(result.model)
    if (problem !== null) throw new AppError('internal', `the trained lora is unusable: ${problem}`)
    return result
  }

  async *complete(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined> {
    const lora = this.loraOf(request.model)
    const { model, generator } = this.parts
    const { ids } = model.chat.render(request.messages, {
      addGenerationPrompt: true,
      defaultSystem: lora === null,
    })
    const { stop } = request
    return yield* generateText(
      generator,
      this.vocabulary,
      {
        promptIds: ids,
        lora,
        maxTokens: request.max_completion_tokens ?? request.max_tokens ?? generator.maxPositions,
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
  }

  async loss(model: string, rows: TrainingRow[]): Promise<{ losses: number[]; tokens: number[] }> {
    const lora = this.loraOf(model)
    return this.using(lora, () => this.parts.losses.compute(lora, rows))
  }

  async countTokens(model: string, input: ChatMessage[] | string): Promise<number> {
    const lora = this.loraOf(model)
    const { chat, tokenizer } = this.parts.model
    if (typeof input === 'string') return tokenizer.encode(input, { special: false }).length
    const addGenerationPrompt = input.at(-1)?.role !== 'assistant'
    return chat.render(input, { addGenerationPrompt, defaultSystem: lora === null }).ids.length
  }

  async deleteModel(id: string): Promise<void> {
    const lora = this.loraOf(id)
    if (lora === null)
      throw new AppError('invalid-request', `${id} is the base model and cannot be deleted`, {
        param: 'model',
      })
    if (this.users.has(lora)) throw new AppError('conflict', `a job or a loss request uses ${id}`)
    this.parts.generator.unloadLora(lora)
    await this.parts.loras.remove(lora)
  }

  async close(): Promise<void> {
    const { losses, generator, model } = this.parts
    await losses.close()
    await generator.close()
    model.close()
  }

  /** The lora's id, or null for the base model. */
  private loraOf(model: string): string | null {
    return model === this.parts.model.name ? null : this.parts.loras.require(model).id
  }

  private async using<Result>(lora: string | null, work: () => Promise<Result>): Promise<Result> {
    if (lora === null) return work()
    this.users.set(lora, (this.users.get(lora) ?? 0) + 1)
    try {
      return await work()
    } finally {
      const left = this.users.get(lora)! - 1
      if (left > 0) this.users.set(lora, left)
      else this.users.delete(lora)
    }
  }
}

/**
 * Loads the model and its loras and is ready to serve when it resolves.
 * @throws AppError `invalid-model`, `store-unavailable`
 */
export const createOnnxBackend = async (options: OnnxBackendOptions): Promise<EngineBackend> => {
  const { modelPath, dataDir, threads, checkpointSeconds, log } = options
  const model = await loadModel(modelPath, options.precision ?? 'auto')
  const { precision } = model
  const lorasDir = join(dataDir, 'loras')
  const cacheDir = join(dataDir, 'cache')
  const setup = { modelPath, precision, cacheDir, lorasDir, threads, checkpointSeconds }
  try {
    const loras = await Loras.open(lorasDir, model, log)
    const generator = await createGenerator({
      ...options.generator,
      config: model.config,
      weights: model.weights,
      loadLora: (id) => loras.matrices(id),
      threads,
      expectsLoras: loras.list().length > 0,
    })
    return new OnnxBackend({ model, loras, generator, losses: new Losses(setup), setup, options })
  } catch (error) {
    model.close()
    throw error
  }
}
