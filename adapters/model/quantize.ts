/**
 * Matrices in the form that onnxruntime's `MatMulNBits` reads fastest: symmetric blocks of 32 weights
 * along the inputs. docs/decisions.md#symmetric-blocks says why the blocks are not affine.
 */

type Numbers = Float32Array | Uint8Array

/** Joins the parts in a new array. @param parts of one type, at least one */
export const concatenate = <T extends Numbers>(parts: readonly T[]): T => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const whole = new (parts[0]!.constructor as new (length: number) => T)(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

export const BLOCK = 32

export interface QuantizedMatrix {
  bits: 4 | 8
  /** `[out, in/32, 32 · bits/8]`, in 4 bits the even element in the low nibble */
  codes: Uint8Array
  /** `[out · in/32]`: weight = (code − 2^(bits−1)) · scale */
  scales: Float32Array
}

/** The element of a block with the largest magnitude, with its sign. */
const extremeOf = (weights: Float32Array, start: number): number => {
  let extreme = 0
  for (let i = start; i < start + BLOCK; i++)
    if (Math.abs(weights[i]!) > Math.abs(extreme)) extreme = weights[i]!
  return extreme
}

const clamp = (code: number): number => (code < -8 ? -8 : code > 7 ? 7 : code)

/**
 * Four bits hold −8 … 7, so the scale's sign puts the largest weight at −8 (as GGUF's Q4_0 does).
 * The scale is then replaced by the least-squares fit to these codes. Blocks from Q4_0 keep their
 * values. Scales that clip the largest weights give a smaller error but a worse language model:
 * docs/experiments.md#decoding-step.
 */
const quantize4 = (weights: Float32Array): QuantizedMatrix => {
  const codes = new Uint8Array(weights.length / 2)
  const scales = new Float32Array(weights.length / BLOCK)
  for (let block = 0; block < scales.length; block++) {
    const start = block * BLOCK
    const scale = extremeOf(weights, start) / -8
    const inverse = scale === 0 ? 0 : 1 / scale
    let products = 0
    let squares = 0
    for (let i = start; i < start + BLOCK; i += 2) {
      const low = clamp(Math.round(weights[i]! * inverse))
      const high = clamp(Math.round(weights[i + 1]! * inverse))
      products += low * weights[i]! + high * weights[i + 1]!
      squares += low * low + high * high
      codes[i / 2] = (low + 8) | ((high + 8) << 4)
    }
    scales[block] = squares === 0 ? 0 : products / squares
  }
  return { bits: 4, codes, scales }
}

/** Weights that come from GGUF's Q8_0 keep their values. */
const quantize8 = (weights: Float32Array): QuantizedMatrix => {
  const codes = new Uint8Array(weights.length)
  const scales = new Float32Array(weights.length / BLOCK)
  for (let block = 0; block < scales.length; block++) {
    const start = block * BLOCK
    const scale = Math.abs(extremeOf(weights, start)) / 127
    scales[block] = scale
    const inverse = scale === 0 ? 0 : 1 / scale
    for (let i = start; i < start + BLOCK; i++) codes[i] = Math.round(weights[i]! * inverse) + 128
  }
  return { bits: 8, codes, scales }
}

/** @param weights `[out, in]`, `in` a multiple of 32 */
export const quantize = (weights: Float32Array, bits: 4 | 8): QuantizedMatrix =>
  bits === 4 ? quantize4(weights) : quantize8(weights)

/** The weights that the blocks stand for, `[out, in]`. */
export const dequantize = ({ bits, codes, scales }: QuantizedMatrix): Float32Array => {
  const weights = new Float32Array(scales.length * BLOCK)
  if (bits === 8) {
    for (let i = 0; i < weights.length; i++) weights[i] = (codes[i]! - 128) * scales[i >> 5]!
    return weights
  }
  for (let i = 0; i < weights.length; i += 2) {
    const pair = codes[i >> 1]!
    const scale = scales[i >> 5]!
    weights[i] = ((pair & 15) - 8) * scale
    weights[i + 1] = ((pair >> 4) - 8) * scale
  }
  return weights
}

/** Matrices of the same bits and inputs, one below the other. */
export const stack = (parts: QuantizedMatrix[]): QuantizedMatrix => ({
  bits: parts[0]!.bits,
  codes: concatenate(parts.map((part) => part.codes)),
  scales: concatenate(parts.map((part) => part.scales)),
})
