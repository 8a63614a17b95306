/**
 * Decodes the element types that model files store, and encodes halves. Bytes in, numbers out; knows nothing of files
 * or of language models. Block layouts: ggml-common.h of llama.cpp (block_q4_0, block_q4_1,
 * block_q8_0), 32 weights a block.
 */

export type StoredType = 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'Q4_1'

/** Elements of one block and the bytes they take. */
const BLOCK: Record<StoredType, { elements: number; bytes: number }> = {
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  Q8_0: { elements: 32, bytes: 34 },
  Q4_0: { elements: 32, bytes: 18 },
  Q4_1: { elements: 32, bytes: 20 },
}

export const isStoredType = (name: string): name is StoredType => name in BLOCK

/** Bytes of a row of `columns` elements, or null when that is not a whole number of blocks. */
export const rowBytes = (type: StoredType, columns: number): number | null => {
  const { elements, bytes } = BLOCK[type]
  return columns % elements === 0 ? (columns / elements) * bytes : null
}

/** IEEE 754 binary16 to a number. */
const halfToNumber = (half: number): number => {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

// a table of 65,536 entries (256 KiB) is ten times faster than the arithmetic above on whole tensors
let halfTable: Float32Array | undefined
const halves = (): Float32Array =>
  (halfTable ??= Float32Array.from({ length: 0x10000 }, (_, half) => halfToNumber(half)))

type Decoder = (bytes: Uint8Array, output: Float32Array) => void

const decodeF32: Decoder = (bytes, output) => {
  new Uint8Array(output.buffer, output.byteOffset, output.byteLength).set(bytes)
}

const decodeF16: Decoder = (bytes, output) => {
  const table = halves()
  for (let i = 0; i < output.length; i++)
    output[i] = table[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!
}

const decodeBF16: Decoder = (bytes, output) => {
  const bits = new Uint32Array(output.buffer, output.byteOffset, output.length)
  for (let i = 0; i < bits.length; i++)
    bits[i] = ((bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24)) >>> 0
}

const halfAt = (bytes: Uint8Array, offset: number): number =>
  halves()[bytes[offset]! | (bytes[offset + 1]! << 8)]!

const decodeQ8: Decoder = (bytes, output) => {
  for (let block = 0, at = 0; block * 32 < output.length; block++, at += 34) {
    const scale = halfAt(bytes, at)
    for (let i = 0; i < 32; i++) output[block * 32 + i] = scale * ((bytes[at + 2 + i]! << 24) >> 24)
  }
}

/** The low nibbles are elements 0 to 15, the high ones 16 to 31. */
const decodeQ4 =
  (type: 'Q4_0' | 'Q4_1'): Decoder =>
  (bytes, output) => {
    const header = type === 'Q4_1' ? 4 : 2
    for (let block = 0, at = 0; block * 32 < output.length; block++, at += header + 16) {
      const scale = halfAt(bytes, at)
      const minimum = type === 'Q4_1' ? halfAt(bytes, at + 2) : -8 * scale
      for (let i = 0; i < 16; i++) {
        const pair = bytes[at + header + i]!
        output[block * 32 + i] = scale * (pair & 15) + minimum
        output[block * 32 + 16 + i] = scale * (pair >> 4) + minimum
      }
    }
  }

const DECODERS: Record<StoredType, Decoder> = {
  F32: decodeF32,
  F16: decodeF16,
  BF16: decodeBF16,
  Q8_0: decodeQ8,
  Q4_0: decodeQ4('Q4_0'),
  Q4_1: decodeQ4('Q4_1'),
}

/** A number to IEEE 754 binary16, rounded to nearest, ties to even; too large ones to infinity. */
const numberToHalf = (value: number, bits: number): number => {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  // 2^16; what lies between 65504 and it is rounded below
  if (magnitude >= 0x47800000) return sign | 0x7c00
  // 2^-14: smaller ones are multiples of 2^-24
  if (magnitude < 0x38800000) {
    const scaled = Math.abs(value) * 2 ** 24
    const whole = Math.floor(scaled)
    const rest = scaled - whole
    return sign | (whole + (rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? 1 : 0))
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13)
}

/** Little-endian binary16, which `decodeTensor` reads as `F16`. */
export const encodeHalves = (values: Float32Array): Uint8Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const bytes = new Uint8Array(2 * values.length)
  for (let i = 0; i < values.length; i++) {
    const half = numberToHalf(values[i]!, bits[i]!)
    bytes[2 * i] = half & 0xff
    bytes[2 * i + 1] = half >> 8
  }
  return bytes
}

/** @param bytes little-endian, whole rows; @param elements how many numbers they hold */
export const decodeTensor = (
  type: StoredType,
  bytes: Uint8Array,
  elements: number
): Float32Array => {
  const output = new Float32Array(elements)
  DECODERS[type](bytes, output)
  return output
}
