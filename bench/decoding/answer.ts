/** One request to a generator, timed, with loras and prompts of random numbers. */
import type { Generator } from '../../adapters/onnx/generate/generator.ts'
import type { LoraMatrices } from '../../adapters/onnx/generate/fused-lora.ts'
import { LINEAR_LAYERS, linearShape, moduleName } from '../../adapters/model/llama-config.ts'
import type { LlamaConfig } from '../../adapters/model/llama-config.ts'

const never = new AbortController().signal

const randomValues = (length: number): Float32Array =>
  Float32Array.from({ length }, () => (Math.random() - 0.5) * 0.01)

/** Random matrices: speed does not depend on their values. */
export const randomLora = (config: LlamaConfig, rank: number): LoraMatrices => {
  const modules = new Map<string, { a: Float32Array; b: Float32Array }>()
  for (let layer = 0; layer < config.layers; layer++)
    for (const linear of LINEAR_LAYERS) {
      const shape = linearShape(config, linear)
      modules.set(moduleName(layer, linear), {
        a: randomValues(rank * shape.in),
        b: randomValues(shape.out * rank),
      })
    }
  return { rank, alpha: rank, modules }
}

export const randomPrompt = (config: LlamaConfig, length: number): number[] =>
  Array.from({ length }, () => Math.floor(Math.random() * config.vocabSize))

export interface Timing {
  /** when each token came */
  tokensMs: number[]
  cachedTokens: number
}

export const answer = async (
  generator: Generator,
  request: { promptIds: number[]; lora: string | null; maxTokens: number; usePrefixCache?: boolean }
): Promise<Timing> => {
  const stream = generator.generate(
    {
      usePrefixCache: false,
      ...request,
      sampling: { temperature: 0, topP: 1, seed: 1 },
      topLogprobs: 0,
      constraint: null,
      endIds: [],
    },
    never
  )
  const tokensMs: number[] = []
  for (;;) {
    const { done, value } = await stream.next()
    if (done) return { tokensMs, cachedTokens: value.cachedTokens }
    tokensMs.push(performance.now())
  }
}
