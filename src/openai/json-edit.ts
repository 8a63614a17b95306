/**
 * Finds members of a JSON object in its bytes without parsing them, and edits them there, so that all other bytes stay
 * as they are.
 */

export interface Span {
  from: number
  /** offset behind the last byte */
  to: number
}

/** An object, with the member that was searched in it. */
export interface Found {
  value: Span | null
  /** offset of its name; 0 where there is no value */
  name: number
  /** offsets behind the opening and behind the closing brace */
  inside: number
  end: number
  isEmpty: boolean
}

// also in json-scan.ts and ambiguous-members.ts: imported constants make these loops ten times slower
const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Bounds the search to some 15 ms: a step is a byte outside of strings or a backslash before a quote. */
const MAX_STEPS = 5_000_000
/** a native search for the next quote takes as long as this many steps */
const STEPS_PER_QUOTE = 20
/** a native search is faster than a loop from about here on */
const SHORT_BYTES = 24

/** Thrown by a scanner, and caught by `orNull`: the bytes are not the expected JSON, or take too long. */
export const UNSURE = new Error('no edit')

const isSpace = (byte: number | undefined): boolean =>
  byte !== undefined &&
  byte <= 0x20 &&
  (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)

/** @returns the offset of the first quote, from one on; below 0 without one */
export const quoteFrom = (bytes: Buffer, from: number): number => {
  const near = Math.min(from + SHORT_BYTES, bytes.length)
  for (let at = from; at < near; at++) if (bytes[at] === QUOTE) return at
  return bytes.indexOf(QUOTE, near)
}

/** Each method takes the offset of the first byte and returns the offset behind the last. */
export class Scanner {
  private steps = 0
  private quotes = 0

  /** @param maxQuotes that end a string or are escaped in one; more of them take too long */
  constructor(
    private readonly bytes: Buffer,
    private readonly maxQuotes: number = Infinity
  ) {}

  /** Searches a member of the object at `open`. Unsure about repeated names and escaped ones. */
  find(name: string, open: number): Found {
    const found: Found = { value: null, name: 0, inside: open + 1, end: 0, isEmpty: true }
    found.end = this.members(open, (key, from, keyAt) => {
      const to = this.value(from)
      found.isEmpty = false
      if (key !== name) return to
      if (found.value !== null) throw UNSURE
      found.value = { from, to }
      found.name = keyAt
      return to
    })
    return found
  }

  /**
   * The members of the object at `open`. Unsure about escaped names.
   * @param read gets a name, the offsets of its value and of the name; returns the offset behind the value
   */
  members(open: number, read: (name: string, value: number, nameAt: number) => number): number {
    return this.items(this.behind(OPEN_OBJECT, open), CLOSE_OBJECT, (at) => {
      const end = this.string(at)
      const name = this.bytes.toString('latin1', at + 1, end - 1)
      if (name.includes('\\')) throw UNSURE
      return read(name, this.space(this.behind(COLON, this.space(end))), at)
    })
  }

  /** The values of the list at `open`. @param read returns the offset behind one */
  elements(open: number, read: (value: number) => number): number {
    return this.items(this.behind(OPEN_LIST, open), CLOSE_LIST, read)
  }

  /** The bytes of a member that was found, with the comma that goes with it. @param name its offset */
  member(name: number, { to }: Span): Span {
    const behind = this.space(to)
    if (this.bytes[behind] === COMMA) return { from: name, to: this.space(behind + 1) }
    let from = name
    while (isSpace(this.bytes[from - 1])) from--
    return { from: this.bytes[from - 1] === COMMA ? from - 1 : name, to }
  }

  space(from: number): number {
    let at = from
    for (; isSpace(this.bytes[at]); at++) if (at - from > MAX_STEPS) throw UNSURE
    if (at > from) this.step(at - from)
    return at
  }

  value(at: number): number {
    const first = this.bytes[at]
    if (first === QUOTE) return this.string(at)
    return first === OPEN_OBJECT || first === OPEN_LIST ? this.nested(at) : this.literal(at)
  }

  private items(inside: number, close: number, read: (at: number) => number): number {
    let at = this.space(inside)
    if (this.bytes[at] === close) return at + 1
    for (;;) {
      at = this.space(read(at))
      if (this.bytes[at] === close) return at + 1
      at = this.space(this.behind(COMMA, at))
    }
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
    for (let from = this.behind(QUOTE, at); ;) {
      this.step(STEPS_PER_QUOTE)
      const quote = quoteFrom(this.bytes, from)
      if (quote < 0 || ++this.quotes > this.maxQuotes) throw UNSURE
      let backslashes = 0
      while (this.bytes[quote - 1 - backslashes] === BACKSLASH) {
        this.step()
        backslashes++
      }
      if (backslashes % 2 === 0) return quote + 1
      from = quote + 1
    }
  }

  private nested(from: number): number {
    const { bytes } = this
    let [depth, at, steps] = [0, from, 0]
    do {
      const byte = bytes[at]
      if (byte === undefined || ++steps > MAX_STEPS) throw UNSURE
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
      at = byte === QUOTE ? this.string(at) : at + 1
    } while (depth > 0)
    this.step(steps)
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

/** The bytes with a text in place of a span. */
export const replaced = (body: Buffer, { from, to }: Span, text: string): Buffer =>
  Buffer.concat([body.subarray(0, from), Buffer.from(text), body.subarray(to)])

export interface Edit extends Span {
  text: string
}

/** The bytes with a text in place of each span. @param edits in the order of their spans, which are apart */
export const edited = (body: Buffer, edits: readonly Edit[]): Buffer => {
  if (edits.length === 0) return body
  const pieces: Buffer[] = []
  let kept = 0
  for (const { from, to, text } of edits) {
    pieces.push(body.subarray(kept, from), Buffer.from(text))
    kept = to
  }
  return Buffer.concat([...pieces, body.subarray(kept)])
}

/** Inserts a member first, which keeps the other members in one piece. */
export const inserted = (body: Buffer, { inside, isEmpty }: Found, member: string): Buffer =>
  replaced(body, { from: inside, to: inside }, isEmpty ? member : `${member},`)

/** @returns null where the edit cannot be made with certainty */
export const orNull = <T>(edit: () => T | null): T | null => {
  try {
    return edit()
  } catch (error) {
    if (error === UNSURE) return null
    throw error
  }
}
