/**
 * Members of a chat request's JSON that two parsers may read differently: a name that occurs twice, of
 * which some take the first and some the last value (RFC 8259 §4), and a name that another parser takes
 * for a known one, as Go's does with `Model` and a Protobuf's with `maxTokens`. Access, budgets and
 * templates are decided by the result of `JSON.parse`; the upstream may read the other value.
 *
 * One pass over the bytes without recursion. Bytes that are not JSON are for the parser to refuse.
 */
import {
  backslashesBefore,
  CLOSE_LIST,
  CLOSE_OBJECT,
  COMMA,
  OPEN_LIST,
  OPEN_OBJECT,
  QUOTE,
  quoteFrom,
} from './json-bytes.ts'
import { MAX_DEPTH } from './json-scan.ts'

export interface AmbiguousMember {
  /** as spelled in the body; '' where the body is too complex to check */
  name: string
  /** `spelling`: another parser may read it as `meant` */
  why: 'twice' | 'spelling' | 'too-complex'
  meant: string
}

/** Objects and lists whose members decide something. */
type Kind = 'request' | 'messages' | 'message' | 'parts' | 'part' | 'stream_options' | 'other'

const KNOWN_NAMES: Partial<Record<Kind, string>> = {
  request:
    'audio best_of function_call functions logprobs max_completion_tokens max_tokens messages ' +
    'metadata modalities model n parallel_tool_calls prediction reasoning_effort response_format ' +
    'service_tier stop store stream stream_options tool_choice tools top_logprobs web_search_options',
  message: 'content function_call name role tool_call_id tool_calls',
  part: 'file image_url input_audio refusal text type',
  stream_options: 'include_usage',
}

/** Far longer than every known name in any spelling. */
const MAX_SPELLING_CHARS = 64

/**
 * One form for all spellings of a name: `maxTokens`, `MAX_TOKENS`, `max_to\u212Aens`, and, for parsers
 * in C, `max_tokens\0x`.
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
    new Map(names.split(' ').map((name) => [squash(name), name])),
  ])
)

/** Kind of a value by the kind of its parent and, in an object, its name. */
const KIND_OF: Partial<Record<Kind, (name: string) => Kind>> = {
  request: (name) => (name === 'messages' || name === 'stream_options' ? name : 'other'),
  messages: () => 'message',
  message: (name) => (name === 'content' ? 'parts' : 'other'),
  parts: () => 'part',
}

/** Objects, lists and members: 400 turns with 200 tools have some 15,000. */
const MAX_VALUES = 100_000
/** Of an object whose names are compared in all spellings. */
const MAX_KNOWN_MEMBERS = 1000
/** Names that are not ASCII, which take longer to compare; usual requests have none. */
const MAX_ODD_NAMES = 1000

interface Frame {
  kind: Kind
  isObject: boolean
  /** names so far, squashed where the kind has known ones */
  names: Set<string> | null
  /** name of the member that is being read */
  member: string
}

const TOO_COMPLEX: AmbiguousMember = { name: '', why: 'too-complex', meant: '' }

/** @returns null when the member is not ambiguous */
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

/** @returns the text itself where an escape is broken: then the bytes are not JSON */
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

const stopsAt = (...stops: number[]): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (stops.includes(byte) ? 1 : 0))

const BRACKETS = [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT]
/** In a list, commas carry no information, and rows of numbers are skipped. */
const LIST_STOPS = stopsAt(QUOTE, ...BRACKETS)
const OBJECT_STOPS = stopsAt(QUOTE, COMMA, ...BRACKETS)

class Scanner {
  private readonly bytes: Buffer
  private readonly frames: Frame[] = []
  private top: Frame | undefined
  private values = 0
  private oddNames = 0
  private at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  scan(): AmbiguousMember | null {
    const { bytes } = this
    let isName = false
    for (;;) {
      const stops = this.top?.isObject ? OBJECT_STOPS : LIST_STOPS
      while (this.at < bytes.length && stops[bytes[this.at]!] === 0) this.at++
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

  /** Moves behind a string whose opening quote was read. */
  private string(isName: boolean): AmbiguousMember | null {
    const { bytes, at } = this
    let end = quoteFrom(bytes, at)
    while (end >= 0 && backslashesBefore(bytes, end) % 2 === 1) end = quoteFrom(bytes, end + 1)
    if (end < 0) end = bytes.length
    this.at = end + 1
    if (!isName || this.top === undefined) return null
    if (++this.values > MAX_VALUES) return TOO_COMPLEX
    const text = bytes.toString('utf8', at, end)
    this.top.member = text.includes('\\') ? unescaped(text) : text
    if (!isAscii(this.top.member) && ++this.oddNames > MAX_ODD_NAMES) return TOO_COMPLEX
    return addMember(this.top, this.top.member)
  }
}

/**
 * The first ambiguous member. Tools, schemas and metadata may have names that differ only in case; there,
 * only equal names are ambiguous.
 * @param body bytes that `JSON.parse` accepts
 * @returns null when every parser reads the same values
 */
export const findAmbiguousMember = (body: Buffer): AmbiguousMember | null =>
  new Scanner(body).scan()
