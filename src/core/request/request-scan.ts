/**
 * One pass over the messages of a request: keyed 64-bit hashes of lines (long ones are cut into
 * sentences, each a line of its own), of 64-character prefix blocks as a chain, and of whole message
 * prefixes. Hashes are for counting only, never for matching. Knows nothing of templates.
 */
import type { ChatMessage, ContentPart } from '../../openai/chat.ts'
import { carriesNothing } from '../../openai/fields.ts'
import { isMistakable } from './message-origin.ts'

/** A 64-bit hash as two signed 32-bit lanes: BigInt costs ten times as much. */
export interface HashPair {
  hi: number
  lo: number
}

const BLOCK_CHARS = 64
const MIN_SENTENCE_CHARS = 24
const LONG_LINE_CHARS = 160
const MULTIPLIER_A = 0x9e3779b1 | 0
const MULTIPLIER_B = 0x85ebca77 | 0

/** Final avalanche of MurmurHash3 (fmix32). */
export const avalanche = (value: number): number => {
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

/** Says how long a provider caches a prompt; not part of what the model reads. */
export const CACHE_MARK = 'cache_control'

const TEXT_FIELDS = new Set(['type', 'text', CACHE_MARK])

/** A client that sends parts of an answer back may repeat the message's role and what the answer came with. */
const partText = (part: ContentPart | null, role: string): string | null => {
  if (part?.type !== 'text' || typeof part.text !== 'string') return null
  const isPlain = Object.entries(part).every(
    ([name, value]) =>
      TEXT_FIELDS.has(name) ||
      (role === 'assistant' &&
        (name === 'role' ? value === role : carriesNothing(name, value, part.text)))
  )
  return isPlain ? part.text : null
}

const SPACE = /\s/u

/** A border between two parts is a line break where no space is. */
const joinParts = (parts: readonly string[]): string => {
  const texts = parts.filter((part) => part !== '')
  return texts
    .map((part, at) => {
      const before = texts[at - 1]?.at(-1)
      return before === undefined || SPACE.test(before) || SPACE.test(part.charAt(0))
        ? part
        : `\n${part}`
    })
    .join('')
}

/** A message's text: a string, or parts that are all text; anything else has none. */
export const messageText = ({ content, role }: ChatMessage): string | null => {
  if (typeof content === 'string') return content
  if (!Array.isArray(content) || content.length === 0) return null
  const texts = content.map((part) => partText(part, role))
  return texts.every((text) => text !== null) ? joinParts(texts) : null
}

/** Names and phases are part of a request's kind (`request-kind.ts`). */
const READ_FIELDS = new Set(['role', 'content', 'name', 'phase', CACHE_MARK])

/** Whether a client sends a member back because the answer came with it. */
export const isOfAnswer = (message: ChatMessage, name: string): boolean =>
  message.role === 'assistant' && carriesNothing(name, message[name], message.content)

const isReadable = (message: ChatMessage): boolean => {
  for (const field in message) {
    if (READ_FIELDS.has(field)) continue
    if (message[field] !== null && !isOfAnswer(message, field)) return false
  }
  return true
}

/** Whether names tell several people of one role apart: then the names say who wrote what. */
const isAmongSeveral = (messages: ChatMessage[]): boolean => {
  const names = new Map<string, unknown>()
  for (const { role, name } of messages) {
    if (name === undefined || (role !== 'user' && role !== 'assistant')) continue
    if (names.has(role) && names.get(role) !== name) return true
    names.set(role, name)
  }
  return false
}

/**
 * Texts of all messages, without cache marks and names; null when one has a field or content that no
 * template can have, when several people speak, or when somebody wrote what looks like a call or a result.
 */
export const plainTexts = (messages: ChatMessage[]): string[] | null => {
  const texts: string[] = []
  for (const message of messages) {
    const text = isReadable(message) ? messageText(message) : null
    if (text === null || isMistakable(message, text)) return null
    texts.push(text)
  }
  return isAmongSeveral(messages) ? null : texts
}

/**
 * The hashes of one request. Reused for the next request, so that the hot loop allocates nothing;
 * arrays hold `lines` and `blocks` valid entries.
 */
export const createScan = (maxLines: number, maxBlocks: number, maxMessages: number) => ({
  lines: 0,
  lineHi: new Int32Array(maxLines),
  lineLo: new Int32Array(maxLines),
  lineStart: new Int32Array(maxLines),
  lineEnd: new Int32Array(maxLines),
  /** index of the message that holds the line */
  lineMessage: new Uint16Array(maxLines),
  blocks: 0,
  blockHi: new Int32Array(maxBlocks),
  blockLo: new Int32Array(maxBlocks),
  blockMessage: new Uint16Array(maxBlocks),
  /** characters of the request up to the end of the block */
  blockChars: new Int32Array(maxBlocks),
  messages: 0,
  chars: 0,
  /** chain hash of the messages before index i, i from 0 to `messages` */
  chainHi: new Int32Array(maxMessages + 1),
  chainLo: new Int32Array(maxMessages + 1),
  /** of the line that is being hashed; number fields of one object are not boxed */
  rolling: { a: 0, b: 0 },
})

export type Scan = ReturnType<typeof createScan>

/** End of the line that starts at `start`: of its first sentence when it is long. */
const pieceEnd = (text: string, start: number, lineEnd: number): number => {
  if (lineEnd - start < LONG_LINE_CHARS) return lineEnd
  const stop = text.indexOf('. ', start + MIN_SENTENCE_CHARS)
  return stop < 0 || stop >= lineEnd - MIN_SENTENCE_CHARS ? lineEnd : stop + 1
}

/** Continues the hash over text[from, to), two characters a step. */
const roll = (state: Scan['rolling'], text: string, from: number, to: number): void => {
  let { a, b } = state
  let at = from
  for (const even = to - 1; at < even; at += 2) {
    const pair = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16)
    a = Math.imul(a ^ pair, MULTIPLIER_A)
    a ^= a >>> 15
    b = Math.imul(b ^ pair, MULTIPLIER_B)
    b ^= b >>> 13
  }
  if (at < to) {
    const code = text.charCodeAt(at)
    a = Math.imul(a ^ code, MULTIPLIER_B)
    b = Math.imul(b ^ code, MULTIPLIER_A) ^ (b >>> 15)
  }
  state.a = a
  state.b = b
}

