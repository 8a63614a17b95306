/** A tiny random model, loras on it, and a backend that serves them by a server with vLLM's API. */
import { join } from 'node:path'
import type { EngineBackend } from '../../../adapters/host/backend.ts'
import { resolveHyperparameters } from '../../../adapters/lora/hyperparameters.ts'
import { createLoraBackend } from '../../../adapters/lora/lora-backend.ts'
import { manifestOf, writeLora } from '../../../adapters/lora/lora-file.ts'
import { createLoraLayout, initLora } from '../../../adapters/lora/lora-layout.ts'
import { Loras } from '../../../adapters/lora/loras.ts'
import { createOnnxBackend } from '../../../adapters/onnx/backend.ts'
import { loadModel, type LoadedModel } from '../../../adapters/onnx/load-model.ts'
import type { VllmDeps, VllmServer } from '../../../adapters/gpu/vllm/proofs.ts'
import { VllmPublisher } from '../../../adapters/gpu/vllm/vllm.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import { seededRandom } from '../../../src/random.ts'
import { writeRandomModel, type RandomModelOptions } from '../model/random-model.ts'

const log = (): void => undefined
const never = new AbortController().signal

const train = () => Promise.reject(new Error('nothing trains here'))

export interface Answer {
  text: string
  nats: number[]
  finishReason: string
}

export class TinyLoras {
  readonly modelPath: string
  readonly dataDir: string

  private constructor(
    folder: string,
    readonly model: LoadedModel,
    private readonly loras: Loras
  ) {
    this.modelPath = join(folder, 'tiny')
    this.dataDir = join(folder, 'data')
  }

  static async write(
    folder: string,
    shape: Omit<RandomModelOptions, 'seed'> = {}
  ): Promise<TinyLoras> {
    writeRandomModel(join(folder, 'tiny'), { seed: 11, ...shape })
    const model = await loadModel(join(folder, 'tiny'), 'float32')
    return new TinyLoras(folder, model, await Loras.open(join(folder, 'data/loras'), model, log))
  }

  folderOf(lora: string): string {
    return this.loras.path(lora)
  }

  /** A lora that changes what the model says; `spread` 0 is one that was never trained. */
  async add(seed: number, spread = 0.3): Promise<string> {
    const { model, loras } = this
    const layout = createLoraLayout(model.config, 4, 8)
    const random = seededRandom(seed)
    const theta = initLora(layout, random)
    for (const { matrix, offset, length } of layout.entries)
      if (matrix === 'B')
        for (let at = offset; at < offset + length; at++) theta[at] = (random() - 0.5) * spread
    const shape = { rows: 1, parameters: model.parameters, start: null }
    const hyperparameters = resolveHyperparameters({ rank: 4 }, shape)
    const job = { dataHash: '', lora: null, seed, suffix: null, metadata: {} }
    const manifest = manifestOf(model, { ...job, hyperparameters })
    const id = await writeLora(loras.path('.'), { layout, theta, manifest }, null)
    await loras.add(id)
    return id
  }

  /** Nothing trains on it. */
  servedBy(
    server: VllmServer,
    folder: VllmDeps['folder'] = null
  ): { publisher: VllmPublisher; backend: EngineBackend } {
    const { model, loras } = this
    const deps: VllmDeps = { server, base: model, dtype: 'float32', loras, folder, log }
    const publisher = new VllmPublisher(deps)
    return {
      publisher,
      backend: createLoraBackend({ base: model, loras, serving: publisher, train }),
    }
  }

  embedded(): Promise<EngineBackend> {
    const { modelPath, dataDir } = this
    return createOnnxBackend({ modelPath, dataDir, threads: 1, precision: 'float32', log })
  }

  close(): void {
    this.model.close()
  }
}

export const requestOf = (model: string, extra: Partial<ChatRequest> = {}): ChatRequest => ({
  model,
  messages: [{ role: 'user', content: 'Where does it go?' }],
  max_tokens: 20,
  logprobs: true,
  top_logprobs: 3,
  ...extra,
})

export const answerOf = async (
  backend: EngineBackend,
  request: ChatRequest,
  signal = never
): Promise<Answer> => {
  let text = ''
  const nats: number[] = []
  const deltas = backend.complete(request, signal)
  let next = await deltas.next()
  for (; !next.done; next = await deltas.next()) {
    text += next.value.text
    nats.push(...next.value.logprobs.map(({ logprob }) => logprob))
  }
  return { text, nats, finishReason: next.value.finishReason }
}

/** Whether two loras answer at once, while a third is loaded, what they answer alone. */
export const answerWhileLorasLoad = async (
  backend: EngineBackend,
  [one, two, three]: readonly [string, string, string]
): Promise<boolean> => {
  const requests = [one, two].map((lora) => requestOf(lora, { max_tokens: 60 }))
  const alone: Answer[] = []
  for (const request of requests) alone.push(await answerOf(backend, request))
  const together = requests.map((request) => answerOf(backend, request))
  await answerOf(backend, requestOf(three, { max_tokens: 5 }))
  const answers = await Promise.all(together)
  return answers.every(({ text }, at) => text === alone[at]!.text)
}
