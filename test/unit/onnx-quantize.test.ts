import { describe, expect, it } from 'vitest'
import { BLOCK, dequantize, quantize, stack } from '../../adapters/model/quantize.ts'
import { quantizedWeights } from '../../adapters/onnx/load-model.ts'
import { seededRandom, tinyConfig, tinyWeights } from '../kit/model/tiny-llama.ts'

const uniform = (seed: number, length: number): Float32Array => {
  const random = seededRandom(seed)
  return Float32Array.from({ length }, () => 2 * random() - 1)
}

const worstError = (a: Float32Array, b: Float32Array): number =>
  a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0)

describe('blocks of weights', () => {
  it.each([
    // 8 levels on the side of the largest weight, 7 on the other, where 8 becomes 7
    [4, 1 / 8],
    [8, 0.5 / 127],
  ] as const)('keep weights in %i bits to their step', (bits, step) => {
    const weights = uniform(bits, 40 * BLOCK)
    const kept = dequantize(quantize(weights, bits))
    expect(worstError(kept, weights)).toBeLessThan(step * 1.1)
    const mean = kept.reduce((sum, w, i) => sum + Math.abs(w - weights[i]!), 0) / weights.length
    expect(mean).toBeLessThan(step / 2)
  })

  it.each([4, 8] as const)('of %i bits keep what fits into them exactly', (bits) => {
    const levels = bits === 4 ? 8 : 127
    const random = seededRandom(3)
    const weights = Float32Array.from({ length: 4 * BLOCK }, (_, i) =>
      // scales 2⁻³ … 2⁻⁶, so that products are exact; each block has its extreme
      i % BLOCK === 5
        ? -levels / 2 ** (3 + (i >> 5))
        : Math.trunc((2 * random() - 1) * (levels - 1)) / 2 ** (3 + (i >> 5))
    )
    expect(worstError(dequantize(quantize(weights, bits)), weights)).toBe(0)
  })

  it('put the largest weight at the end of four bits that has one more level', () => {
    const weights = new Float32Array(BLOCK)
    weights[0] = 8
    weights[1] = -7
    const { codes, scales } = quantize(weights, 4)
    expect([codes[0]! & 15, codes[0]! >> 4, scales[0]]).toEqual([0, 15, -1])
  })

  it('of zeros are zeros', () => {
    for (const bits of [4, 8] as const)
      expect(dequantize(quantize(new Float32Array(BLOCK), bits)).every((w) => w === 0)).toBe(true)
  })

  it('stack as matrices one below the other', () => {
    const [a, b] = [uniform(1, 2 * BLOCK), uniform(2, 3 * BLOCK)]
    const stacked = dequantize(stack([quantize(a, 4), quantize(b, 4)]))
    expect(stacked).toEqual(dequantize(quantize(Float32Array.of(...a, ...b), 4)))
  })
})

describe('the weights that are served', () => {
  const stored = tinyWeights()
  const served = quantizedWeights(tinyConfig, stored)

  it('are worth what their blocks say, in 4 bits for layers and 8 for tables', () => {
    for (const [name, bits] of [
      ['model.layers.1.mlp.down_proj.weight', 4],
      ['model.embed_tokens.weight', 8],
    ] as const) {
      const matrix = served.quantized!(name)!
      expect(matrix.bits).toBe(bits)
      expect(served.float32(name)).toEqual(dequantize(matrix))
      expect(worstError(served.float32(name), stored.float32(name))).toBeGreaterThan(0)
    }
  })

  it('leave norms alone', () => {
    expect(served.quantized!('model.norm.weight')).toBeNull()
    expect(served.float32('model.norm.weight')).toEqual(stored.float32('model.norm.weight'))
  })
})
