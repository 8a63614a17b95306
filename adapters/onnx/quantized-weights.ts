/**
 * The weights for serving: linear layers in 4 bits, embedding and head in 8, norms unchanged. Training
 * reads the same numbers, so that a lora is trained on exactly the model that will answer.
 */
import { AppError } from '../../src/errors.ts'
import { LINEAR_LAYERS, type LlamaConfig, type WeightSource } from '../model/llama-config.ts'
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
