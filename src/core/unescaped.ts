/**
 * A text without the escapes of JSON, URLs and HTML in it: `ann\u0040example.com`, `ann%40example.com` and
 * `ann&#64;example.com` are read as `ann@example.com`. A string of JSON may have JSON in it, which may have a URL, so
 * escapes are read in layers. Knows nothing of detectors.
 */

/** A text, and where each of its characters begins in the text that it was read from. */
export interface Unescaped {
  text: string
  /** one more than `text` has characters: the last one is the end; null: as in the text itself */
  starts: Uint32Array | null
}

/** Of JSON within JSON within JSON; each layer of a URL is read at once. */
const MAX_LAYERS = 3

const [BACKSLASH, PERCENT, AMPERSAND] = [0x5c, 0x25, 0x26]

const HAS_ESCAPES = /\\|%[0-9a-f]{2}|&#/i

/** Any number of backslashes: each layer of JSON doubles them. */
const ESCAPE = /\\+(?:u([0-9a-f]{4})|([nrtbf"/]))|&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/giy

const LETTERS: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }

/** NaN where there is no such digit. */
const hexAt = (text: string, at: number): number => {
  const code = text.charCodeAt(at)
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : Number.NaN
}

const valueAt = (text: string, at: number): number => 16 * hexAt(text, at) + hexAt(text, at + 1)

/** The byte of a percent sign's escape, which may be escaped itself as `%25`, and where it ends; NaN where it is none. */
const byteAt = (text: string, at: number): { byte: number; end: number } => {
  if (text.charCodeAt(at) !== PERCENT) return { byte: Number.NaN, end: at }
  let digits = at + 1
  while (valueAt(text, digits) === PERCENT && !Number.isNaN(valueAt(text, digits + 2))) digits += 2
  return { byte: valueAt(text, digits), end: digits + 2 }
}

/** Of a character of two, three or four bytes in UTF-8 (RFC 3629, section 3), the smallest that needs so many. */
const SMALLEST = [0x80, 0x800, 0x1_0000]

/** The character of one to four bytes in percent encoding; null where they are not UTF-8. */
const percentDecoded = (text: string, at: number): { text: string; length: number } | null => {
  let { byte, end } = byteAt(text, at)
  if (byte < 0x80) return { text: String.fromCharCode(byte), length: end - at }
  if (!(byte >= 0xc0 && byte < 0xf8)) return null
  const more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1
  let code = byte & (0x3f >> more)
  for (let left = more; left > 0; left--) {
    ;({ byte, end } = byteAt(text, end))
    if (!(byte >= 0x80 && byte < 0xc0)) return null
    code = 0x40 * code + byte - 0x80
  }
  const isCharacter =
    code >= SMALLEST[more - 1]! && code <= 0x10_ffff && (code & 0xff_f800) !== 0xd800
  return isCharacter ? { text: String.fromCodePoint(code), length: end - at } : null
}

const fromCodePoint = (code: number): string | null =>
  code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : null

/** The escape that begins at a place; null where none does. */
const read = (source: string, at: number): { text: string; length: number } | null => {
  if (source.charCodeAt(at) === PERCENT) return percentDecoded(source, at)
  ESCAPE.lastIndex = at
  const match = ESCAPE.exec(source)
  if (match === null) return null
  const [all, unicode, letter, hex, decimal] = match
  const text =
    unicode !== undefined
      ? String.fromCharCode(Number.parseInt(unicode, 16))
      : letter !== undefined
        ? (LETTERS[letter.toLowerCase()] ?? letter)
        : fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
  return text === null ? null : { text, length: all.length }
}

/** @returns null where the text has no escape */
const layerOf = (text: string): { text: string; starts: Uint32Array } | null => {
  const starts = new Uint32Array(text.length + 1)
  // an escape is never shorter than what it stands for
  const units = new Uint16Array(text.length)
  let [length, at] = [0, 0]
  const keep = (unit: number, start: number): void => {
    units[length] = unit
    starts[length++] = start
  }
  let isChanged = false
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code !== BACKSLASH && code !== PERCENT && code !== AMPERSAND) {
      keep(code, at++)
      continue
    }
    const found = read(text, at)
    if (found === null) {
      keep(code, at++)
      // backslashes that escape nothing are kept together: each would be looked at by all before it
      if (code === BACKSLASH) while (text.charCodeAt(at) === BACKSLASH) keep(code, at++)
      continue
    }
    for (let i = 0; i < found.text.length; i++) keep(found.text.charCodeAt(i), at)
    at += found.length
    isChanged = true
  }
  if (!isChanged) return null
  starts[length] = text.length
  return {
    text: Buffer.from(units.buffer, 0, 2 * length).toString('utf16le'),
    starts: starts.subarray(0, length + 1),
  }
}

/** Linear in the length of the text; a text without escapes is looked at once. */
export const unescaped = (text: string): Unescaped => {
  let result: Unescaped = { text, starts: null }
  for (let layer = 0; layer < MAX_LAYERS && HAS_ESCAPES.test(result.text); layer++) {
    const next = layerOf(result.text)
    if (next === null) break
    const { starts } = result
    result = {
      text: next.text,
      starts: starts === null ? next.starts : next.starts.map((at) => starts[at]!),
    }
  }
  return result
}
