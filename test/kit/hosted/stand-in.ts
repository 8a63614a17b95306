/**
 * Stands in for Nebius Token Factory, after its OpenAPI document (version 20260506): archives, custom models, files and
 * completions by token ids whose log-probabilities name texts. The embedded engine computes on a tiny model. What it
 * does wrong is read anew for each call.
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Hono } from 'hono'
import { readLora, WEIGHTS } from '../../../adapters/lora/lora-file.ts'
import { createGenerator, type Generator } from '../../../adapters/onnx/generate/generator.ts'
import { loadModel, type LoadedModel } from '../../../adapters/onnx/load-model.ts'
import { matricesOf } from '../../../adapters/onnx/lora-matrices.ts'
import type { GenerationRequest } from '../../../adapters/text/tokens.ts'

export interface HostedFaults {
  /** of every call */
  status?: 401 | 402 | 429 | 500
  /** the base model is not served */
  isRetired?: boolean
  /** ids of files that are gone, without having been deleted */
  lost?: string[]
  /** a lora answers as the base model does */
  ignoresLoras?: boolean
  /** log-probabilities: of other tokens, too few, none; or none of the prompt */
  logprobs?: 'other' | 'short' | 'none' | 'prompt'
  /** a deletion is answered, and not done */
  keeps?: boolean
  /** validation ends so */
  validation?: 'error'
  /** an upload and a deletion are done, and answered when it resolves */
  held?: Promise<void>
  /** answers name the base model, whatever was asked for */
  namesBase?: boolean
  /** an error names the key */
  saysKey?: boolean
  /** an answer has no end */
  isEndless?: boolean
}

export interface HostedStandInOptions {
  modelPath: string
  /** name of the base model */
  model: string
  key: string
  /** a folder for uploads */
  folder: string
  /** of a lora on the client's side: the archive must have its weights */
  loraFolder(lora: string): string
  faults(): HostedFaults
}

interface Body {
  model: string
  prompt: number[]
  max_tokens: number
  temperature: number
  top_p?: number
  logprobs: number
  echo?: boolean
}

interface CustomModel {
  name: string
  lora: string
  source: string
  polls: number
}

const error = (status: number, message: string) =>
  Response.json({ error: { message } }, { status, headers: { 'retry-after': '1' } })

const endless = (): ReadableStream<Uint8Array> =>
  new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(2 ** 20)) })

const STOPPED = new AbortController().signal

export class HostedStandIn {
  readonly calls: string[] = []
  readonly files = new Map<string, string>()
  readonly models = new Map<string, CustomModel>()
  readonly app: Hono
  private readonly options: HostedStandInOptions
  private readonly model: LoadedModel
  private readonly generator: Generator
  private count = 0

  private constructor(options: HostedStandInOptions, model: LoadedModel, generator: Generator) {
    this.options = options
    this.model = model
    this.generator = generator
    this.app = this.routes()
  }

  static async open(options: HostedStandInOptions): Promise<HostedStandIn> {
    const model = await loadModel(options.modelPath, 'float32')
    const generator = await createGenerator({
      config: model.config,
      weights: model.weights,
      threads: 1,
      loadLora: async (id) => matricesOf(await readLora(options.loraFolder(id), model)),
    })
    return new HostedStandIn(options, model, generator)
  }

  readonly fetch: typeof fetch = async (url, init) => this.app.request(String(url), init)

  async close(): Promise<void> {
    await this.generator.close()
    this.model.close()
  }

  private routes(): Hono {
    const { faults, key } = this.options
    const app = new Hono()
    app.use('*', async (c, next) => {
      this.calls.push(`${c.req.method} ${new URL(c.req.url).pathname}`)
      const { status, saysKey } = faults()
      if (status !== undefined) return error(status, saysKey ? `no ${key}` : `status ${status}`)
      if (c.req.header('authorization') !== `Bearer ${key}`) return error(401, 'no such key')
      return next()
    })
    app.get('/v1/models', (c) =>
      c.json({ data: faults().isRetired ? [] : [{ id: this.options.model }] })
    )
    app.post('/v0/models/upload', async (c) => {
      const file = (await c.req.formData()).get('file') as File
      const id = await this.upload(file)
      await faults().held
      return c.json({ id, object: 'file' })
    })
    app.get('/v1/files/:id', (c) => {
      const id = c.req.param('id')
      return this.hasFile(id) ? c.json({ id, object: 'file' }) : error(404, 'no such file')
    })
    app.delete('/v1/files/:id', (c) => {
      if (!faults().keeps) this.files.delete(c.req.param('id'))
      return c.json({ deleted: true })
    })
    app.post('/v0/models', async (c) => this.create(await c.req.json()))
    app.get('/v0/models/:name{.+}', (c) => this.show(c.req.param('name')))
    app.delete('/v0/models/:name{.+}', async (c) => {
      if (!faults().keeps) this.models.delete(c.req.param('name'))
      await faults().held
      return c.json({ status: 'deleted' })
    })
    app.post('/v1/completions', async (c) => this.complete(await c.req.json<Body>()))
    return app
  }

