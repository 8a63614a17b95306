/** What header fields are made of, in requests and answers alike. */

/** A name of a header, and of much else (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/

/** RFC 9110 §5.5, as characters of latin1: no control characters, and so no part of a line end. */
export const FIELD_VALUE = /^[\t -~\x80-\xff]*$/

/** Names that were seen → in lower case, null where they are none: the same come again and again. */
const keys = new Map<string, string | null>()
const MAX_KEYS = 1000
const MAX_KEY_CHARS = 64

/** A part of a text keeps all of it in memory: 16 KiB of a head for one name. */
export const copyOf = (part: string): string => Buffer.from(part).toString()

/** A header's name in lower case; null for what is no name (RFC 9110 §5.1). */
export const fieldKey = (name: string): string | null => {
  const known = keys.get(name)
  if (known !== undefined) return known
  const isKept = keys.size < MAX_KEYS && name.length <= MAX_KEY_CHARS
  const own = isKept ? copyOf(name) : name
  const key = TOKEN.test(own) ? own.toLowerCase() : null
  if (isKept) keys.set(own, key)
  return key
}

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
