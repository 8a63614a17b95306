/**
 * Looks at JSON bytes before they are parsed: how deep they nest, how much of them is structure, and
 * where their long strings are. `JSON.parse` takes seconds for 30 MB of `[`, and code that recurses over
 * its result overflows the stack. The time is bounded: strings are searched natively for their ends, and
 * the loop over the other bytes gives up early. Does not check that the bytes are JSON.
 */

import { quoteFrom } from '../../openai/json-edit.ts'

// also in json-edit.ts and ambiguous-members.ts: imported constants make these loops ten times slower
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Half of it in `{},` takes `JSON.parse` 30 ms; 131,072 tokens of text at four bytes a token. */
export const MAX_PARSED_BYTES = 512 * 1024
/** JSON Schemas in tools nest some 30 levels deep; recursion over a parsed value is safe at 256. */
export const MAX_DEPTH = 256
/** Takes 20 ms at most; more than a body of `MAX_PARSED_BYTES` can have. */
const MAX_ESCAPED_QUOTES = 300_000
/** Before quotes; takes some 5 ms. */
const MAX_BACKSLASHES = 4_000_000
/** longer strings are cut out before parsing */
const MAX_KEPT_STRING_BYTES = 256
/** counted for a string that is cut out, which limits their number to 32,768 */
const CUT_STRING_BYTES = 16

/** Why the bytes cannot be parsed in bounded time. */
export type ScanFault = 'too-deep' | 'too-many-values'

/** By long string: the offset of its first byte and the offset behind its last, without the quotes. */
export type LongStrings = number[]

/** @returns the bytes' long strings, or why they cannot be parsed in bounded time */
export const scanJson = (bytes: Buffer): LongStrings | ScanFault => {
  const longStrings: LongStrings = []
  let [depth, kept, escapedQuotes, backslashes] = [0, 0, 0, 0]

  /** @returns 0 when it takes too long; the end of the bytes for a string without an end */
  const behindString = (at: number): number => {
    for (let from = at + 1; ;) {
      const end = quoteFrom(bytes, from)
      if (end < 0) return bytes.length
      let before = end
      while (bytes[before - 1] === BACKSLASH && backslashes <= MAX_BACKSLASHES) {
        before--
        backslashes++
      }
      if (backslashes > MAX_BACKSLASHES) return 0
      if ((end - before) % 2 === 0) return end + 1
      if (++escapedQuotes > MAX_ESCAPED_QUOTES) return 0
      from = end + 1
    }
  }

  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at]
    const next = byte === QUOTE ? behindString(at) : at + 1
    if (next === 0) return 'too-many-values'
    if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--
    if (depth > MAX_DEPTH) return 'too-deep'
    if (next - at > MAX_KEPT_STRING_BYTES) {
      longStrings.push(at + 1, next - 1)
      kept += CUT_STRING_BYTES
    } else kept += next - at
    if (kept > MAX_PARSED_BYTES) return 'too-many-values'
    at = next
  }
  return longStrings
}

/** Stands before the length of a string that was cut out; a private-use character of Unicode. */
const CUT = '\ue000'

/** @returns the JSON text with the length of each long string in its place */
export const cutLongStrings = (bytes: Buffer, longStrings: LongStrings): string => {
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

/** @returns bytes that a cut-out string had in its JSON; null for any other string */
export const cutLength = (text: string): number | null =>
  text.startsWith(CUT) ? Number(text.slice(CUT.length)) : null

/**
 * Strings and names that look cut out.
 * @param value nested at most `MAX_DEPTH` deep
 */
export const countCut = (value: unknown): number => {
  if (typeof value === 'string') return value.startsWith(CUT) ? 1 : 0
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countCut(item), 0)
  let count = 0
  // many times faster than a list of entries for each object
  for (const name in value)
    count += countCut(name) + countCut((value as Record<string, unknown>)[name])
  return count
}
