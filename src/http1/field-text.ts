/** What header fields are made of, in requests and answers alike. */

/** A name of a header, and of much else (RFC 9110 §5.6.2). */
export const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/

const SPACE = 0x20
const TAB = 0x09

const isBlank = (code: number): boolean => code === SPACE || code === TAB

/**
 * Without the blanks around it, which are not part of a value (RFC 9112 §5.1). Linear, where a regular
 * expression may not be.
 */
export const valueIn = (text: string, from: number, to: number): string => {
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}
