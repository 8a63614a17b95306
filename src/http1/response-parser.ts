/**
 * Reads the answers of an HTTP/1.x connection, one after another, however its bytes are cut. Pure: it
 * is fed chunks and asked for what they come to, so that whoever asks can stop at any point. As strict
 * as llhttp, or stricter; `test/fuzz` compares the two.
 */
import {
  framingOf,
  mayBeHead,
  parseFields,
  parseStatusLine,
  parseTrailer,
  type Framing,
} from './answer-head.ts'
import { ByteQueue } from './byte-queue.ts'
import { chunkSizeOf } from './chunk-size.ts'
import { Http1Error, invalidAnswer } from './http1-error.ts'

export interface AnswerHead {
  status: number
  statusText: string
  /** flat list in latin1 */
  headers: string[]
  framing: Framing
}

/**
 * `interim` and `head`: `head` is new. `data`: `data` is. `end`: the answer is over. `more`: there is
 * nothing to say until more bytes come.
 */
export type ParserEvent = 'more' | 'interim' | 'head' | 'data' | 'end'

type State =
  | 'head'
  | 'length'
  | 'until-close'
  | 'chunk-size'
  | 'chunk-data'
  | 'chunk-end'
  | 'trailers'
  | 'over'

const LINE_END = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')
const EMPTY = Buffer.alloc(0)

const SWITCHING_PROTOCOLS = 101

export class ResponseParser {
  /** of the newest answer, an interim one included; null before there is one */
  head: AnswerHead | null = null
  /** a piece of the body, a view of what was fed */
  data: Buffer = EMPTY
  trailers: string[] = []
  private readonly maxHeadBytes: number
  private readonly queue = new ByteQueue()
  private state: State = 'head'
  /** bytes of the body or the chunk that have not come */
  private missing = 0
  private trailerBytes = 0

  /** @param maxHeadBytes of a head, of trailers, and of the line before a chunk */
  constructor(maxHeadBytes: number) {
    this.maxHeadBytes = maxHeadBytes
  }

  push(chunk: Buffer): void {
    this.queue.push(chunk)
  }

  /** @throws Http1Error `invalid-answer`; nothing can be read after that */
  next(): ParserEvent {
    for (;;) {
      const event = this.advance()
      if (event !== null) return event
    }
  }

  /** The connection has ended, and `next` has said `more`. @throws Http1Error `answer-cut-off` */
  finish(): void {
    if (this.state !== 'until-close')
      throw new Http1Error('answer-cut-off', 'the connection ended before the answer did')
    this.state = 'over'
  }

  /** Another answer may follow: this one is over, and nothing that nobody asked for stands behind it. */
  get isReusable(): boolean {
    return this.state === 'over' && this.head!.framing.persists && this.queue.isEmpty
  }

  /** Makes ready for the next answer. */
  reset(): void {
    this.state = 'head'
    this.head = null
    this.data = EMPTY
    this.trailers = []
    this.trailerBytes = 0
  }

  /** @returns null when a state has led to the next one */
  private advance(): ParserEvent | null {
    switch (this.state) {
      case 'head':
        return this.readHead()
      case 'length':
        return this.missing === 0 ? this.end() : this.readPart()
      case 'until-close':
        return this.readPart()
      case 'chunk-size':
        return this.readChunkSize()
      case 'chunk-data':
        if (this.missing > 0) return this.readPart()
        this.state = 'chunk-end'
        return null
      case 'chunk-end':
        return this.readChunkEnd()
      case 'trailers':
        return this.readTrailers()
      case 'over':
        return 'end'
    }
  }

  private end(): null {
    this.state = 'over'
    return null
  }

  private readHead(): ParserEvent {
    const text = this.queue.textUntil(HEAD_END, this.maxHeadBytes)
    if (text === null) {
      if (!mayBeHead(this.queue.begunText())) throw invalidAnswer('it begins with something else')
      return 'more'
    }
    const lineEnd = text.indexOf('\r\n')
    const statusLine = parseStatusLine(lineEnd < 0 ? text : text.slice(0, lineEnd))
    const { status, statusText } = statusLine
    const headers = lineEnd < 0 ? [] : parseFields(text.slice(lineEnd + 2))
    const framing = framingOf(statusLine, headers)
    if (status === SWITCHING_PROTOCOLS)
      throw invalidAnswer('it changes to a protocol that nobody asked for')
    this.head = { status, statusText, headers, framing }
    if (status < 200) return 'interim'
    this.begin(framing)
    return 'head'
  }

  private begin({ body }: Framing): void {
    this.state = body.kind === 'chunked' ? 'chunk-size' : body.kind
    this.missing = body.kind === 'length' ? body.bytes : Infinity
  }

  private readPart(): ParserEvent {
    if (this.queue.isEmpty) return 'more'
    this.data = this.queue.take(this.missing)
    this.missing -= this.data.length
    return 'data'
  }

  private readChunkSize(): ParserEvent | null {
    // by far the most: a size and nothing else
    const size = this.queue.hexLine()
    if (size >= 0) return this.beginChunk(size)
    const line = this.queue.textUntil(LINE_END, this.maxHeadBytes)
    return line === null ? 'more' : this.beginChunk(chunkSizeOf(line))
  }

  private beginChunk(bytes: number): null {
    this.missing = bytes
    this.state = bytes === 0 ? 'trailers' : 'chunk-data'
    return null
  }

  private readChunkEnd(): ParserEvent | null {
    if (!this.queue.lineEnd() && this.queue.textUntil(LINE_END, 0) === null) return 'more'
    this.state = 'chunk-size'
    return null
  }

  private readTrailers(): ParserEvent | null {
    const line = this.queue.textUntil(LINE_END, this.maxHeadBytes - this.trailerBytes)
    if (line === null) return 'more'
    if (line === '') return this.end()
    this.trailerBytes += line.length
    this.trailers.push(...parseTrailer(line))
    return null
  }
}
