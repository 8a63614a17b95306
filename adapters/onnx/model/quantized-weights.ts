/**
 * The weights as they are served: linear layers in 4 bits, embedding and head in 8, norms as they
 * are. Training reads the same numbers, so that a lora learns on the model that will answer. Knows no
 * file format.
 */
import { AppError } from '../../../src/errors.ts'
import { LINEAR_LAYERS, type LlamaConfig, type WeightSource } from '../llama-config.ts'
import { BLOCK, dequantize, quantize } from '../quantize.ts'

const bitsOf = (name: string): 4 | 8 | null => {
  if (name === 'model.embed_tokens.weight' || name === 'lm_head.weight') return 8
  return LINEAR_LAYERS.some((layer) => name.endsWith(`.${layer}.weight`)) ? 4 : null
}

/** @throws AppError `invalid-model` where a layer's inputs are no whole blocks */
export const quantizedWeights = (config: LlamaConfig, stored: WeightSource): WeightSource => {
  const { hiddenSize, intermediateSize, heads, headDim } = config
  for (const inputs of [hiddenSize, intermediateSize, heads * headDim])
    if (inputs % BLOCK !== 0)
      throw new AppError('invalid-model', `${inputs} inputs are no multiple of ${BLOCK}`)
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