  private hasFile(id: string): boolean {
    return this.files.has(id) && !(this.options.faults().lost ?? []).includes(id)
  }

  private async upload(file: File): Promise<string> {
    const id = `file-${++this.count}`
    const folder = await mkdtemp(join(this.options.folder, 'upload-'))
    await writeFile(join(folder, file.name), Buffer.from(await file.arrayBuffer()))
    this.files.set(id, join(folder, file.name))
    return id
  }

  private async create(asked: {
    name: string
    base_model: string
    source: string
  }): Promise<Response> {
    if (asked.base_model !== this.options.model) return error(400, 'no such base model')
    const archive = this.hasFile(asked.source) ? this.files.get(asked.source) : undefined
    if (archive === undefined) return error(400, 'no such file')
    const name = `vendor/${asked.base_model.split('/').at(-1)}-LoRa:${asked.name}-${++this.count}`
    const lora = basename(archive, '.zip')
    const weights = await readFile(join(this.options.loraFolder(lora), WEIGHTS))
    if (!(await readFile(archive)).includes(weights)) return error(400, 'no weights')
    this.models.set(name, { name, lora, source: asked.source, polls: 0 })
    return Response.json({ ...asked, name, created_at: 1, status: 'validating' })
  }

  private show(name: string): Response {
    const model = this.models.get(name)
    if (model === undefined) return error(404, 'no such model')
    model.polls++
    // as the real one: not in the list at once, then validated
    if (model.polls === 1) return error(404, 'no such model')
    const ended = this.options.faults().validation ?? 'active'
    const status = model.polls === 2 ? 'validating' : ended
    const status_reason = status === 'error' ? 'the rank is too high' : null
    return Response.json({ type: 'text2text', name, status, status_reason })
  }

  private async complete(body: Body): Promise<Response> {
    const { faults, model } = this.options
    const custom = this.models.get(body.model)
    const isBase = body.model === model
    if (faults().isRetired || (!isBase && custom === undefined)) return error(404, 'no such model')
    if (faults().isEndless) return new Response(endless())
    const lora = faults().ignoresLoras ? null : (custom?.lora ?? null)
    const choice = body.echo ? await this.echo(body, lora) : await this.generate(body, lora)
    const fault = faults().logprobs
    if (fault === 'none') return Response.json({ choices: [{ ...choice, logprobs: null }] })
    if (fault === 'short') choice.logprobs.token_logprobs.pop()
    if (fault === 'other') choice.logprobs.tokens = choice.logprobs.tokens.map((text) => `${text}x`)
    if (fault === 'prompt' && body.echo)
      choice.logprobs.token_logprobs = choice.logprobs.token_logprobs.map(() => null)
    return Response.json({ model: faults().namesBase ? model : body.model, choices: [choice] })
  }

  private textOf(id: number): string {
    const { tokenizer } = this.model
    for (const [text, control] of tokenizer.controlIds) if (control === id) return text
    return Buffer.from(tokenizer.decodeBytes(id)).toString('utf8')
  }

  private async echo({ prompt }: Body, lora: string | null) {
    const options = { from: 1, lora, usePrefixCache: false }
    const nats = await this.generator.score(prompt, options, STOPPED)
    return {
      text: '',
      finish_reason: 'length',
      logprobs: {
        tokens: [...prompt.map((id) => this.textOf(id)), 'x'],
        token_logprobs: [null, ...nats, -1] as (number | null)[],
      },
    }
  }

  private async generate(body: Body, lora: string | null) {
    const { tokenizer } = this.model
    const request: GenerationRequest = {
      promptIds: body.prompt,
      lora,
      maxTokens: body.max_tokens,
      sampling: { temperature: body.temperature, topP: body.top_p ?? 1, seed: 1 },
      topLogprobs: body.logprobs,
      constraint: null,
      endIds: tokenizer.eosIds,
      usePrefixCache: false,
    }
    const ids: number[] = []
    const logprobs = {
      tokens: [] as string[],
      token_logprobs: [] as (number | null)[],
      top_logprobs: [] as Record<string, number>[],
    }
    const stream = this.generator.generate(request, STOPPED)
    let next = await stream.next()
    for (; !next.done; next = await stream.next()) {
      const { tokenId, logprob, top } = next.value
      logprobs.tokens.push(this.textOf(tokenId))
      logprobs.token_logprobs.push(logprob)
      logprobs.top_logprobs.push(
        Object.fromEntries(top.map((one) => [this.textOf(one.tokenId), one.logprob]))
      )
      if (!tokenizer.eosIds.includes(tokenId)) ids.push(tokenId)
    }
    return { text: tokenizer.decode(ids), finish_reason: next.value.finishReason, logprobs }
  }
}
