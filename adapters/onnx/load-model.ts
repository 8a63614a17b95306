/** A base model for this engine's graphs: a plain Llama, with its weights in the engine's precision. */
import { AppError } from '../../src/errors.ts'
import { type WeightSource, LINEAR_LAYERS, type LlamaConfig } from '../model/llama-config.ts'
import { openModel, type OpenedModel } from '../model/open-model.ts'
import { BLOCK, dequantize, quantize } from '../model/quantize.ts'

const bitsOf = (name: string): 4 | 8 | null => {
  if (name === 'model.embed_tokens.weight' || name === 'lm_head.weight') return 8
  return LINEAR_LAYERS.some((layer) => name.endsWith(`.${layer}.weight`)) ? 4 : null
}

/** @throws AppError `invalid-model` when a layer's inputs are not a multiple of the block size */
export const quantizedWeights = (config: LlamaConfig, stored: WeightSource): WeightSource => {
  const { hiddenSize, intermediateSize, heads, headDim } = config
  for (const inputs of [hiddenSize, intermediateSize, heads * headDim])
    if (inputs % BLOCK !== 0)
      throw new AppError(
        'invalid-model',
        `a layer has ${inputs} inputs, which is not a multiple of ${BLOCK}`
      )
  const quantized: WeightSource['quantized'] = (name) => {
    const bits = bitsOf(name)
    return bits === null ? null : quantize(stored.float32(name), bits)
  }
  return {
    quantized,
    float32: (name) => {
      const matrix = quantized(name)
      return matrix === null ? stored.float32(name) : dequantize(matrix)
    },
  }
}

/** `float32` keeps the weights of the file; `q4` is for large models, see `quantized-weights.ts`. */
export type Precision = 'q4' | 'float32'

/**
 * Below this size, 4 bits make answers worse, most in narrow layers, and save little time or memory;
 * docs/experiments.md#tiny-model has figures.
 */
const SMALLEST_Q4_PARAMETERS = 50e6

export type LoadedModel = Awaited<ReturnType<typeof loadModel>>

/** @returns why the graph of this engine does not fit the model, or null */
const unsupported = (extras: OpenedModel['extras']): string | null => {
  const { model_type: type, rope_scaling: scaling, hidden_act: activation } = extras
  if (type !== undefined) return `its model_type is "${type}"`
  if (scaling !== undefined)
    return `it scales rope ("${String(scaling.rope_type ?? scaling.type)}")`
  if (extras.attention_bias || extras.mlp_bias) return 'it has biases'
  return activation === undefined ? null : `its activation is "${activation}"`
}

/**
 * @param path as for `openModel`
 * @param wanted `auto` chooses by the size of the model
 * @throws AppError `invalid-model` as `openModel`, and for a model that the graphs do not fit
 */
export const loadModel = async (path: string, wanted: Precision | 'auto' = 'float32') => {
  const { extras, weights: stored, fingerprintOf, ...opened } = await openModel(path)
  try {
    const reason = unsupported(extras)
    if (reason !== null)
      throw new AppError(
        'invalid-model',
        `${path}: ${reason}; use a plain Llama-family decoder (model_type llama, no rope scaling, no biases)`
      )
    const isSmall = opened.parameters < SMALLEST_Q4_PARAMETERS
    const precision: Precision = wanted === 'auto' ? (isSmall ? 'float32' : 'q4') : wanted
    return {
      ...opened,
      weights: precision === 'q4' ? quantizedWeights(opened.config, stored) : stored,
      fingerprint: fingerprintOf(precision),
      /** of the weights */
      precision,
    }
  } catch (error) {
    opened.close()
    throw error
  }
}
