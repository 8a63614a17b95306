/**
 * Members of a chat request's JSON that two parsers may read differently: one that is there twice, of
 * which some take the first and some the last (RFC 8259 §4), and one whose name another parser takes for
 * a known one, as Go's does with `Model` and a Protobuf's with `maxTokens`. Access, budgets and
 * templates are decided by what `JSON.parse` says, and the upstream may read the other one.
 *
 * One pass over the bytes without recursion. Bytes that are not JSON are for the parser to refuse.
 */

import { MAX_DEPTH } from './json-scan.ts'

export interface AmbiguousMember {
  /** as it is spelt there; '' where the body is too complex to tell */
  name: string
  /** `spelling`: it could be taken for `meant` */
  why: 'twice' | 'spelling' | 'too-complex'
  meant: string
}

/** Objects whose members decide something, by what they are. */
type Kind = 'request' | 'messages' | 'message' | 'parts' | 'part' | 'stream_options' | 'other'

const KNOWN_NAMES: Partial<Record<Kind, readonly string[]>> = {
  request: [
    'audio',
    'best_of',
    'function_call',
    'functions',
    'logprobs',
    'max_completion_tokens',
    'max_tokens',
    'messages',
    'metadata',
    'modalities',
    'model',
    'n',
    'parallel_tool_calls',
    'prediction',
    'reasoning_effort',
    'response_format',
    'service_tier',
    'stop',
    'store',
    'stream',
    'stream_options',
    'tool_choice',
    'tools',
    'top_logprobs',
    'web_search_options',
  ],
  message: ['content', 'function_call', 'name', 'role', 'tool_call_id', 'tool_calls'],
  part: ['file', 'image_url', 'input_audio', 'refusal', 'text', 'type'],
  stream_options: ['include_usage'],
}

/** Far longer than every known name: a longer one is none of them in any spelling. */
const MAX_SPELLING_CHARS = 64

/**
 * What different spellings of a name have in common: `maxTokens`, `MAX_TOKENS`, `max_to\u212Aens`, and
 * for parsers in C `max_tokens\0x`.
 */
const squash = (name: string): string => {
  const nul = name.indexOf('\0')
  const text = nul < 0 ? name : name.slice(0, nul)
  if (text.length > MAX_SPELLING_CHARS) return name
  if (isAscii(text)) return text.toLowerCase().replaceAll(/[^a-z\d]+/g, '')
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '')
}

const isAscii = (text: string): boolean => /^[ -~]*$/.test(text)

const KNOWN = new Map(
  Object.entries(KNOWN_NAMES).map(([kind, names]) => [
    kind as Kind,
    new Map(names.map((name) => [squash(name), name])),
  ])
)

/** Kind of a value by the kind of what it is in and, in an object, its name. */
const KIND_OF: Partial<Record<Kind, (name: string) => Kind>> = {
  request: (name) => (name === 'messages' || name === 'stream_options' ? name : 'other'),
  messages: () => 'message',
  message: (name) => (name === 'content' ? 'parts' : 'other'),
  parts: () => 'part',
}

/** Objects, lists and members: 400 turns with 200 tools have some 15,000. */
const MAX_VALUES = 100_000
/** Of an object with known names, whose names are compared in all spellings. */
const MAX_KNOWN_MEMBERS = 1000
/** Names with other than ASCII characters, which no usual request has. */
const MAX_ODD_NAMES = 1000

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

interface Frame {
  kind: Kind
  isObject: boolean
  /** names so far, squashed where the kind has known ones */
  names: Set<string> | null
  /** of the member that is being read */
  member: string
}

const TOO_COMPLEX: AmbiguousMember = { name: '', why: 'too-complex', meant: '' }

/** @returns what is wrong with a further member; null when it is fine */
const addMember = (frame: Frame, name: string): AmbiguousMember | null => {
  const known = KNOWN.get(frame.kind)
  const key = known === undefined ? name : squash(name)
  const meant = known?.get(key) ?? name
  frame.names ??= new Set()
  if (frame.names.has(key)) return { name, why: 'twice', meant }
  if (known !== undefined && frame.names.size === MAX_KNOWN_MEMBERS) return TOO_COMPLEX
  frame.names.add(key)
  return meant === name ? null : { name, why: 'spelling', meant }
}

/** @returns the text as it is where an escape is broken: then it is no JSON */
const unescaped = (text: string): string => {
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}

