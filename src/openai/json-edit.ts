/** Edits members of a JSON object in its bytes, so that all other bytes stay as they are. */

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

/** Thrown by a scanner, and caught by `orNull`: the bytes are not the expected JSON, or take too long. */
export const UNSURE = new Error('no edit')

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Each method takes the offset of the first byte and returns the offset behind the last. */
export class Scanner {
  private readonly bytes: Buffer
  private steps = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Searches a member of the object at `open`. Unsure about repeated names and escaped ones. */
  find(name: string, open: number): Found {
    const inside = this.behind(OPEN_OBJECT, open)
    let value: Span | null = null
    let nameAt = 0
    let at = this.space(inside)
    if (this.bytes[at] === CLOSE_OBJECT)
      return { value, name: 0, inside, end: at + 1, isEmpty: true }
    for (;;) {
      const keyAt = at
      const keyEnd = this.string(at)
      const key = this.bytes.toString('latin1', at + 1, keyEnd - 1)
      const from = this.space(this.behind(COLON, this.space(keyEnd)))
      const to = this.value(from)
      if (key.includes('\\') || (key === name && value !== null)) throw UNSURE
      if (key === name) [value, nameAt] = [{ from, to }, keyAt]
      at = this.space(to)
      if (this.bytes[at] === CLOSE_OBJECT)
        return { value, name: nameAt, inside, end: at + 1, isEmpty: false }
      at = this.space(this.behind(COMMA, at))
    }
  }

  /** The values of the list at `open`. */
  elements(open: number): Span[] {
    const spans: Span[] = []
    let at = this.space(this.behind(OPEN_LIST, open))
    if (this.bytes[at] === CLOSE_LIST) return spans
    for (;;) {
      const to = this.value(at)
      spans.push({ from: at, to })
      at = this.space(to)
      if (this.bytes[at] === CLOSE_LIST) return spans
      at = this.space(this.behind(COMMA, at))
    }
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
    for (let from = this.behind(QUOTE, at); ;) {
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
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
      at = byte === QUOTE ? this.string(at) : at + 1
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
