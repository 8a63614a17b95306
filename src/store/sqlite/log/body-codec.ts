/**
 * Small forms of texts that resemble each other. A prompt that recurs differs from the last one in
 * a few places, so a text is stored as its difference to a similar one, the base: what both start
 * and end with is only counted, and the middle is deflated with the base's middle as dictionary.
 * Any text comes back byte for byte. Knows nothing of records and of the database.
 */
import { hash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'

export interface EncodedBody extends Overlap {
  /** raw deflate of the bytes between prefix and suffix */
  data: Buffer
}

/** deflate's window */
const MAX_DICTIONARY_BYTES = 32_768
/** fewer bytes are kept as they are: to deflate them takes longer than all else and saves little */
const MIN_DEFLATED_BYTES = 256
/** 6, zlib's default, takes a third longer for a fiftieth less */
const LEVEL = 3

/** How much of a text its base holds already. */
export interface Overlap {
  prefixBytes: number
  suffixBytes: number
}

export const digestOf = (text: Buffer): Buffer => hash('sha256', text, 'buffer')

/** Whether the ranges of `length` bytes from `at` and `otherAt` on are alike; native, so fast. */
const isSame = (a: Buffer, at: number, b: Buffer, otherAt: number, length: number): boolean =>
  a.compare(b, otherAt, otherAt + length, at, at + length) === 0

interface Guess {
  length: number
  /** whether what fits with this length does not with one more */
  isLongest: (length: number) => boolean
}

/** Largest length up to `limit` that fits, by halving; the guess first, since traffic repeats itself. */
const longest = (limit: number, guess: Guess, fits: (length: number) => boolean): number => {
  const { length, isLongest } = guess
  if (length <= limit && fits(length) && (length === limit || isLongest(length))) return length
  let low = 0
  let high = limit
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

const dictionaryOf = (base: Buffer, prefixBytes: number, suffixBytes: number): Buffer =>
  base.subarray(prefixBytes, base.length - suffixBytes).subarray(-MAX_DICTIONARY_BYTES)

const withDictionary = (dictionary: Buffer | null): { dictionary?: Buffer } =>
  dictionary === null || dictionary.length === 0 ? {} : { dictionary }

/** A stored block, RFC 1951 §3.2.4: deflate's own form of bytes as they are. */
const storedBlock = (bytes: Buffer): Buffer => {
  const block = Buffer.allocUnsafe(5 + bytes.length)
  block[0] = 1
  block.writeUInt16LE(bytes.length, 1)
  block.writeUInt16LE(~bytes.length & 0xffff, 3)
  bytes.copy(block, 5)
  return block
}

/** Memory that fits the input: zlib's defaults clear 256 KB for every small text. */
const deflate = (text: Buffer, dictionary: Buffer | null): Buffer => {
  if (text.length < MIN_DEFLATED_BYTES) return storedBlock(text)
  const reach = text.length + (dictionary?.length ?? 0) + 512
  return deflateRawSync(text, {
    level: LEVEL,
    // raw deflate has no window under 2^9
    windowBits: Math.min(15, Math.max(9, Math.ceil(Math.log2(reach)))),
    memLevel: text.length > 8192 ? 8 : 5,
    chunkSize: Math.min(16_384, Math.max(256, text.length)),
    ...withDictionary(dictionary),
  })
}

/** @param guess what the last text had in common with the base */
export const overlapOf = (text: Buffer, base: Buffer, guess?: Overlap): Overlap => {
  const shorter = Math.min(text.length, base.length)
  const prefixBytes = longest(
    shorter,
    { length: guess?.prefixBytes ?? 0, isLongest: (length) => text[length] !== base[length] },
    (length) => isSame(text, 0, base, 0, length)
  )
  const suffixBytes = longest(
    shorter - prefixBytes,
    {
      length: guess?.suffixBytes ?? 0,
      isLongest: (length) => text[text.length - 1 - length] !== base[base.length - 1 - length],
    },
    (length) => isSame(text, text.length - length, base, base.length - length, length)
  )
  return { prefixBytes, suffixBytes }
}

/** The text whole, as raw deflate. */
export const encodeWhole = (text: Buffer): Buffer => deflate(text, null)

export const decodeWhole = (data: Buffer): Buffer => inflateRawSync(data)

/** The text as a difference to the base. */
export const encodeDifference = (
  text: Buffer,
  base: Buffer,
  { prefixBytes, suffixBytes }: Overlap
): EncodedBody => {
  const middle = text.subarray(prefixBytes, text.length - suffixBytes)
  const dictionary = dictionaryOf(base, prefixBytes, suffixBytes)
  return { prefixBytes, suffixBytes, data: deflate(middle, dictionary) }
}

export const decodeDifference = (body: EncodedBody, base: Buffer): Buffer => {
  const dictionary = dictionaryOf(base, body.prefixBytes, body.suffixBytes)
  return Buffer.concat([
    base.subarray(0, body.prefixBytes),
    inflateRawSync(body.data, withDictionary(dictionary)),
    base.subarray(base.length - body.suffixBytes),
  ])
}
