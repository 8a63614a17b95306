/**
 * Small forms of texts that resemble each other. A prompt that recurs differs from the last one in
 * a few places, so a text is stored as its difference to a similar one, the base: what both start
 * and end with is only counted, and the middle is deflated with the base's middle as dictionary.
 * Any text comes back byte for byte. Knows nothing of records and of the database.
 */
import { createHash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { LRUCache } from 'lru-cache'

export interface EncodedBody {
  prefixBytes: number
  suffixBytes: number
  /** raw deflate of the bytes between prefix and suffix */
  data: Buffer
}

export interface Base {
  digest: Buffer
  text: Buffer
  /** what it takes up without a base, as a share of its length */
  ratio: number
  createdAt: number
}

/** deflate's window */
const MAX_DICTIONARY_BYTES = 32_768
/** a difference over this share of the text's own compressed size is not worth the reference */
const MAX_DIFFERENCE_SHARE = 0.5
/** pieces of a text by which its relatives are found */
const PIECES = 8
const MAX_PIECE_CHARS = 128
const DEFAULT_CACHE_BYTES = 32 * 2 ** 20
const MAX_BASE_BYTES = 2 ** 20
const MAX_BASE_AGE_MS = 24 * 60 * 60 * 1000

export const digestOf = (text: Buffer): Buffer => createHash('sha256').update(text).digest()

/** Length of the common start, by halving: comparing ranges is native, single bytes are not. */
const commonPrefix = (a: Buffer, b: Buffer): number => {
  let low = 0
  let high = Math.min(a.length, b.length)
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (a.compare(b, low, middle, low, middle) === 0) low = middle
    else high = middle - 1
  }
  return low
}

/** Length of the common end, at most `limit`. */
const commonSuffix = (a: Buffer, b: Buffer, limit: number): number => {
  let low = 0
  let high = limit
  while (low < high) {
    const middle = (low + high + 1) >> 1
    const end = a.length - low
    const otherEnd = b.length - low
    const same = a.compare(b, b.length - middle, otherEnd, a.length - middle, end) === 0
    if (same) low = middle
    else high = middle - 1
  }
  return low
}

const dictionaryOf = (base: Buffer, prefixBytes: number, suffixBytes: number): Buffer =>
  base.subarray(prefixBytes, base.length - suffixBytes).subarray(-MAX_DICTIONARY_BYTES)

const withDictionary = (dictionary: Buffer | null): { dictionary?: Buffer } =>
  dictionary === null || dictionary.length === 0 ? {} : { dictionary }

/** Memory that fits the input: zlib's defaults clear 256 KB for every small text. */
const deflate = (text: Buffer, dictionary: Buffer | null): Buffer => {
  const reach = text.length + (dictionary?.length ?? 0) + 512
  return deflateRawSync(text, {
    // raw deflate has no window under 2^9
    windowBits: Math.min(15, Math.max(9, Math.ceil(Math.log2(reach)))),
    memLevel: text.length > 8192 ? 8 : 5,
    chunkSize: Math.min(16_384, Math.max(256, text.length)),
    ...withDictionary(dictionary),
  })
}

export const encodeBody = (text: Buffer, base: Buffer | null): EncodedBody => {
  if (base === null) return { prefixBytes: 0, suffixBytes: 0, data: deflate(text, null) }
  const prefixBytes = commonPrefix(text, base)
  const rest = Math.min(text.length, base.length) - prefixBytes
  const suffixBytes = commonSuffix(text, base, rest)
  const middle = text.subarray(prefixBytes, text.length - suffixBytes)
  const dictionary = dictionaryOf(base, prefixBytes, suffixBytes)
  return { prefixBytes, suffixBytes, data: deflate(middle, dictionary) }
}

export const decodeBody = (body: EncodedBody, base: Buffer | null): Buffer => {
  if (base === null) return inflateRawSync(body.data)
  const dictionary = dictionaryOf(base, body.prefixBytes, body.suffixBytes)
  return Buffer.concat([
    base.subarray(0, body.prefixBytes),
    inflateRawSync(body.data, withDictionary(dictionary)),
    base.subarray(base.length - body.suffixBytes),
  ])
}

/** The longest lines and strings of a JSON text: what relatives share is likely among them. */
const piecesOf = (scope: string, text: string): string[] =>
  text
    .split(/\\n|"/)
    .sort((a, b) => b.length - a.length)
    .slice(0, PIECES)
    .map((piece) => `${scope}\n${piece.length}\n${piece.slice(0, MAX_PIECE_CHARS)}`)

/**
 * Recent texts that others may be stored as a difference to. Bounded in bytes; and in age, because
 * a base stays in the database while differences to it do, longer than its own record.
 */
export class BaseCache {
  private readonly byPiece = new Map<string, Base>()
  private readonly bases: LRUCache<string, { base: Base; pieces: string[] }>
  private readonly now: () => number

  constructor(now: () => number, maxBytes = DEFAULT_CACHE_BYTES) {
    this.now = now
    this.bases = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: Math.min(MAX_BASE_BYTES, maxBytes),
      sizeCalculation: ({ base }) => base.text.length + PIECES * MAX_PIECE_CHARS,
      dispose: ({ base, pieces }) => {
        for (const piece of pieces) {
          if (this.byPiece.get(piece) === base) this.byPiece.delete(piece)
        }
      },
    })
  }

  /** The base that shares the most pieces. @param scope keeps tenants apart */
  find(scope: string, text: string): Base | null {
    const votes = new Map<Base, number>()
    for (const piece of piecesOf(scope, text)) {
      const base = this.byPiece.get(piece)
      if (base !== undefined) votes.set(base, (votes.get(base) ?? 0) + 1)
    }
    let best: Base | null = null
    for (const [base, count] of votes) {
      if (best === null || count > votes.get(best)!) best = base
    }
    if (best === null) return null
    const key = best.digest.toString('latin1')
    if (this.now() - best.createdAt > MAX_BASE_AGE_MS) {
      this.bases.delete(key)
      return null
    }
    this.bases.get(key)
    return best
  }

  add(scope: string, text: string, body: Omit<Base, 'createdAt'>): void {
    const base = { ...body, createdAt: this.now() }
    const pieces = piecesOf(scope, text)
    const key = base.digest.toString('latin1')
    this.bases.set(key, { base, pieces })
    // too large a text is not taken
    if (this.bases.has(key)) for (const piece of pieces) this.byPiece.set(piece, base)
  }

  clear(): void {
    this.bases.clear()
  }
}

/** Whether the difference saves enough; if not, the text is stored whole and becomes a base. */
export const isWorthwhile = (difference: EncodedBody, text: Buffer, base: Base): boolean =>
  difference.data.length <= MAX_DIFFERENCE_SHARE * base.ratio * text.length
