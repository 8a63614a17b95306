/**
 * Matrices as onnxruntime's `MatMulNBits` reads them: blocks of 32 weights along the inputs. Knows
 * nothing of files or layers.
 *
 * The operator is fast only with its implied zero point (8 or 128); with float zero points it
 * dequantizes the whole matrix at every step, which made one row 80 times slower. An affine block
 * is therefore split: `scale · (q − zero)` = `scale · (q − 8)` + `scale · (8 − zero)`, where the
 * second term is one constant a block and costs a small product with the sums of the input's blocks.
 */
import { AppError } from '../../../src/errors.ts'

export const BLOCK = 32

/** 4-bit blocks with a float zero point each, low nibble first, as `WeightSource.q4` gives them. */
export interface AffineBlocks {
  blocks: Uint8Array
  scales: Float32Array
  zeroPoints: Float32Array
}

export interface QuantizedMatrix {
  bits: 4 | 8
  out: number
  in: number
  /** `[out, in/32, 16]` (4 bits) or `[out, in/32, 32]` (8 bits) */
  blocks: Uint8Array
  /** `[out · in/32]` */
  scales: Float32Array
  /** `[in/32, out]`: what one unit of a block's input sum adds; null when every zero point is 8 */
  offsets: Float32Array | null
}

const blocksPerRow = (inputs: number): number => {
  if (inputs % BLOCK !== 0)
    throw new AppError('invalid-model', `${inputs} inputs are no multiple of ${BLOCK}`)
  return inputs / BLOCK
}

/** Affine 4-bit blocks between each block's minimum and maximum (GGUF's Q4_1). */
export const quantize4 = (weights: Float32Array): AffineBlocks => {
  const count = weights.length / BLOCK
  const blocks = new Uint8Array(weights.length / 2)
  const scales = new Float32Array(count)
  const zeroPoints = new Float32Array(count)
  for (let block = 0; block < count; block++) {
    const start = block * BLOCK
    let minimum = Infinity
    let maximum = -Infinity
    for (let i = start; i < start + BLOCK; i++) {
      const weight = weights[i]!
      if (weight < minimum) minimum = weight
      if (weight > maximum) maximum = weight
    }
    // a constant block: q = 0 everywhere and the zero point carries the value
    const scale = (maximum - minimum) / 15 || Math.abs(minimum) || 1
    scales[block] = scale
    zeroPoints[block] = -minimum / scale
    for (let i = start; i < start + BLOCK; i += 2) {
      const low = Math.round((weights[i]! - minimum) / scale)
      const high = Math.round((weights[i + 1]! - minimum) / scale)
      blocks[i / 2] = low | (high << 4)
    }
  }
  return { blocks, scales, zeroPoints }
}

/** Symmetric 8-bit blocks around 128; weights that came from GGUF's Q8_0 keep their values. */
export const quantize8 = (weights: Float32Array, out: number, inputs: number): QuantizedMatrix => {
  const count = out * blocksPerRow(inputs)
  const blocks = new Uint8Array(weights.length)
  const scales = new Float32Array(count)
  for (let block = 0; block < count; block++) {
    const start = block * BLOCK
    let maximum = 0
    for (let i = start; i < start + BLOCK; i++) maximum = Math.max(maximum, Math.abs(weights[i]!))
    const scale = maximum / 127
    scales[block] = scale
    const inverse = scale === 0 ? 0 : 1 / scale
    for (let i = start; i < start + BLOCK; i++) blocks[i] = Math.round(weights[i]! * inverse) + 128
  }
  return { bits: 8, out, in: inputs, blocks, scales, offsets: null }
}

/** Matrices with the same inputs, stacked along their outputs. */
export const stackAffine = (
  parts: (AffineBlocks & { out: number })[],
  inputs: number
): QuantizedMatrix => {
  const perRow = blocksPerRow(inputs)
  const out = parts.reduce((sum, part) => sum + part.out, 0)
  const blocks = new Uint8Array((out * inputs) / 2)
  const scales = new Float32Array(out * perRow)
  const offsets = new Float32Array(out * perRow)
  let symmetric = true
  let row = 0
  for (const part of parts) {
    blocks.set(part.blocks, (row * inputs) / 2)
    scales.set(part.scales, row * perRow)
    for (let i = 0; i < part.scales.length; i++) {
      const offset = part.scales[i]! * (8 - part.zeroPoints[i]!)
      if (offset !== 0) symmetric = false
      offsets[(i % perRow) * out + row + Math.floor(i / perRow)] = offset
    }
    row += part.out
  }
  return { bits: 4, out, in: inputs, blocks, scales, offsets: symmetric ? null : offsets }
}
