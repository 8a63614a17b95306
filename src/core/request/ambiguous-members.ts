/**
 * Members of a request's JSON that two parsers may read differently: a name that occurs twice, of
 * which some take the first and some the last value (RFC 8259 §4), and a name that another parser takes
 * for a known one, as Go's does with `Model` and a Protobuf's with `maxTokens`. Access, budgets and
 * templates are decided by the result of `JSON.parse`; the upstream may read the other value.
 *
 * One pass over the bytes without recursion. Bytes that are not JSON are for the parser to refuse.
 */
import type { Dialect } from '../../openai/dialect.ts'
import { MAX_DEPTH } from './json-scan.ts'
import { parseJson } from '../../openai/fields.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
/** a native search is faster than a loop from about here on */
const SHORT_BYTES = 24

export interface AmbiguousMember {
  /** as spelled in the body; '' where the body is too complex to check */
  name: string
  /** `spelling`: another parser may read it as `meant` */
  why: 'twice' | 'spelling' | 'too-complex'
  meant: string
}

/** Objects and lists whose members decide something; a message is an item of the Responses API, too. */
type Kind =
  | 'request'
  | 'messages'
  | 'message'
  | 'parts'
  | 'part'
  | 'tools'
  | 'tool'
  | 'stream_options'
  | 'text'
  | 'other'

type Names = Partial<Record<Kind, string>>

/** In both dialects; of hosted tools what chooses a host, a credential or a resource. */
const TOOL_NAMES =
  'authorization connector_id container custom description format function headers name parameters ' +
  'require_approval server_label server_url strict type vector_store_ids'

const KNOWN_NAMES: Record<Dialect['name'], Names> = {
  chat: {
    request:
      'audio best_of function_call functions logprobs max_completion_tokens max_tokens messages ' +
      'metadata modalities model n parallel_tool_calls prediction reasoning_effort response_format ' +
      'service_tier stop store stream stream_options tool_choice tools top_logprobs web_search_options',
    message: 'content function_call name role tool_call_id tool_calls',
    part: 'file image_url input_audio refusal text type',
    tool: TOOL_NAMES,
    stream_options: 'include_usage',
  },
  responses: {
    request:
      'background conversation include input instructions max_output_tokens max_tool_calls metadata ' +
      'model parallel_tool_calls previous_response_id prompt reasoning service_tier store stream ' +
      'stream_options temperature text tool_choice tools top_logprobs top_p truncation',
    message: 'arguments call_id content id name output role status summary type',
    part: 'annotations file_id image_url refusal text type',
    tool: TOOL_NAMES,
    text: 'format verbosity',
  },
}

/** Far longer than every known name in any spelling. */
const MAX_SPELLING_CHARS = 64

/**
 * One form for all spellings of a name: `maxTokens`, `MAX_TOKENS`, `max_to\u212Aens`, and, for parsers
 * in C, `max_tokens\0x`.
 */
