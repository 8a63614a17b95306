/**
 * Checks byte by byte whether a text is the beginning of one JSON object (RFC 8259). States are
 * immutable, so that many continuations can be tried from one state.
 */
import {
  code,
  ENDABLE,
  firstNumberPart,
  isBlank,
  isBetweenCharacters,
  nextInString,
  nextNumberPart,
  QUOTE,
  STRING_START,
  type NumberPart,
  type StringState,
} from './json-tokens.ts'

/** Deepest nesting of objects and arrays; it bounds the state and the bytes that close it. */
const MAX_DEPTH = 64

type Container = 'object' | 'array'

/** Open containers, innermost first. */
interface Frame {
  kind: Container
  outer: Frame | null
  depth: number
}

type Place =
  /** before the object */
  | 'start'
  /** `{` was read: a key or the end */
  | 'first-key'
  /** behind a comma in an object */
  | 'key'
  | 'colon'
  | 'value'
  /** `[` was read: a value or the end */
  | 'first-value'
  /** behind a value: a comma or the container's end */
  | 'after'
  | 'string'
  | 'key-string'
  | 'number'
  | 'literal'
  | 'complete'

interface State {
  place: Place
  frame: Frame | null
  number: NumberPart | null
  /** rest of `true`, `false` or `null` */
  literal: string
  /** at its start outside of strings */
  string: StringState
}

const START: State = {
  place: 'start',
  frame: null,
  number: null,
  literal: '',
  string: STRING_START,
}

const LITERALS = new Map(['true', 'false', 'null'].map((word) => [code(word[0]!), word.slice(1)]))
const inString = (state: State, byte: number): State | null => {
  if (byte === QUOTE && isBetweenCharacters(state.string))
    return { ...state, place: state.place === 'key-string' ? 'colon' : 'after' }
  const string = nextInString(state.string, byte)
  return string && { ...state, string }
}

const open = (state: State, kind: Container): State | null => {
  const depth = (state.frame?.depth ?? 0) + 1
  if (depth > MAX_DEPTH) return null
  const place = kind === 'object' ? 'first-key' : 'first-value'
  return { ...state, place, frame: { kind, outer: state.frame, depth } }
}

const close = (state: State, kind: Container): State | null => {
  if (state.frame?.kind !== kind) return null
  const { outer } = state.frame
  return { ...state, frame: outer, place: outer === null ? 'complete' : 'after' }
}

const beginValue = (state: State, byte: number): State | null => {
  if (byte === code('{')) return open(state, 'object')
  if (byte === code('[')) return open(state, 'array')
  if (byte === QUOTE) return { ...state, place: 'string' }
  const number = firstNumberPart(byte)
  if (number) return { ...state, place: 'number', number }
  const literal = LITERALS.get(byte)
  return literal === undefined ? null : { ...state, place: 'literal', literal }
}

const afterValue = (state: State, byte: number): State | null => {
  if (byte === code(','))
    return { ...state, place: state.frame?.kind === 'object' ? 'key' : 'value' }
  if (byte === code('}')) return close(state, 'object')
  return byte === code(']') ? close(state, 'array') : null
}

const step = (state: State, byte: number): State | null => {
  switch (state.place) {
    case 'string':
    case 'key-string':
      return inString(state, byte)
    case 'literal': {
      if (byte !== code(state.literal)) return null
      const literal = state.literal.slice(1)
      return { ...state, literal, place: literal === '' ? 'after' : 'literal' }
    }
    case 'number': {
      const number = nextNumberPart(state.number!, byte)
      if (number) return { ...state, number }
      if (!ENDABLE.has(state.number!)) return null
      return step({ ...state, place: 'after', number: null }, byte)
    }
    case 'start':
      return byte === code('{') ? open(state, 'object') : null
    case 'complete':
      return null
    default:
      return isBlank(byte) ? state : between(state, byte)
  }
}

/** Between tokens of JSON, where white space is legal. */
const between = (state: State, byte: number): State | null => {
  switch (state.place) {
    case 'first-key':
      if (byte === code('}')) return close(state, 'object')
      return byte === QUOTE ? { ...state, place: 'key-string' } : null
    case 'key':
      return byte === QUOTE ? { ...state, place: 'key-string' } : null
    case 'colon':
      return byte === code(':') ? { ...state, place: 'value' } : null
    case 'first-value':
      return byte === code(']') ? close(state, 'array') : beginValue(state, byte)
    case 'value':
      return beginValue(state, byte)
    default:
      return afterValue(state, byte)
  }
}

/** The fewest bytes that complete the current value or member of the innermost container. */
const bytesToValueEnd = ({ place, number, literal, string }: State): number => {
  switch (place) {
    case 'string':
    case 'key-string': {
      const { continuation, escape } = string
      const rest = continuation + (escape === -1 ? 1 : escape)
      // a key still needs its colon and a value of one digit
      return rest + 1 + (place === 'key-string' ? 2 : 0)
    }
    case 'key':
      return 4
    case 'colon':
      return 2
    case 'value':
      return 1
    case 'number':
      return ENDABLE.has(number!) ? 0 : 1
    case 'literal':
      return literal.length
    default:
      return 0
  }
}

export class JsonObjectValidator {
  private constructor(private readonly state: State) {}

  static start(): JsonObjectValidator {
    return new JsonObjectValidator(START)
  }

  /** the object has been closed */
  get complete(): boolean {
    return this.state.place === 'complete'
  }

  /** The fewest bytes that complete the object. */
  get bytesToEnd(): number {
    if (this.state.place === 'start') return 2
    return bytesToValueEnd(this.state) + (this.state.frame?.depth ?? 0)
  }

  /** @returns the state after the bytes, or null when no JSON object begins with them */
  feed(bytes: Uint8Array): JsonObjectValidator | null {
    let state: State | null = this.state
    for (const byte of bytes) {
      state = step(state, byte)
      if (!state) return null
    }
    return new JsonObjectValidator(state)
  }
}
