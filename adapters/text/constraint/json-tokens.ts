/** Strings and numbers of JSON (RFC 8259), byte by byte. States are immutable. */

/** Where in a number: behind the sign, a leading zero, digits, the point, … */
export type NumberPart =
  | 'sign'
  | 'zero'
  | 'digits'
  | 'point'
  | 'fraction'
  | 'exponent'
  | 'exponent-sign'
  | 'exponent-digits'

/** Where in a string, behind its opening quote. */
export interface StringState {
  /** 0 plain, -1 behind a backslash, 1–4 hex digits of \u still to come */
  escape: number
  /** bytes of the current character still to come */
  continuation: number
  /** the range of the next continuation byte */
  least: number
  most: number
}

export const STRING_START: StringState = { escape: 0, continuation: 0, least: 0x80, most: 0xbf }

export const code = (character: string): number => character.charCodeAt(0)
export const QUOTE = code('"')
const BACKSLASH = code('\\')
const ESCAPES = new Set([...'"\\/bfnrt'].map(code))

/** White space of JSON. */
export const isBlank = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
export const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39
const isHex = (byte: number): boolean =>
  isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)

/** Parts in which a number may end. */
export const ENDABLE: ReadonlySet<NumberPart> = new Set([
  'zero',
  'digits',
  'fraction',
  'exponent-digits',
])

/** @returns null where no number begins with the byte */
export const firstNumberPart = (byte: number): NumberPart | null => {
  if (byte === code('-')) return 'sign'
  if (!isDigit(byte)) return null
  return byte === 0x30 ? 'zero' : 'digits'
}

/** @returns null where the number does not go on with the byte */
export const nextNumberPart = (part: NumberPart, byte: number): NumberPart | null => {
  const digit = isDigit(byte)
  const exponent = byte === code('e') || byte === code('E')
  switch (part) {
    case 'sign':
      return digit ? (byte === 0x30 ? 'zero' : 'digits') : null
    case 'zero':
    case 'digits':
      if (digit) return part === 'digits' ? 'digits' : null
      if (byte === code('.')) return 'point'
      return exponent ? 'exponent' : null
    case 'point':
      return digit ? 'fraction' : null
    case 'fraction':
      return digit ? 'fraction' : exponent ? 'exponent' : null
    case 'exponent':
      if (byte === code('+') || byte === code('-')) return 'exponent-sign'
      return digit ? 'exponent-digits' : null
    case 'exponent-sign':
    case 'exponent-digits':
      return digit ? 'exponent-digits' : null
  }
}

/** Continuation bytes behind a leading byte, and the range of the first (Unicode 16, table 3-7). */
const leadByte = (byte: number): Omit<StringState, 'escape'> | null => {
  if (byte >= 0xc2 && byte <= 0xdf) return { continuation: 1, least: 0x80, most: 0xbf }
  if (byte >= 0xe0 && byte <= 0xef)
    return {
      continuation: 2,
      least: byte === 0xe0 ? 0xa0 : 0x80,
      most: byte === 0xed ? 0x9f : 0xbf,
    }
  if (byte >= 0xf0 && byte <= 0xf4)
    return {
      continuation: 3,
      least: byte === 0xf0 ? 0x90 : 0x80,
      most: byte === 0xf4 ? 0x8f : 0xbf,
    }
  return null
}

/** Whether the string is between two characters, where its quote may close it. */
export const isBetweenCharacters = ({ escape, continuation }: StringState): boolean =>
  escape === 0 && continuation === 0

/** @returns null where the string does not go on with the byte; its end is for the caller */
export const nextInString = (state: StringState, byte: number): StringState | null => {
  if (state.escape === -1) {
    if (byte === code('u')) return { ...state, escape: 4 }
    return ESCAPES.has(byte) ? { ...state, escape: 0 } : null
  }
  if (state.escape > 0) return isHex(byte) ? { ...state, escape: state.escape - 1 } : null
  if (state.continuation > 0) {
    if (byte < state.least || byte > state.most) return null
    return { ...state, continuation: state.continuation - 1, least: 0x80, most: 0xbf }
  }
  if (byte === BACKSLASH) return { ...state, escape: -1 }
  if (byte < 0x20 || byte === QUOTE) return null
  if (byte < 0x80) return state
  const lead = leadByte(byte)
  return lead && { ...state, ...lead }
}
