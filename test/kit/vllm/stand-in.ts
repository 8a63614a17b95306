/**
 * Stands in for `vllm serve`: the part of its API that is used, with log-probabilities that the embedded
 * engine computes on a tiny model. Knows nothing of processes and sockets.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { readLora } from '../../../adapters/lora/lora-file.ts'
import { createGenerator, type Generator } from '../../../adapters/onnx/generate/generator.ts'
import { loadModel, type LoadedModel } from '../../../adapters/onnx/load-model.ts'
import { matricesOf } from '../../../adapters/onnx/generate/fused-lora.ts'
import {
  createChoices,
  createJsonObject,
  type Constraint,
} from '../../../adapters/text/constraint/constraint.ts'
import type { GenerationRequest, SampledToken } from '../../../adapters/text/tokens.ts'

export interface StandInOptions {
  modelPath: string
  servedName: string
  apiKey: string
  maxModelLen: number
  maxLoraRank: number
  /** in memory at a time */
  maxBatchLoras: number
  /** VLLM_LORA_RESOLVER_CACHE_DIR */
  resolverFolder: string | null
  /** `system_fingerprint` */
  fingerprint: string
  /** VLLM_SKIP_MODEL_NAME_VALIDATION: the base model answers for every name that is not loaded */
  skipsNames: boolean
  /**
   * Read anew each time: `load` is `fail`, `ignore` (not applied) or `ending` (what computes is gone);
   * `slots` is `stale` where a request keeps the place of a lora that has left it
   */
  fault(name: 'load' | 'die_after' | 'slots'): unknown
  /** told every call that changes something */
  note(call: string): void
  /** pause before each token */
  tokenMs: number
  /** called when `die_after` tokens of all answers are over */
  die(): void
}

interface Body {
  model: string
  prompt: number[]
  max_tokens: number
  temperature: number
  top_p: number
  seed: number
  stop_token_ids: number[]
  stream?: boolean
  logprobs: number
  prompt_logprobs?: number
  allowed_token_ids?: number[]
  structured_outputs?: { choice?: string[]; json_object?: boolean }
  cache_salt?: string
}

/**
 * The loras in GPU memory, of which a request knows its lora's place. Loading one takes the place of the
 * one that was used longest ago, also in the middle of its requests, whose next step brings it back to
 * another place. vLLM 0.22 to 0.24 went on with the former place (vllm-project/vllm issue 47724).
 */
class Slots {
  private readonly places: (string | null)[]
  /** places, the one that was used longest ago first */
  private readonly used: number[]

  constructor(count: number) {
    this.places = Array.from({ length: count }, () => null)
    this.used = this.places.map((_, place) => place)
  }

  /** Brings the lora to a place. */
  activate(lora: string): number {
    const found = this.places.indexOf(lora)
    const place = found >= 0 ? found : this.used[0]!
    this.places[place] = lora
    this.used.splice(this.used.indexOf(place), 1)
    this.used.push(place)
    return place
  }

  at(place: number): string {
    return this.places[place]!
  }
}

class StandIn {
  private readonly slots: Slots
  private tokens = 0

  constructor(
    private readonly model: LoadedModel,
    private readonly generator: Generator,
    private readonly options: StandInOptions,
    /** the folder of a lora; null where it is not applied */
    private readonly loras: Map<string, string | null>
  ) {
    this.slots = new Slots(options.maxBatchLoras)
  }

  /**
   * As `_check_model` of vLLM 0.33, vllm/entrypoints/serve/engine/serving.py.
   * @returns what answers, by its name; null where the name is not known
   * @throws Error where it is found and cannot be loaded
   */
  async find(model: string): Promise<string | null> {
    const { servedName, skipsNames } = this.options
    if (model === servedName || this.loras.has(model)) return model
    if (skipsNames) return servedName
    return (await this.resolve(model)) ? model : null
  }

  list(): object[] {
    const { servedName, modelPath } = this.options
    const loras = [...this.loras].map(([id, root]) => ({ id, root, parent: servedName }))
    return [{ id: servedName, root: modelPath }, ...loras]
  }

