/**
 * A small random Llama model from a seed, with bytes as tokens and some longer ones, for tests of
 * generation. Its answers mean nothing; they are only the same every time.
 */
import type { LlamaConfig, WeightSource } from '../../../adapters/model/llama-config.ts'
import { LINEAR_LAYERS, linearShape, moduleName } from '../../../adapters/model/llama-config.ts'
import type { LoraMatrices } from '../../../adapters/onnx/generate/fused-lora.ts'
import type { Vocabulary } from '../../../adapters/text/generate-text.ts'

const LONGER_TOKENS = [
  '{"',
  '":',
  '", "',
  '"}',
  '[1',
  'true',
  ' the',
  'é',
  '日本',
  ' "a',
  '}}',
  '\n',
]
export const END_ID = 256

export const tinyConfig: LlamaConfig = {
  vocabSize: 257 + LONGER_TOKENS.length,
  hiddenSize: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  intermediateSize: 96,
  ropeTheta: 10_000,
  rmsNormEps: 1e-5,
  maxPositions: 512,
  tiedEmbeddings: true,
}

/** Uniform in [0, 1); the same for the same seed. */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const shapeOf = (config: LlamaConfig, name: string): number => {
  if (name === 'model.embed_tokens.weight' || name === 'lm_head.weight')
    return config.vocabSize * config.hiddenSize
  const layer = LINEAR_LAYERS.find((linear) => name.endsWith(`.${linear}.weight`))
  if (!layer) return config.hiddenSize
  const shape = linearShape(config, layer)
  return shape.out * shape.in
}

const hash = (text: string): number =>
  [...text].reduce((sum, character) => Math.imul(sum, 31) + character.charCodeAt(0), 7) >>> 0

/** Weights that are made when they are asked for. */
export const tinyWeights = (config: LlamaConfig = tinyConfig, seed = 1): WeightSource => ({
  float32(name) {
    const random = seededRandom(hash(name) ^ seed)
    const norm = name.includes('norm')
    const scale = name.includes('embed') || name.includes('lm_head') ? 1 : 0.35
    return Float32Array.from({ length: shapeOf(config, name) }, () =>
      norm ? 0.9 + 0.2 * random() : (2 * random() - 1) * scale
    )
  },
})

export const tinyLora = (seed: number, rank: number, config = tinyConfig): LoraMatrices => {
  const random = seededRandom(seed)
  const values = (length: number): Float32Array =>
    Float32Array.from({ length }, () => (2 * random() - 1) * 0.3)
  const modules = new Map<string, { a: Float32Array; b: Float32Array }>()
  for (let layer = 0; layer < config.layers; layer++)
    for (const linear of LINEAR_LAYERS) {
      const shape = linearShape(config, linear)
      modules.set(moduleName(layer, linear), {
        a: values(rank * shape.in),
        b: values(shape.out * rank),
      })
    }
  return { rank, alpha: 2 * rank, modules }
}

/** The weights with a lora merged: `W + alpha/rank · B · A`. */
export const mergedWeights = (lora: LoraMatrices, config = tinyConfig): WeightSource => {
  const base = tinyWeights(config)
  return {
    float32(name) {
      const weights = base.float32(name)
      const own = lora.modules.get(name.replace(/\.weight$/, ''))
      if (!own) return weights
      const inputs = own.a.length / lora.rank
      for (let i = 0; i < weights.length; i++) {
        const out = Math.floor(i / inputs)
        for (let r = 0; r < lora.rank; r++)
          weights[i]! +=
            (lora.alpha / lora.rank) *
            own.b[out * lora.rank + r]! *
            own.a[r * inputs + (i % inputs)]!
      }
      return weights
    },
  }
}

const encoder = new TextEncoder()

export const tinyVocabulary: Vocabulary = {
  encode: (text) => [...encoder.encode(text)],
  decodeBytes(id) {
    if (id < 256) return Uint8Array.of(id)
    return encoder.encode(id === END_ID ? '' : LONGER_TOKENS[id - 257])
  },
  eosIds: [END_ID],
}
