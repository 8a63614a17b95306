/** A tiny encoder for field models and random rows for it, all from seeds. */
import {
  encoderTensors,
  type EncoderConfig,
} from '../../../adapters/onnx/encoder/encoder-config.ts'
import {
  readEmbeddings,
  type FieldExample,
} from '../../../adapters/onnx/encoder/fields/field-batch.ts'
import {
  createFieldLayout,
  initTheta,
  tagClasses,
  type FieldLayout,
} from '../../../adapters/onnx/encoder/fields/field-layout.ts'
import type {
  FieldTokens,
  FieldWindow,
} from '../../../adapters/onnx/encoder/fields/field-tokens.ts'
import { type WeightSource, elements } from '../../../adapters/model/llama-config.ts'
import type { FormSizes } from '../../../src/core/form/targets.ts'
import { deriveSeed, seededRandom } from '../../../src/random.ts'

export const tinyEncoderConfig: EncoderConfig = {
  vocabSize: 31,
  hiddenSize: 8,
  layers: 2,
  heads: 2,
  intermediateSize: 12,
  layerNormEps: 1e-12,
  positions: 16,
  tokenTypes: 2,
  maxTokens: 16,
  pooling: 'mean',
  normalize: true,
  prefix: '',
}

/** Large enough that attention and the activation are far from linear. */
const randomEncoder = (config: EncoderConfig, seed: number): WeightSource => {
  const tensors = new Map(
    encoderTensors(config).map((tensor, at) => [tensor.name, { ...tensor, at }])
  )
  return {
    float32: (name) => {
      const { dims, at } = tensors.get(name)!
      const random = seededRandom(deriveSeed(seed, at))
      const centre = name.includes('LayerNorm.weight') ? 1 : 0
      const spread = dims.length === 1 ? 0.3 : 2 / Math.sqrt(dims.at(-1)!)
      return Float32Array.from(
        { length: elements(dims) },
        () => centre + spread * (2 * random() - 1)
      )
    },
  }
}

/** An encoder with random weights and heads that are far from zero. */
export const tinyFields = (config: EncoderConfig, sizes: FormSizes, seed: number) => {
  const weights = randomEncoder(config, seed)
  const layout: FieldLayout = createFieldLayout(config, sizes)
  const random = seededRandom(seed)
  const theta = initTheta(layout, weights, random)
  for (let i = layout.headsFrom; i < layout.length; i++) theta[i] = 2 * random() - 1
  return { layout, theta, embeddings: readEmbeddings(weights, config) }
}

/** One example for each list of the windows' lengths, with words at every other token. */
export const randomExamples = (
  config: EncoderConfig,
  sizes: FormSizes,
  rows: number[][],
  seed: number
): FieldExample[] => {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  return rows.map((lengths) => {
    let words = 0
    const windows = lengths.map((length): FieldWindow => ({
      ids: Array.from({ length }, () => below(config.vocabSize)),
      types: Array.from({ length }, (_, at) => (at > length / 2 ? 1 : 0)),
      words: Array.from({ length: Math.floor(length / 2) }, (_, at) => ({
        word: words++,
        token: 2 * at + 1,
      })),
    }))
    const tokens: FieldTokens = { windows, words, cut: false }
    const targets = {
      tags: Int32Array.from({ length: words }, () => below(tagClasses(sizes))),
      choices: Int32Array.from(sizes.choices, below),
    }
    return { tokens, targets, weight: 0.5 + random() }
  })
}