export const squash = (name: string): string => {
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

/** By kind, the names by their squashed spelling. */
type Known = ReadonlyMap<string, ReadonlyMap<string, string>>

const knownOf = (names: Names): Known =>
  new Map(
    Object.entries(names).map(([kind, list]) => [
      kind,
      new Map(list.split(' ').map((name) => [squash(name), name])),
    ])
  )

const KNOWN: Record<Dialect['name'], Known> = {
  chat: knownOf(KNOWN_NAMES.chat),
  responses: knownOf(KNOWN_NAMES.responses),
}

/** Kind of a value by the kind of its parent and, in an object, its name. */
const KIND_OF: Partial<Record<Kind, (name: string) => Kind>> = {
  request: (name) => REQUEST_KINDS.get(name) ?? 'other',
  messages: () => 'message',
  message: (name) => (name === 'content' || name === 'output' ? 'parts' : 'other'),
  parts: () => 'part',
  tools: () => 'tool',
}

const REQUEST_KINDS = new Map<string, Kind>([
  ['messages', 'messages'],
  ['input', 'messages'],
  ['tools', 'tools'],
  ['stream_options', 'stream_options'],
  ['text', 'text'],
])

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
const addMember = (all: Known, frame: Frame, name: string): AmbiguousMember | null => {
  const known = all.get(frame.kind)
  const key = known === undefined ? name : squash(name)
  const meant = known?.get(key) ?? name
  frame.names ??= new Set()
  if (frame.names.has(key)) return { name, why: 'twice', meant }
  if (known !== undefined && frame.names.size === MAX_KNOWN_MEMBERS) return TOO_COMPLEX
  frame.names.add(key)
  return meant === name ? null : { name, why: 'spelling', meant }
}

/** A name without its escapes; itself where an escape is broken: then the bytes are not JSON. */
export const unescapedName = (text: string): string =>
  (text.includes('\\') ? (parseJson(`"${text}"`) as string | null) : null) ?? text

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
/** 1: bytes that say where an object's names are */
export const OBJECT_STOPS = stopsAt(QUOTE, COMMA, ...BRACKETS)

const indexOrEnd = (bytes: Buffer, byte: number, from: number): number => {
  const at = bytes.indexOf(byte, from)
  return at < 0 ? bytes.length : at
}

/**
 * @returns a function from the offset of a string to that of its closing quote. Found quotes and
 * backslashes are kept: searching again behind each of many backslashes would take O(N²)
 */
export const stringEnds = (bytes: Buffer): ((from: number) => number) => {
  let [quote, backslash] = [-1, -1]
  return (from) => {
    for (let at = from; ; at += 2) {
      let near = Math.min(at + SHORT_BYTES, bytes.length)
      while (at < near) {
        const byte = bytes[at]
        if (byte === QUOTE) return at
        at += byte === BACKSLASH ? 2 : 1
        if (byte === BACKSLASH) near = Math.min(at + SHORT_BYTES, bytes.length)
      }
      if (at >= bytes.length) return at
      if (quote < at) quote = indexOrEnd(bytes, QUOTE, at)
      if (backslash < at) backslash = indexOrEnd(bytes, BACKSLASH, at)
      at = Math.min(quote, backslash)
      if (bytes[at] !== BACKSLASH) return at
    }
  }
}

/**
 * The first ambiguous member. Schemas and metadata may have names that differ only in case; there,
 * only equal names are ambiguous.
 * @param bytes JSON that `JSON.parse` accepts
 * @returns null when every parser reads the same values
 */
export const findAmbiguousMember = (
  bytes: Buffer,
  dialect: Dialect['name']
): AmbiguousMember | null => {
  const known = KNOWN[dialect]
  const frames: Frame[] = []
  const stringEnd = stringEnds(bytes)
  let [values, oddNames] = [0, 0]
  let isName = false
  for (let at = 0; ; at++) {
    const frame = frames.at(-1)
    const stops = frame?.isObject ? OBJECT_STOPS : LIST_STOPS
    while (at < bytes.length && stops[bytes[at]!] === 0) at++
    if (at >= bytes.length) return null
    const byte = bytes[at]
    if (byte === QUOTE) {
      const end = stringEnd(at + 1)
      if (isName && frame !== undefined) {
        frame.member = unescapedName(bytes.toString('utf8', at + 1, end))
        if (!isAscii(frame.member)) oddNames++
        if (++values > MAX_VALUES || oddNames > MAX_ODD_NAMES) return TOO_COMPLEX
        const ambiguous = addMember(known, frame, frame.member)
        if (ambiguous !== null) return ambiguous
      }
      at = end
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      frames.push(frameOf(frame, byte === OPEN_OBJECT))
      if (frames.length > MAX_DEPTH || ++values > MAX_VALUES) return TOO_COMPLEX
    } else if (byte !== COMMA) frames.pop()
    // a name follows the start of an object and each of its commas
    isName = byte === COMMA || byte === OPEN_OBJECT
  }
}
