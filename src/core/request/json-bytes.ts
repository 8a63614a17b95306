/** Bytes of JSON's syntax, for the readers that look at a body before it is parsed. */

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const BACKSLASH = 0x5c
export const OPEN_LIST = 0x5b
export const CLOSE_LIST = 0x5d
export const OPEN_OBJECT = 0x7b
export const CLOSE_OBJECT = 0x7d

/** a native search is faster than a loop from about here on */
const SHORT_BYTES = 24

/** @returns offset of the next quote, −1 without one */
export const quoteFrom = (bytes: Buffer, from: number): number => {
  const near = Math.min(from + SHORT_BYTES, bytes.length)
  for (let at = from; at < near; at++) if (bytes[at] === QUOTE) return at
  return bytes.indexOf(QUOTE, near)
}

/** Backslashes directly before an offset, `most` at most; an odd number escapes the byte there. */
export const backslashesBefore = (bytes: Buffer, offset: number, most = Infinity): number => {
  let count = 0
  while (count < most && bytes[offset - 1 - count] === BACKSLASH) count++
  return count
}
