/**
 * The outline of a chat request's bytes: what it asks for and where its messages' texts begin, without
 * decoding them. To parse 8 KB of JSON takes longer than all else the proxy does with a request that
 * no template is in. Knows nothing of templates.
 */

export interface Outline {
  /** '' when it is no plain string */
  model: string
  streamed: boolean
  /** by message: offset of the first byte of its text behind the quote; −1 when it is no string */
  contents: number[]
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

const MODEL = Buffer.from('model')
const STREAM = Buffer.from('stream')
const MESSAGES = Buffer.from('messages')
const CONTENT = Buffer.from('content')

/** a search by the platform pays off behind so many bytes */
const SHORT_BYTES = 24
/** strings and escaped quotes to look at; what has more is parsed in the same time */
const MAX_STEPS = 256

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Thrown and caught in this file: the bytes are no JSON, or not worth to be read this way. */
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
    let [models, streams, lists] = [0, 0, 0]
    this.object((from, to) => {
      if (this.isText(MODEL, from, to) && ++models === 1) outline.model = this.plainString()
      else if (this.isText(STREAM, from, to) && ++streams === 1) outline.streamed = this.isTrue()
      else if (this.isText(MESSAGES, from, to) && ++lists === 1) this.messages(outline.contents)
      else this.value()
    })
    this.space()
    // of equal keys a parser takes the last one; nobody sends that
    if (this.at !== this.bytes.length || models > 1 || streams > 1 || lists > 1) throw GIVE_UP
    return outline
  }

  private messages(contents: number[]): void {
    this.list(() => {
      let content: number | null = null
      this.object((from, to) => {
        if (!this.isText(CONTENT, from, to)) return this.value()
        if (content !== null) throw GIVE_UP
        content = this.bytes[this.at] === QUOTE ? this.at + 1 : -1
        this.value()
      })
      contents.push(content ?? -1)
    })
  }

  /** @param member gets where its key begins and ends, and moves behind its value */
  private object(member: (from: number, to: number) => void): void {
    this.expect(OPEN_OBJECT)
    this.space()
    if (this.takes(CLOSE_OBJECT)) return
    do {
      this.space()
      const from = this.at + 1
      const to = this.string()
      this.requirePlain(from, to)
      this.space()
      this.expect(COLON)
      this.space()
      member(from, to)
      this.space()
    } while (this.takes(COMMA))
    this.expect(CLOSE_OBJECT)
  }

  private list(item: () => void): void {
    this.expect(OPEN_LIST)
    this.space()
    if (this.takes(CLOSE_LIST)) return
    do {
      this.space()
      item()
      this.space()
    } while (this.takes(COMMA))
    this.expect(CLOSE_LIST)
  }

  /** Any value, skipped. Whether brackets match is the parser's to say. */
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

  /** A number, `true`, `false` or `null`. @returns its bytes as text */
  private literal(): string {
    const from = this.at
    for (;;) {
      const byte = this.bytes[this.at]
      const ends = byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST
      if (byte === undefined || ends || isSpace(byte)) break
      this.at++
    }
    if (this.at === from) throw GIVE_UP
    return this.bytes.toString('latin1', from, this.at)
  }

  private isTrue(): boolean {
    const first = this.bytes[this.at]
    if (first === QUOTE || first === OPEN_OBJECT || first === OPEN_LIST) throw GIVE_UP
    return this.literal() === 'true'
  }

  /** An escaped key could be any. */
  private requirePlain(from: number, to: number): void {
    for (let at = from; at < to; at++) if (this.bytes[at] === BACKSLASH) throw GIVE_UP
  }

  private isText(text: Buffer, from: number, to: number): boolean {
    if (to - from !== text.length) return false
    for (let i = 0; i < text.length; i++) if (this.bytes[from + i] !== text[i]) return false
    return true
  }

  private plainString(): string {
    if (this.bytes[this.at] !== QUOTE) throw GIVE_UP
    const from = this.at + 1
    const text = this.bytes.toString('utf8', from, this.string())
    if (text.includes('\\')) throw GIVE_UP
    return text
  }

  /** Moves behind a string. @returns offset of the closing quote */
  private string(): number {
    this.expect(QUOTE)
    for (let from = this.at; ;) {
      if (++this.steps > MAX_STEPS) throw GIVE_UP
      const end = this.quoteFrom(from)
      if (end < 0) throw GIVE_UP
      let backslashes = 0
      while (this.bytes[end - 1 - backslashes] === BACKSLASH) backslashes++
      from = end + 1
      if (backslashes % 2 === 1) continue
      this.at = from
      return end
    }
  }

  private quoteFrom(from: number): number {
    const near = Math.min(from + SHORT_BYTES, this.bytes.length)
    for (let at = from; at < near; at++) if (this.bytes[at] === QUOTE) return at
    return this.bytes.indexOf(QUOTE, near)
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
 * What `JSON.parse` would find there, as far as that is cheap.
 * @returns null when the bytes must be parsed: no JSON object, equal or escaped keys, messages that
 * are no list of objects, or more strings than are worth it
 */
export const outlineOf = (bytes: Buffer): Outline | null => {
  try {
    return new OutlineReader(bytes).read()
  } catch (error) {
    if (error === GIVE_UP) return null
    throw error
  }
}