const addBlock = (
  scan: Scan,
  message: number,
  end: number,
  chainA: number,
  chainB: number
): void => {
  if (scan.blocks >= scan.blockHi.length) return
  const { a, b } = scan.rolling
  const slot = scan.blocks++
  scan.blockHi[slot] = highLane(chainA ^ a, chainB ^ b)
  scan.blockLo[slot] = lowLane(chainA ^ a, chainB ^ b)
  scan.blockMessage[slot] = message
  scan.blockChars[slot] = scan.chars + end
}

const addLine = (scan: Scan, message: number, start: number, end: number): void => {
  if (scan.lines >= scan.lineHi.length) return
  const { a, b } = scan.rolling
  const slot = scan.lines++
  scan.lineHi[slot] = highLane(a, b)
  scan.lineLo[slot] = lowLane(a, b)
  scan.lineStart[slot] = start
  scan.lineEnd[slot] = end
  scan.lineMessage[slot] = message
}

const blockChars = (end: number): number => (end >= 1024 ? BLOCK_CHARS * 4 : BLOCK_CHARS)

/** Adds one message to the scan. Text beyond the arrays' capacity is chained but not indexed. */
const scanMessage = (scan: Scan, index: number, role: string, text: string, seed: number): void => {
  const { rolling } = scan
  const roleHash = hashText(role, seed)
  let chainA = scan.chainHi[index]! ^ roleHash.hi
  let chainB = scan.chainLo[index]! ^ roleHash.lo
  let nextBlock = BLOCK_CHARS
  let start = 0
  while (start <= text.length) {
    const newline = text.indexOf('\n', start)
    const lineEnd = newline < 0 ? text.length : newline
    const end = pieceEnd(text, start, lineEnd)
    rolling.a = roleHash.hi
    rolling.b = roleHash.lo
    let at = start
    while (nextBlock <= end) {
      // pairs count from the line's start: its hash must not depend on its place in the message
      const cut = nextBlock - ((nextBlock - start) & 1)
      roll(rolling, text, at, cut)
      addBlock(scan, index, cut, chainA, chainB)
      at = cut
      nextBlock += blockChars(nextBlock)
    }
    roll(rolling, text, at, end)
    if (end > start) addLine(scan, index, start, end)
    chainA = Math.imul(chainA ^ rolling.a ^ (end - start), MULTIPLIER_B) ^ (chainB >>> 7)
    chainB = Math.imul(chainB ^ rolling.b, MULTIPLIER_A) ^ (chainA >>> 9)
    start = end + 1
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
  scan.lines = 0
  scan.blocks = 0
  scan.chars = 0
  scan.messages = messages.length
  scan.chainHi[0] = key.hi
  scan.chainLo[0] = key.lo
  for (let index = 0; index < messages.length; index++) {
    scanMessage(scan, index, messages[index]!.role, texts[index]!, seed)
  }
}
