/**
 * A look at JSON bytes before a parser sees them: how deep they nest, how much of them is structure,
 * and where their long strings are. `JSON.parse` takes seconds for 30 MB of `[`, and overflows nothing
 * itself, but what walks its result does. In bounded time: the platform searches strings for their
 * ends, and the loop over everything else gives up early. Does not say whether the bytes are JSON.
 */

/** Half of it in `{},` takes `JSON.parse` 30 ms; 131,072 tokens of text at four bytes a token. */
export const MAX_PARSED_BYTES = 512 * 1024
/** JSON Schemas in tools nest some 30 levels deep; recursion over a parsed value is safe at 256. */
export const MAX_DEPTH = 256
/** Quotes within strings: 20 ms at most, and more than a body of `MAX_PARSED_BYTES` has. */
const MAX_ESCAPED_QUOTES = 300_000
/** Backslashes before quotes: some 5 ms. */
const MAX_BACKSLASHES = 4_000_000
/** a longer string is cut out of what is parsed */
const MAX_KEPT_STRING_BYTES = 256
/** as which one that is cut out counts, so that there are 32,768 of them at most */
const CUT_STRING_BYTES = 16
/** a search by the platform pays off behind so many bytes */
const SHORT_BYTES = 24

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Why the bytes cannot be parsed in time. */
export type ScanFault = 'too-deep' | 'too-many-values'

export interface JsonScan {
  /** offsets of the first and behind the last byte of each long string, quotes left out */
  longStrings: number[]
  /** names in all objects together, equal ones counted each time */
  members: number
}

class Scanner {
  private readonly bytes: Buffer
  private escapedQuotes = 0
  private backslashes = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  scan(): JsonScan | ScanFault {
    const { bytes } = this
    const found: JsonScan = { longStrings: [], members: 0 }
    let depth = 0
    let kept = 0
    for (let at = 0; at < bytes.length;) {
      const byte = bytes[at]
      const next = byte === QUOTE ? this.behindString(at) : at + 1
      if (next === 0) return 'too-many-values'
      if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--
      else if (byte === COLON) found.members++
      if (depth > MAX_DEPTH) return 'too-deep'
      if (next - at > MAX_KEPT_STRING_BYTES) {
        found.longStrings.push(at + 1, next - 1)
        kept += CUT_STRING_BYTES
      } else kept += next - at
      if (kept > MAX_PARSED_BYTES) return 'too-many-values'
      at = next
    }
    return found
  }

  /** @returns 0 when it takes too long; the end of the bytes for a string without an end */
  private behindString(at: number): number {
    for (let from = at + 1; ;) {
      const end = this.quoteFrom(from)
      if (end < 0) return this.bytes.length
      let before = end
      while (this.bytes[before - 1] === BACKSLASH && this.backslashes <= MAX_BACKSLASHES) {
        before--
        this.backslashes++
      }
      if (this.backslashes > MAX_BACKSLASHES) return 0
      if ((end - before) % 2 === 0) return end + 1
      if (++this.escapedQuotes > MAX_ESCAPED_QUOTES) return 0
      from = end + 1
    }
  }

  private quoteFrom(from: number): number {
    const near = Math.min(from + SHORT_BYTES, this.bytes.length)
    for (let at = from; at < near; at++) if (this.bytes[at] === QUOTE) return at
    return this.bytes.indexOf(QUOTE, near)
  }
}

/** @returns why the bytes are not worth parsing, or what was found in them */
export const scanJson = (bytes: Buffer): JsonScan | ScanFault => new Scanner(bytes).scan()

/** Stands before the length of a string that was cut out; a private-use character of Unicode. */
const CUT = '\ue000'

/** @returns the text with the length of each long string in its place; not much longer than what is kept */
export const cutLongStrings = (bytes: Buffer, { longStrings }: JsonScan): string => {
  const pieces: Buffer[] = []
  let kept = 0
  for (let index = 0; index < longStrings.length; index += 2) {
    const [from, to] = [longStrings[index]!, longStrings[index + 1]!]
    pieces.push(bytes.subarray(kept, from), Buffer.from(`${CUT}${to - from}`))
    kept = to
  }
  pieces.push(bytes.subarray(kept))
  return Buffer.concat(pieces).toString('utf8')
}

/** @returns bytes of a string that was cut out as it stood in its JSON; null for another one */
export const cutLength = (text: string): number | null =>
  text.startsWith(CUT) ? Number(text.slice(CUT.length)) : null

export interface JsonCensus {
  /** names in all objects, each once in its object */
  members: number
  /** strings and names that look cut out */
  cut: number
}

/**
 * Counts what is in a parsed value. Fewer members than its bytes had say that an object has a name
 * twice, of which parsers take the first, the last or neither.
 * @param value nested `MAX_DEPTH` deep at most
 */
export const censusOf = (value: unknown): JsonCensus => {
  const census: JsonCensus = { members: 0, cut: 0 }
  const countText = (text: string): void => {
    if (text.startsWith(CUT)) census.cut++
  }
  const visit = (one: unknown): void => {
    if (typeof one === 'string') return countText(one)
    if (typeof one !== 'object' || one === null) return
    if (Array.isArray(one)) {
      for (const item of one) visit(item)
      return
    }
    // many times faster than a list of entries for each object
    for (const name in one) {
      census.members++
      countText(name)
      visit((one as Record<string, unknown>)[name])
    }
  }
  visit(value)
  return census
}
