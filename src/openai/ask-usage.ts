/**
 * A streaming chat request's bytes → the same with `stream_options.include_usage`. Edited as text:
 * everything else stays byte for byte, and what cannot be edited with certainty is not edited. Knows
 * nothing of what the upstream makes of it.
 */

interface Span {
  from: number
  /** behind the last byte */
  to: number
}

/** The one member of an object that was looked for. */
interface Found {
  value: Span | null
  /** offset of the first byte behind the opening brace, and behind the closing one */
  inside: number
  end: number
  isEmpty: boolean
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Some 15 ms, a nanosecond or two each: bytes outside of strings, and backslashes before quotes. */
const MAX_STEPS = 5_000_000
/** What the search for the next quote takes. */
const STEPS_PER_QUOTE = 20

/** Thrown and caught in this file: the bytes are not what they should be, or not worth the time. */
const UNSURE = new Error('no edit')

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

class Scanner {
  private readonly bytes: Buffer
  private steps = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Looks through the object that begins at `open`. Equal or escaped keys make it unsure. */
  find(name: string, open: number): Found {
    if (this.bytes[open] !== OPEN_OBJECT) throw UNSURE
    let value: Span | null = null
    let at = this.space(open + 1)
    const inside = open + 1
    if (this.bytes[at] === CLOSE_OBJECT) return { value, inside, end: at + 1, isEmpty: true }
    for (;;) {
      const keyEnd = this.string(at)
      const key = this.bytes.toString('latin1', at + 1, keyEnd - 1)
      const from = this.space(this.behind(COLON, this.space(keyEnd)))
      const to = this.value(from)
      if (key.includes('\\') || (key === name && value !== null)) throw UNSURE
      if (key === name) value = { from, to }
      at = this.space(to)
      if (this.bytes[at] === CLOSE_OBJECT) return { value, inside, end: at + 1, isEmpty: false }
      at = this.space(this.behind(COMMA, at))
    }
  }

  space(from: number): number {
    let at = from
    while (isSpace(this.bytes[at])) {
      this.step()
      at++
    }
    return at
  }

  private step(steps = 1): void {
    this.steps += steps
    if (this.steps > MAX_STEPS) throw UNSURE
  }

  private behind(byte: number, at: number): number {
    if (this.bytes[at] !== byte) throw UNSURE
    return at + 1
  }

  private string(at: number): number {
    if (this.bytes[at] !== QUOTE) throw UNSURE
    for (let from = at + 1; ;) {
      this.step(STEPS_PER_QUOTE)
      const quote = this.bytes.indexOf(QUOTE, from)
      if (quote < 0) throw UNSURE
      let backslashes = 0
      while (this.bytes[quote - 1 - backslashes] === BACKSLASH) {
        this.step()
        backslashes++
      }
      if (backslashes % 2 === 0) return quote + 1
      from = quote + 1
    }
  }

  private value(at: number): number {
    const first = this.bytes[at]
    if (first === QUOTE) return this.string(at)
    return first === OPEN_OBJECT || first === OPEN_LIST ? this.nested(at) : this.literal(at)
  }

  private nested(from: number): number {
    let depth = 0
    let at = from
    do {
      this.step()
      const byte = this.bytes[at]
      if (byte === undefined) throw UNSURE
      if (byte === QUOTE) {
        at = this.string(at)
        continue
      }
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
      at++
    } while (depth > 0)
    return at
  }

  private literal(from: number): number {
    let at = from
    for (;;) {
      this.step()
      const byte = this.bytes[at]
      const ends = byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST
      if (byte === undefined || ends || isSpace(byte)) break
      at++
    }
    if (at === from) throw UNSURE
    return at
  }
}

const replaced = (body: Buffer, { from, to }: Span, text: string): Buffer =>
  Buffer.concat([body.subarray(0, from), Buffer.from(text), body.subarray(to)])

/** As the first member, so that what is there stays in one piece. */
const inserted = (body: Buffer, { inside, isEmpty }: Found, member: string): Buffer =>
  replaced(body, { from: inside, to: inside }, isEmpty ? member : `${member},`)

const edit = (body: Buffer): Buffer | null => {
  const scanner = new Scanner(body)
  const request = scanner.find('stream_options', scanner.space(0))
  if (scanner.space(request.end) !== body.length) throw UNSURE
  const options = request.value
  if (options === null) return inserted(body, request, '"stream_options":{"include_usage":true}')
  const textOf = ({ from, to }: Span): string => body.toString('latin1', from, to)
  if (textOf(options) === 'null') return replaced(body, options, '{"include_usage":true}')
  const inOptions = scanner.find('include_usage', options.from)
  const asked = inOptions.value
  if (asked === null) return inserted(body, inOptions, '"include_usage":true')
  const isRefused = textOf(asked) === 'false' || textOf(asked) === 'null'
  return isRefused ? replaced(body, asked, 'true') : null
}

/**
 * @param body of a request that streams
 * @returns null when it asks for usage already, or cannot be edited with certainty: no JSON object,
 * equal or escaped keys, or values of other types
 */
export const askForUsage = (body: Buffer): Buffer | null => {
  try {
    return edit(body)
  } catch (error) {
    if (error === UNSURE) return null
    throw error
  }
}
