/** The engine that a task runs on: the embedded one with a model, or one that listens somewhere. */
import { loadModel } from '../../adapters/onnx/load-model.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { openEngine } from '../../test/kit/process/engine.ts'
import { inLanes } from '../../test/kit/traffic/lanes.ts'

const COUNT_LANES = 8
const TIMEOUT_MS = 600_000

export interface TaskEngine {
  /** what tells the proxy of it */
  environment: Record<string, string>
  /** Tokens of each prompt in the base model's tokenizer, chat markers included. */
  countTokens(requests: ChatRequest[]): Promise<number[]>
  /** A client beside the proxy, which has ended: `dataDir` is the proxy's. */
  open(dataDir: string): Promise<{ engine: Engine; close(): Promise<void> }>
}

/** @param encoderPath of heads; null: none */
export const embeddedEngine = (modelPath: string, encoderPath: string | null): TaskEngine => ({
  environment: { ENGINE: 'onnx', MODEL_PATH: modelPath, ENCODER_PATH: encoderPath ?? '' },
  async countTokens(requests) {
    const model = await loadModel(modelPath)
    const counts = requests.map(
      ({ messages }) =>
        model.chat.render(messages, { addGenerationPrompt: true, defaultSystem: true }).ids.length
    )
    model.close()
    return counts
  },
  open: (dataDir) => openEngine({ modelPath, encoderPath, dataDir: `${dataDir}/engine` }),
})

/** @param baseUrl ends in `/v1` */
export const remoteEngine = (baseUrl: string, token: string | null): TaskEngine => {
  const engine = createEngine({ name: 'bench', baseUrl, token, fetch, timeoutMs: TIMEOUT_MS })
  return {
    environment: {
      ENGINE: 'http',
      ENGINE_URL: baseUrl,
      ...(token === null ? {} : { ENGINE_TOKEN: token }),
    },
    async countTokens(requests) {
      const base = (await engine.models()).find((model) => model.parent === undefined)
      if (base === undefined) throw new Error(`the engine at ${baseUrl} lists no base model`)
      const counts: number[] = []
      await inLanes(COUNT_LANES, requests, async ({ messages }, index) => {
        counts[index] = await engine.countTokens(base.id, messages)
      })
      return counts
    },
    open: async () => ({ engine, close: async () => undefined }),
  }
}
