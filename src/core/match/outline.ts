/**
 * The outline of a chat request's bytes: its model and where its messages' texts begin, without decoding
 * them. Parsing 8 KB of JSON takes longer than everything else that the proxy does with a request of no
 * template. Knows nothing of templates.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

export interface Outline {
  /** '' when there is none */
  model: string
  streamed: boolean
  /** by message: offset of its text's first byte, behind the quote; null when content is not a string */
  contents: (number | null)[]
}

/** a native search is faster than a loop from about here on */
const SHORT_BYTES = 24
/** quotes to look at; with more of them, parsing takes no longer */
const MAX_STEPS = 256

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

const quoteFrom = (bytes: Buffer, from: number): number => {
  const near = Math.min(from + SHORT_BYTES, bytes.length)
  for (let at = from; at < near; at++) if (bytes[at] === QUOTE) return at
  return bytes.indexOf(QUOTE, near)
}

/** Thrown and caught in this file: the bytes are not JSON, or must be parsed. */
const GIVE_UP = new Error('no outline')

class OutlineReader {
  private readonly bytes: Buffer
  private at = 0
  private steps = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  read(): Outline {
    const outline: Outline = { model: '', streamed: false, contents: [] }
    const seen = new Set<string>()
    this.object((name) => {
      // parsers disagree on equal names
      if (seen.has(name)) throw GIVE_UP
      seen.add(name)
      if (name === 'model') outline.model = this.plainString()
      else if (name === 'messages') this.messages(outline.contents)
      else if (name === 'stream') {
        const from = this.at
        this.value()
        outline.streamed = this.bytes.toString('latin1', from, this.at) === 'true'
      } else this.value()
    })
    this.space()
    if (this.at !== this.bytes.length) throw GIVE_UP
    return outline
  }

  private messages(contents: Outline['contents']): void {
    this.items(OPEN_LIST, CLOSE_LIST, () => {
      let content: number | null | undefined
      this.object((name) => {
        if (name === 'content') {
          if (content !== undefined) throw GIVE_UP
          content = this.bytes[this.at] === QUOTE ? this.at + 1 : null
        }
        this.value()
      })
      contents.push(content ?? null)
    })
  }

  /** @param member gets the name of a member, and moves behind its value */
  private object(member: (name: string) => void): void {
    this.items(OPEN_OBJECT, CLOSE_OBJECT, () => {
      const name = this.plainString()
      this.space()
      this.expect(COLON)
      this.space()
      member(name)
    })
  }

  private items(open: number, close: number, item: () => void): void {
    this.expect(open)
    this.space()
    if (this.takes(close)) return
    do {
      this.space()
      item()
      this.space()
    } while (this.takes(COMMA))
    this.expect(close)
  }

  /** Moves behind a value. Does not check that brackets match; the parser does. */
  private value(): void {
    const first = this.bytes[this.at]
    if (first === QUOTE) this.string()
    else if (first === OPEN_OBJECT || first === OPEN_LIST) this.nested()
    else this.literal()
  }

  private nested(): void {
    let depth = 0
    do {
      const byte = this.bytes[this.at]
      if (byte === undefined) throw GIVE_UP
      if (byte === QUOTE) {
        this.string()
        continue
      }
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
      this.at++
    } while (depth > 0)
  }

  /** Moves behind a number, `true`, `false` or `null`. */
  private literal(): void {
    for (;;) {
      const byte = this.bytes[this.at]
      const ends = byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST
      if (byte === undefined || ends || isSpace(byte)) return
      this.at++
    }
  }

  /** A string without escapes: an escaped one has to be parsed. */
  private plainString(): string {
    const from = this.at + 1
    const text = this.bytes.toString('utf8', from, this.string())
    if (text.includes('\\')) throw GIVE_UP
    return text
  }

  /** Moves behind a string. @returns offset of the closing quote */
  private string(): number {
    this.expect(QUOTE)
    for (;;) {
      const end = quoteFrom(this.bytes, this.at)
      if (++this.steps > MAX_STEPS || end < 0) throw GIVE_UP
      let first = end
      while (this.bytes[first - 1] === BACKSLASH) first--
      this.at = end + 1
      if ((end - first) % 2 === 0) return end
    }
  }

  private space(): void {
    while (isSpace(this.bytes[this.at])) this.at++
  }

  private takes(byte: number): boolean {
    if (this.bytes[this.at] !== byte) return false
    this.at++
    return true
  }

  private expect(byte: number): void {
    if (!this.takes(byte)) throw GIVE_UP
  }
}

/**
 * The values that `JSON.parse` would find, where reading them is cheap.
 * @returns null when the bytes must be parsed: not a JSON object, equal or escaped names, messages that
 * are not a list of objects, or too many strings
 */
export const outlineOf = (bytes: Buffer): Outline | null => {
  try {
    return new OutlineReader(bytes).read()
  } catch (error) {
    if (error === GIVE_UP) return null
    throw error
  }
}
