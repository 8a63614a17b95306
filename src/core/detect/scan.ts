/**
 * One pass over the messages of a request: keyed 64-bit hashes of segments (lines, or sentences of
 * long lines), of 64-character prefix blocks as a chain, and of whole message prefixes. Hashes are
 * for counting only, never for matching. Knows nothing of templates.
 */
import type { ChatMessage } from '../../openai/chat.ts'

/** A 64-bit hash as two signed 32-bit lanes: BigInt costs ten times as much. */
export interface HashPair {
  hi: number
  lo: number
}

const BLOCK_CHARS = 64
const MIN_SENTENCE_CHARS = 24
const MULTIPLIER_A = 0x9e3779b1 | 0
const MULTIPLIER_B = 0x85ebca77 | 0

/** Final avalanche of MurmurHash3 (fmix32). */
const avalanche = (value: number): number => {
  let mixed = value
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

const highLane = (a: number, b: number): number => avalanche(a ^ Math.imul(b, MULTIPLIER_A))
const lowLane = (a: number, b: number): number => avalanche(b ^ Math.imul(a, MULTIPLIER_B))

/** Keyed hash of one text. */
export const hashText = (text: string, seed: number, start = 0, end = text.length): HashPair => {
  let a = seed | 0
  let b = ~seed
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index)
    a = Math.imul(a ^ code, MULTIPLIER_A)
    b = Math.imul(b + code, MULTIPLIER_B) ^ (b >>> 15)
  }
  return { hi: highLane(a, b), lo: lowLane(a, b) }
}

/** Both lanes as one exact integer below 2^53: a key for maps, and a uniform number when scaled. */
export const toInteger = ({ hi, lo }: HashPair): number =>
  (hi >>> 0) * 0x200000 + ((lo >>> 0) >>> 11)

export const combine = (left: HashPair, right: HashPair): HashPair => {
  const a = Math.imul(left.hi ^ right.lo, MULTIPLIER_A) ^ left.lo
  const b = Math.imul(left.lo + right.hi, MULTIPLIER_B) ^ right.lo
  return { hi: highLane(a, b), lo: lowLane(a, b) }
}

/** A message's text: a string, or an array with one plain text part; anything else has none. */
export const messageText = (message: ChatMessage): string | null => {
  const { content } = message
  if (typeof content === 'string') return content
  if (!Array.isArray(content) || content.length !== 1) return null
  const part = content[0]
  if (!part || part.type !== 'text' || typeof part.text !== 'string') return null
  return Object.keys(part).length === 2 ? part.text : null
}

/**
 * What one request looks like to the indices. Reused from request to request, so that the hot loop
 * allocates nothing; arrays hold `segments` and `blocks` valid entries.
 */
export interface Scan {
  segments: number
  segmentHi: Int32Array
  segmentLo: Int32Array
  segmentStart: Int32Array
  segmentEnd: Int32Array
  /** index of the message that a segment stands in */
  segmentMessage: Uint16Array
  /** 1 where the segment has a digit or an @: only those can hold a typed value */
  segmentTyped: Uint8Array
  blocks: number
  blockHi: Int32Array
  blockLo: Int32Array
  blockMessage: Uint16Array
  /** characters of the request up to the end of the block */
  blockChars: Int32Array
  messages: number
  chars: number
  /** chain hash of the messages before index i, i from 0 to `messages` */
  chainHi: Int32Array
  chainLo: Int32Array
}

export const createScan = (maxSegments: number, maxBlocks: number, maxMessages: number): Scan => ({
  segments: 0,
  segmentHi: new Int32Array(maxSegments),
  segmentLo: new Int32Array(maxSegments),
  segmentStart: new Int32Array(maxSegments),
  segmentEnd: new Int32Array(maxSegments),
  segmentMessage: new Uint16Array(maxSegments),
  segmentTyped: new Uint8Array(maxSegments),
  blocks: 0,
  blockHi: new Int32Array(maxBlocks),
  blockLo: new Int32Array(maxBlocks),
  blockMessage: new Uint16Array(maxBlocks),
  blockChars: new Int32Array(maxBlocks),
  messages: 0,
  chars: 0,
  chainHi: new Int32Array(maxMessages + 1),
  chainLo: new Int32Array(maxMessages + 1),
})

const isSentenceEnd = (code: number): boolean =>
  code === 46 || code === 33 || code === 63 || code === 58

/** Adds one message to the scan. Text beyond the arrays' capacity is chained but not indexed. */
const scanMessage = (scan: Scan, index: number, role: string, text: string, seed: number): void => {
  const roleHash = hashText(role, seed)
  const { segmentHi, segmentLo, blockHi, blockLo } = scan
  let chainA = (scan.chainHi[index] ?? 0) ^ roleHash.hi
  let chainB = (scan.chainLo[index] ?? 0) ^ roleHash.lo
  const seedA = roleHash.hi
  const seedB = roleHash.lo
  let a = seedA
  let b = seedB
  let start = 0
  let typed = 0
  let previous = 0
  let nextBlock = BLOCK_CHARS
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : 10
    const ends =
      code === 10 || (code === 32 && isSentenceEnd(previous) && at - start >= MIN_SENTENCE_CHARS)
    if (ends) {
      const hi = highLane(a, b)
      const lo = lowLane(a, b)
      if (at > start && scan.segments < segmentHi.length) {
        const slot = scan.segments++
        segmentHi[slot] = hi
        segmentLo[slot] = lo
        scan.segmentStart[slot] = start
        scan.segmentEnd[slot] = at
        scan.segmentMessage[slot] = index
        scan.segmentTyped[slot] = typed
      }
      chainA = Math.imul(chainA ^ hi ^ code, MULTIPLIER_B) ^ (chainB >>> 7)
      chainB = Math.imul(chainB + lo, MULTIPLIER_A) ^ (chainA >>> 9)
      a = seedA
      b = seedB
      start = at + 1
      typed = 0
    } else {
      a = Math.imul(a ^ code, MULTIPLIER_A)
      b = Math.imul(b + code, MULTIPLIER_B) ^ (b >>> 15)
      if ((code >= 48 && code <= 57) || code === 64) typed = 1
    }
    previous = code
    if (at + 1 === nextBlock && at < text.length) {
      if (scan.blocks < blockHi.length) {
        const slot = scan.blocks++
        blockHi[slot] = highLane(chainA ^ a, chainB + b)
        blockLo[slot] = lowLane(chainA ^ a, chainB + b)
        scan.blockMessage[slot] = index
        scan.blockChars[slot] = scan.chars + at + 1
      }
      nextBlock += nextBlock >= 1024 ? BLOCK_CHARS * 4 : BLOCK_CHARS
    }
  }
  scan.chars += text.length
  scan.chainHi[index + 1] = highLane(chainA, chainB)
  scan.chainLo[index + 1] = lowLane(chainA, chainB)
}

/** Fills `scan` from the texts of a request. `texts` are what `messageText` returned. */
export const scanMessages = (
  scan: Scan,
  messages: ChatMessage[],
  texts: string[],
  seed: number,
  key: HashPair
): void => {
  scan.segments = 0
  scan.blocks = 0
  scan.chars = 0
  scan.messages = messages.length
  scan.chainHi[0] = key.hi
  scan.chainLo[0] = key.lo
  for (let index = 0; index < messages.length; index++) {
    scanMessage(scan, index, messages[index]!.role, texts[index]!, seed)
  }
}