const frameOf = (parent: Frame | undefined, isObject: boolean): Frame => ({
  kind: parent === undefined ? 'request' : (KIND_OF[parent.kind]?.(parent.member) ?? 'other'),
  isObject,
  names: null,
  member: '',
})

const stopsAt = (...bytes: number[]): Uint8Array => {
  const stops = new Uint8Array(256)
  for (const byte of bytes) stops[byte] = 1
  return stops
}

const BRACKETS = [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT]
/** In a list commas tell nothing, and numbers in a row are passed over. */
const LIST_STOPS = stopsAt(QUOTE, ...BRACKETS)
const OBJECT_STOPS = stopsAt(QUOTE, COMMA, ...BRACKETS)
const STRING_STOPS = stopsAt(QUOTE, BACKSLASH)

/** a search by the platform pays off behind so many bytes */
const SHORT_BYTES = 32

/** @returns where the next byte of the table is; the length without one */
const skipTo = (stops: Uint8Array, bytes: Buffer, from: number, end: number): number => {
  let at = from
  while (at < end && stops[bytes[at]!] === 0) at++
  return at
}

class Scanner {
  private readonly bytes: Buffer
  private readonly frames: Frame[] = []
  private top: Frame | undefined
  private values = 0
  private oddNames = 0
  private at = 0
  /** the next one at or behind `at`, as far as it is known */
  private backslash = -1
  private isEscaped = false

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  scan(): AmbiguousMember | null {
    const { bytes } = this
    let isName = false
    for (;;) {
      const stops = this.top?.isObject ? OBJECT_STOPS : LIST_STOPS
      this.at = skipTo(stops, bytes, this.at, bytes.length)
      const byte = bytes[this.at++]
      if (byte === undefined) return null
      if (byte === QUOTE) {
        const found = this.string(isName)
        if (found !== null) return found
        isName = false
      } else if (byte === COMMA) isName = true
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        if (!this.open(byte === OPEN_OBJECT)) return TOO_COMPLEX
        isName = byte === OPEN_OBJECT
      } else {
        this.frames.pop()
        this.top = this.frames.at(-1)
        isName = false
      }
    }
  }

  private open(isObject: boolean): boolean {
    this.top = frameOf(this.top, isObject)
    this.frames.push(this.top)
    return this.frames.length <= MAX_DEPTH && ++this.values <= MAX_VALUES
  }

  /** Moves behind a string whose quote was read. */
  private string(isName: boolean): AmbiguousMember | null {
    const from = this.at
    const end = this.stringEnd()
    this.at = end + 1
    if (!isName || this.top === undefined) return null
    if (++this.values > MAX_VALUES) return TOO_COMPLEX
    const text = this.bytes.toString('utf8', from, end)
    this.top.member = this.isEscaped ? unescaped(text) : text
    // those take longer to compare
    if (!isAscii(this.top.member) && ++this.oddNames > MAX_ODD_NAMES) return TOO_COMPLEX
    return addMember(this.top, this.top.member)
  }

  /** @returns where the closing quote is */
  private stringEnd(): number {
    const { bytes } = this
    this.isEscaped = false
    for (let from = this.at; ;) {
      const near = Math.min(from + SHORT_BYTES, bytes.length)
      let at = skipTo(STRING_STOPS, bytes, from, near)
      if (at === near) at = this.farStop(near)
      if (bytes[at] !== BACKSLASH) return at
      this.isEscaped = true
      from = at + 2
    }
  }

  /** The next quote or backslash; each is searched for once, however many strings there are. */
  private farStop(from: number): number {
    const { bytes } = this
    const quote = indexOrEnd(bytes, QUOTE, from)
    if (this.backslash < from) this.backslash = indexOrEnd(bytes, BACKSLASH, from)
    return Math.min(quote, this.backslash)
  }
}

const indexOrEnd = (bytes: Buffer, byte: number, from: number): number => {
  const at = bytes.indexOf(byte, from)
  return at < 0 ? bytes.length : at
}

/**
 * The first member that is ambiguous. Tools, schemas and metadata may have names that differ in case
 * alone; there only equal ones are.
 * @param body bytes that `JSON.parse` takes
 * @returns null when every parser reads the same
 */
export const findAmbiguousMember = (body: Buffer): AmbiguousMember | null =>
  new Scanner(body).scan()
