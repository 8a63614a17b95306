/** A tiny random Llama and random tokenized rows, all from seeds. */
import {
  type LlamaConfig,
  type WeightSource,
  elements,
  modelTensors,
} from '../../../adapters/model/llama-config.ts'
import type { TokenizedRow } from '../../../adapters/text/rows.ts'
import { initLora, type LoraLayout } from '../../../adapters/lora/lora-layout.ts'
import { deriveSeed, seededRandom } from '../../../src/random.ts'

export const tinyConfig: LlamaConfig = {
  vocabSize: 61,
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  intermediateSize: 48,
  ropeTheta: 10000,
  rmsNormEps: 1e-5,
  maxPositions: 512,
  tiedEmbeddings: true,
}

/** Every tensor of the configuration, at a scale that keeps activations near one. */
export const randomWeights = (config: LlamaConfig, seed: number): WeightSource => {
  const index = new Map(modelTensors(config).map((tensor, i) => [tensor.name, { ...tensor, i }]))
  return {
    float32: (name) => {
      const { dims, i } = index.get(name)!
      const random = seededRandom(deriveSeed(seed, i))
      const scale = name.includes('embed') ? 1 : 1.5 / Math.sqrt(dims.at(-1)!)
      return Float32Array.from({ length: elements(dims) }, () =>
        dims.length === 1 ? 1 + 0.2 * (random() - 0.5) : 2 * (random() - 0.5) * scale
      )
    },
  }
}

/** A lora whose B is not zero, so that every gradient is alive. */
export const randomTheta = (layout: LoraLayout, seed: number): Float32Array => {
  const random = seededRandom(seed)
  return initLora(layout, random).map((value) => (value === 0 ? (random() - 0.5) * 0.4 : value))
}

/** Rows that share `prefixTokens` tokens; each has 2 to 5 prompt tokens of its own. */
export const randomRows = (
  config: LlamaConfig,
  count: number,
  options: { seed: number; prefixTokens: number; lengths?: number[] }
): TokenizedRow[] => {
  const random = seededRandom(options.seed)
  const tokens = (length: number) =>
    Array.from({ length }, () => Math.floor(random() * config.vocabSize))
  const prefix = tokens(options.prefixTokens)
  return Array.from({ length: count }, (_, i) => ({
    promptIds: [...prefix, ...tokens(2 + Math.floor(random() * 4))],
    completionIds: tokens(options.lengths?.[i] ?? 2 + Math.floor(random() * 4)),
    weight: 1,
  }))
}
