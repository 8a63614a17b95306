/**
 * Matrices as onnxruntime's `MatMulNBits` reads them: blocks of 32 weights along the inputs. Knows
 * nothing of files or layers.
 *
 * The operator is fast only with whole zero points; with float ones it dequantizes the whole matrix
 * at every step, which made one row 80 times slower. An affine block is therefore split:
 * `scale · (q − zero)` = `scale · (q − whole)` + `scale · (whole − zero)`. The second term is one
 * offset a block, to be multiplied with the sum of the block's inputs. The sums become further
 * inputs, and the offsets their weights: once in 4 bits, and once more what that leaves, so that an
 * offset is kept to 1/196 of the largest one beside it.
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
  /** inputs for the sums of blocks, a multiple of 32; they stand twice behind `in`. 0 without offsets */
  sums: number
  /** `[out, (in + 2 · sums)/32, 16]` (4 bits) or `[…, 32]` (8 bits) */
  blocks: Uint8Array
  /** `[out · (in + 2 · sums)/32]` */
  scales: Float32Array
  /** 4 bits a block, low nibble first, every row in whole bytes; null when all are 8 (128) */
  zeroPoints: Uint8Array | null
}

type Inputs = Pick<QuantizedMatrix, 'in' | 'sums'>

/** Inputs of the operator: the matrix's own and the sums. */
export const widthOf = (matrix: Inputs): number => matrix.in + 2 * matrix.sums

/** Blocks of one output. */
export const blocksOf = (matrix: Inputs): number => widthOf(matrix) / BLOCK

/** Bytes of one output's zero points. */
export const zeroBytesOf = (matrix: Inputs): number => Math.ceil(blocksOf(matrix) / 2)

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
  return { bits: 8, out, in: inputs, sums: 0, blocks, scales, zeroPoints: null }
}

/** 4 bits hold −8 … 7; the same range to both sides keeps the rest within half a step */
const LEVELS = 7
const ZERO_PAIR = 0x88

const MAX_NIBBLE = 15

/** The byte with its low or, for an odd index, its high half replaced. */
const withNibble = (byte: number, index: number, nibble: number): number =>
  index % 2 === 0 ? (byte & 0xf0) | nibble : (byte & 0x0f) | (nibble << 4)

const wholeZero = (zeroPoint: number): number =>
  Math.min(MAX_NIBBLE, Math.max(0, Math.round(zeroPoint)))

/**
 * Up to 32 offsets as two blocks, whose sum they are.
 * @returns the scales of both
 */
const packOffsets = (
  offsets: Float32Array,
  coarse: Uint8Array,
  fine: Uint8Array
): [coarse: number, fine: number] => {
  const largest = offsets.reduce((most, offset) => Math.max(most, Math.abs(offset)), 0)
  const step = largest / LEVELS || 1
  const fineStep = step / 2 / LEVELS
  offsets.forEach((offset, index) => {
    const steps = Math.round(offset / step)
    const fineSteps = Math.round((offset - steps * step) / fineStep)
    const byte = index >> 1
    coarse[byte] = withNibble(coarse[byte]!, index, steps + 8)
    fine[byte] = withNibble(fine[byte]!, index, fineSteps + 8)
  })
  return [step, fineStep]
}

/** Sets the zero points of one output, and puts what they leave behind its blocks. */
const widenRow = (
  matrix: QuantizedMatrix,
  row: number,
  part: { scales: Float32Array; zeroPoints: Float32Array }
): void => {
  const perRow = matrix.in / BLOCK
  const first = row * blocksOf(matrix) + perRow
  const groups = matrix.sums / BLOCK
  const zeros = matrix.zeroPoints!.subarray(row * zeroBytesOf(matrix))
  part.zeroPoints.forEach((zero, block) => {
    zeros[block >> 1] = withNibble(zeros[block >> 1]!, block, wholeZero(zero))
  })
  const offsets = part.scales.map((scale, block) => {
    const zero = part.zeroPoints[block]!
    return scale * (wholeZero(zero) - zero)
  })
  const bytesOf = (block: number): Uint8Array =>
    matrix.blocks.subarray((block * BLOCK) / 2, ((block + 1) * BLOCK) / 2)
  for (let group = 0; group < groups; group++) {
    const [coarse, fine] = [first + group, first + groups + group]
    const [step, fineStep] = packOffsets(
      offsets.subarray(group * BLOCK, (group + 1) * BLOCK),
      bytesOf(coarse),
      bytesOf(fine)
    )
    matrix.scales[coarse] = step
    matrix.scales[fine] = fineStep
  }
}

/** Matrices with the same inputs, stacked along their outputs. */
export const stackAffine = (
  parts: (AffineBlocks & { out: number })[],
  inputs: number
): QuantizedMatrix => {
  const perRow = blocksPerRow(inputs)
  const out = parts.reduce((sum, part) => sum + part.out, 0)
  const symmetric = parts.every(({ zeroPoints }) => zeroPoints.every((zero) => zero === 8))
  const sums = symmetric ? 0 : Math.ceil(perRow / BLOCK) * BLOCK
  const width = blocksOf({ in: inputs, sums })
  const matrix: QuantizedMatrix = {
    bits: 4,
    out,
    in: inputs,
    sums,
    blocks: new Uint8Array((out * width * BLOCK) / 2).fill(ZERO_PAIR),
    scales: new Float32Array(out * width),
    zeroPoints: symmetric
      ? null
      : new Uint8Array(out * zeroBytesOf({ in: inputs, sums })).fill(ZERO_PAIR),
  }
  let row = 0
  for (const { blocks, scales, zeroPoints, out: rows } of parts)
    for (let i = 0; i < rows; i++, row++) {
      const own = [i * perRow, (i + 1) * perRow] as const
      matrix.blocks.set(
        blocks.subarray((i * inputs) / 2, ((i + 1) * inputs) / 2),
        (row * width * BLOCK) / 2
      )
      matrix.scales.set(scales.subarray(...own), row * width)
      const part = { scales: scales.subarray(...own), zeroPoints: zeroPoints.subarray(...own) }
      if (sums > 0) widenRow(matrix, row, part)
    }
  return matrix
}