  /** As vllm/plugins/lora_resolvers/filesystem_resolver.py. */
  private async resolve(lora: string): Promise<boolean> {
    const { resolverFolder, modelPath, note } = this.options
    if (resolverFolder === null) return false
    const folder = join(resolverFolder, lora)
    const config = join(folder, 'adapter_config.json')
    if (!existsSync(config)) return false
    const found = JSON.parse(readFileSync(config, 'utf8'))
    if (found.peft_type !== 'LORA' || found.base_model_name_or_path !== modelPath) return false
    await this.load(lora, folder)
    note(`resolve ${lora}`)
    return true
  }

  async load(lora: string, folder: string): Promise<string | null> {
    if (this.loras.has(lora)) return 'has already been loaded'
    const { layout } = await readLora(folder, this.model)
    if (layout.rank > this.options.maxLoraRank) throw new Error(`rank ${layout.rank} is too high`)
    this.loras.set(lora, this.options.fault('load') === 'ignore' ? null : folder)
    return null
  }

  unload(lora: string): boolean {
    const folder = this.loras.get(lora)
    if (folder) this.generator.unloadLora(lora)
    return this.loras.delete(lora)
  }

  async score({ model, prompt, allowed_token_ids: last = [] }: Body): Promise<object> {
    const ids = [...prompt, ...last]
    const options = { from: 1, lora: this.appliedLora(model), usePrefixCache: false }
    const nats = await this.generator.score(ids, options, new AbortController().signal)
    const given = nats.map((logprob, at) => ({ [ids[at + 1]!]: { logprob } }))
    return {
      prompt_logprobs: [null, ...given.slice(0, -1)],
      logprobs: { token_logprobs: nats.slice(-1) },
      finish_reason: 'length',
    }
  }

  /** Tokens, and at the end the finish reason. */
  async *generate(body: Body, signal: AbortSignal): AsyncGenerator<object> {
    if (this.options.fault('slots') !== undefined) return yield* this.stepwise(body, signal)
    const stream = this.generator.generate(this.requestOf(body), signal)
    let next = await stream.next()
    for (; !next.done; next = await stream.next()) {
      yield this.chunk(next.value)
      this.tokens++
      const dieAfter = this.options.fault('die_after')
      if (typeof dieAfter === 'number' && this.tokens >= dieAfter) this.options.die()
      await delay(this.options.tokenMs)
    }
    yield { index: 0, text: '', token_ids: [], finish_reason: next.value.finishReason }
  }

  /** Token by token, each by the lora that is in its place then. */
  private async *stepwise(body: Body, signal: AbortSignal): AsyncGenerator<object> {
    const ids = [...body.prompt]
    const first = this.slots.activate(body.model)
    for (let count = 1; count <= body.max_tokens; count++) {
      const place = this.slots.activate(body.model)
      const isStale = this.options.fault('slots') === 'stale'
      const lora = this.slots.at(isStale ? first : place)
      const request = { ...this.requestOf(body), promptIds: ids, maxTokens: 1 }
      const stream = this.generator.generate({ ...request, lora: this.appliedLora(lora) }, signal)
      for await (const token of stream) {
        ids.push(token.tokenId)
        yield this.chunk(token)
      }
      if (body.stop_token_ids.includes(ids.at(-1)!)) break
      await delay(this.options.tokenMs)
    }
    const reason = body.stop_token_ids.includes(ids.at(-1)!) ? 'stop' : 'length'
    yield { index: 0, text: '', token_ids: [], finish_reason: reason }
  }

  private requestOf(body: Body): GenerationRequest {
    return {
      promptIds: body.prompt,
      lora: this.appliedLora(body.model),
      maxTokens: body.max_tokens,
      sampling: { temperature: body.temperature, topP: body.top_p, seed: body.seed },
      topLogprobs: body.logprobs,
      constraint: this.constraintOf(body),
      endIds: body.stop_token_ids,
      usePrefixCache: body.cache_salt === undefined,
    }
  }

  private appliedLora(model: string): string | null {
    return this.loras.get(model) ? model : null
  }

