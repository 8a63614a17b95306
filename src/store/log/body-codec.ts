/**
 * Compact forms of bodies that resemble each other. A recurring prompt differs from the last one in a
 * few places, so a body is stored as its difference to a similar one, the base: the prefix and suffix
 * that both share are counted, and the middle is deflated with the base's middle as dictionary. Every
 * body is restored byte for byte. Knows nothing of records and of the database.
 */
import { hash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'

/** The bytes that a body has in common with its base, at the start and at the end. */
export interface Overlap {
  prefixBytes: number
  suffixBytes: number
}

export interface Difference extends Overlap {
  /** raw deflate of the bytes between prefix and suffix */
  data: Buffer
}

/** deflate's window */
const MAX_DICTIONARY_BYTES = 32_768
/** fewer bytes are not compressed: deflate would take most of the time of an append and save little */
const MIN_DEFLATED_BYTES = 256
/** zlib's default of 6 takes a third longer and saves a fiftieth more */
const LEVEL = 3

export const digestOf = (body: Buffer): Buffer => hash('sha256', body, 'buffer')

/** Compares two ranges of `length` bytes natively. */
const isSame = (a: Buffer, at: number, b: Buffer, otherAt: number, length: number): boolean =>
  a.compare(b, otherAt, otherAt + length, at, at + length) === 0

interface Guess {
  length: number
  /** whether one more byte than `length` does not fit, if `length` fits */
  isLongest: (length: number) => boolean
}

/** The largest length up to `limit` that fits: the guess if it is right, else by bisection. */
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

/** A stored block, RFC 1951 §3.2.4: bytes that deflate keeps as they are. */
const storedBlock = (bytes: Buffer): Buffer => {
  const block = Buffer.allocUnsafe(5 + bytes.length)
  block[0] = 1
  block.writeUInt16LE(bytes.length, 1)
  block.writeUInt16LE(~bytes.length & 0xffff, 3)
  bytes.copy(block, 5)
  return block
}

/** Sizes zlib's memory to the input: its defaults clear 256 KB for every small body. */
const deflate = (bytes: Buffer, dictionary: Buffer | null): Buffer => {
  if (bytes.length < MIN_DEFLATED_BYTES) return storedBlock(bytes)
  const reach = bytes.length + (dictionary?.length ?? 0) + 512
  return deflateRawSync(bytes, {
    level: LEVEL,
    // the smallest window of raw deflate is 2^9
    windowBits: Math.min(15, Math.max(9, Math.ceil(Math.log2(reach)))),
    memLevel: bytes.length > 8192 ? 8 : 5,
    chunkSize: Math.min(16_384, Math.max(256, bytes.length)),
    ...withDictionary(dictionary),
  })
}

/** @param guess the overlap of the last body with the base, tried first because traffic repeats */
export const overlapOf = (body: Buffer, base: Buffer, guess?: Overlap): Overlap => {
  const shorter = Math.min(body.length, base.length)
  const prefixBytes = longest(
    shorter,
    { length: guess?.prefixBytes ?? 0, isLongest: (length) => body[length] !== base[length] },
    (length) => isSame(body, 0, base, 0, length)
  )
  const suffixBytes = longest(
    shorter - prefixBytes,
    {
      length: guess?.suffixBytes ?? 0,
      isLongest: (length) => body[body.length - 1 - length] !== base[base.length - 1 - length],
    },
    (length) => isSame(body, body.length - length, base, base.length - length, length)
  )
  return { prefixBytes, suffixBytes }
}

/** @returns the whole body as raw deflate */
export const encodeWhole = (body: Buffer): Buffer => deflate(body, null)

export const decodeWhole = (data: Buffer): Buffer => inflateRawSync(data)

export const encodeDifference = (
  body: Buffer,
  base: Buffer,
  { prefixBytes, suffixBytes }: Overlap
): Difference => {
  const middle = body.subarray(prefixBytes, body.length - suffixBytes)
  const dictionary = dictionaryOf(base, prefixBytes, suffixBytes)
  return { prefixBytes, suffixBytes, data: deflate(middle, dictionary) }
}

export const decodeDifference = (
  { prefixBytes, suffixBytes, data }: Difference,
  base: Buffer
): Buffer =>
  Buffer.concat([
    base.subarray(0, prefixBytes),
    inflateRawSync(data, withDictionary(dictionaryOf(base, prefixBytes, suffixBytes))),
    base.subarray(base.length - suffixBytes),
  ])