  private constraintOf({ structured_outputs: bounds, max_tokens: most }: Body): Constraint | null {
    const { tokenizer } = this.model
    if (bounds?.choice)
      return createChoices(
        bounds.choice.map((text) => tokenizer.encode(text, { special: false, continues: true })),
        tokenizer.eosIds[0]!
      )
    return bounds?.json_object ? createJsonObject((id) => tokenizer.decodeBytes(id), most) : null
  }

  private chunk({ tokenId, logprob, top }: SampledToken): object {
    const named = [{ tokenId, logprob }, ...top].map((one) => [
      `token_id:${one.tokenId}`,
      one.logprob,
    ])
    const logprobs = { token_logprobs: [logprob], top_logprobs: [Object.fromEntries(named)] }
    return { index: 0, text: '?', logprobs, finish_reason: null, token_ids: [tokenId] }
  }
}

const error = (code: number, message: string) =>
  Response.json({ error: { message, code } }, { status: code })

const routesOf = (api: StandIn, options: StandInOptions): Hono => {
  const { fault, note } = options
  const app = new Hono()
  app.get('/health', (c) => c.body(null, fault('load') === 'ending' ? 503 : 200))
  app.use('/v1/*', async (c, next) =>
    c.req.header('authorization') === `Bearer ${options.apiKey}`
      ? next()
      : error(401, 'Unauthorized')
  )
  app.get('/v1/models', (c) => c.json({ data: api.list() }))
  app.post('/v1/completions', async (c) => {
    const body = await c.req.json<Body>()
    let model: string | null
    try {
      model = await api.find(body.model)
    } catch {
      return error(400, `LoRA adapter '${body.model}' was found but could not be loaded.`)
    }
    if (model === null) return error(404, `The model \`${body.model}\` does not exist.`)
    const named = { model, system_fingerprint: options.fingerprint }
    if (body.prompt.length + body.max_tokens > options.maxModelLen)
      return error(400, `This model's maximum context length is ${options.maxModelLen} tokens.`)
    if (body.prompt_logprobs !== undefined)
      return c.json({ ...named, choices: [await api.score(body)] })
    const left = new AbortController()
    return streamSSE(
      c,
      async (stream) => {
        stream.onAbort(() => left.abort())
        for await (const choice of api.generate(body, left.signal))
          await stream.writeSSE({ data: JSON.stringify({ ...named, choices: [choice] }) })
        await stream.writeSSE({ data: '[DONE]' })
      },
      async (failed) => {
        // a client that has left ends it
        if (!left.signal.aborted) throw failed
      }
    )
  })
  app.post('/v1/load_lora_adapter', async (c) => {
    const { lora_name: lora, lora_path: path } = await c.req.json<Record<string, string>>()
    note(`load ${lora}`)
    if (fault('load') === 'fail') return error(500, 'there is no room for it')
    if (fault('load') === 'ending') return error(500, 'EngineCore encountered an issue')
    try {
      const refusal = await api.load(lora!, path!)
      return refusal === null ? c.text('Success') : error(400, `The lora '${lora}' ${refusal}.`)
    } catch (failed) {
      return error(500, String(failed))
    }
  })
  app.post('/v1/unload_lora_adapter', async (c) => {
    const { lora_name: lora } = await c.req.json<Record<string, string>>()
    note(`unload ${lora}`)
    return api.unload(lora!) ? c.text('Success') : error(404, `The lora '${lora}' cannot be found.`)
  })
  return app
}

export const createStandIn = async (
  options: StandInOptions
): Promise<{ app: Hono; close(): Promise<void> }> => {
  const model = await loadModel(options.modelPath, 'float32')
  const loras = new Map<string, string | null>()
  const generator = await createGenerator({
    config: model.config,
    weights: model.weights,
    threads: 1,
    loadLora: async (id) => matricesOf(await readLora(loras.get(id)!, model)),
  })
  return {
    app: routesOf(new StandIn(model, generator, options, loras), options),
    async close() {
      await generator.close()
      model.close()
    },
  }
}
