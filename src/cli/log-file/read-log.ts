/** A file with the log of another program: JSONL, or a JSON document. `import` and `scan` read it alike. */
import { FORM_NAMES } from '../../core/log/forms/read-forms.ts'
import {
  readImportLine,
  type ImportedLine,
  type ImportOptions,
} from '../../core/log/import-line.ts'
import { AppError } from '../../errors.ts'
import { readLines, type Line } from '../read-lines.ts'

export interface Value extends Line {
  /** of the line on which it begins */
  number: number
  /** in the file, from 1 */
  place: number
}

const byte = (character: string): number => character.charCodeAt(0)
const [QUOTE, BACKSLASH, LINE_END, COMMA] = [byte('"'), byte('\\'), byte('\n'), byte(',')]
const [OPEN_LIST, CLOSE_LIST] = [byte('['), byte(']')]
const OPENS = new Set([byte('{'), OPEN_LIST])
const CLOSES = new Set([byte('}'), CLOSE_LIST])
/** With the three bytes of a byte order mark. */
const BLANKS = new Set([0x09, LINE_END, 0x0d, 0x20, 0xef, 0xbb, 0xbf])

/**
 * Whether a file is a list, or begins with a value that goes on in its second line. A line of JSONL cannot end with an
 * open bracket or a comma, and a torn one hardly does.
 * @param head of the file
 */
export const isDocument = (head: Buffer): boolean => {
  const text = head
    .toString()
    .replace(/^\uFEFF/, '')
    .trimStart()
  const end = text.indexOf('\n')
  if (text.startsWith('[')) return true
  return text.startsWith('{') && end >= 0 && /[{[,]$/.test(text.slice(0, end).trimEnd())
}

/** Finds where values begin and end, byte by byte, without parsing them. */
class ValueScanner {
  /** open brackets; those of a list around the values are not counted */
  private depth = 0
  private isInList = false
  private isInString = false
  private isEscaped = false
  isInValue = false
  line = 1

  /** @returns whether a value has ended, before the byte or with it */
  take(next: number): 'before' | 'with' | null {
    if (next === LINE_END) this.line++
    if (this.isInString) this.takeInString(next)
    else if (this.depth === 0) return this.takeBetween(next)
    else if (next === QUOTE) this.isInString = true
    else if (OPENS.has(next)) this.depth++
    else if (CLOSES.has(next)) return this.close()
    return null
  }

  private takeInString(next: number): void {
    if (this.isEscaped) this.isEscaped = false
    else if (next === BACKSLASH) this.isEscaped = true
    else if (next === QUOTE) this.isInString = false
  }

  private close(): 'with' | null {
    this.depth--
    if (this.depth > 0) return null
    this.isInValue = false
    return 'with'
  }

  private takeBetween(next: number): 'before' | null {
    const isListEnd = this.isInList && next === CLOSE_LIST
    const isListStart = !this.isInList && !this.isInValue && next === OPEN_LIST
    if (isListStart || isListEnd) this.isInList = isListStart
    if (isListStart || isListEnd || next === COMMA || BLANKS.has(next)) {
      const wasInValue = this.isInValue
      this.isInValue = false
      return wasInValue ? 'before' : null
    }
    this.isInValue = true
    if (OPENS.has(next)) this.depth++
    if (next === QUOTE) this.isInString = true
    return null
  }
}

/**
 * The values of a file one after the other; those of a list one by one.
 * @param maxBytes of a value; a longer one has no text
 */
export async function* readValues(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number
): AsyncGenerator<Value> {
  const scanner = new ValueScanner()
  let pieces: Buffer[] = []
  let [length, number, place, bytes] = [0, 1, 0, 0]
  const add = (piece: Buffer): void => {
    length += piece.length
    if (length <= maxBytes) pieces.push(piece)
    else pieces = []
  }
  const endValue = (end: number): Value => {
    const text = length > maxBytes ? null : Buffer.concat(pieces).toString()
    pieces = []
    length = 0
    place++
    return { number, place, text, bytes: end }
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const wasInValue = scanner.isInValue
      const end = scanner.take(chunk[at]!)
      if (!wasInValue && scanner.isInValue) [from, number] = [at, scanner.line]
      if (end === null) continue
      add(chunk.subarray(from, end === 'with' ? at + 1 : at))
      yield endValue(bytes + at + 1)
    }
    if (scanner.isInValue) add(chunk.subarray(from))
    bytes += chunk.length
  }
  if (length > 0) yield endValue(bytes)
}

const MAX_LINE_BYTES = 32 * 2 ** 20

/** A line of JSONL or a value of a document that is not blank. */
export interface LogEntry {
  /** of its line, from 1 */
  number: number
  /** bytes of the file up to its end */
  bytes: number
  /** its exchanges, and what is none */
  found: ImportedLine[]
}

/** The chunks, and the first one of them, which decides how to read the others. */
const peek = async (
  chunks: AsyncIterable<Buffer>
): Promise<{ head: Buffer; all: AsyncIterable<Buffer> }> => {
  const iterator = chunks[Symbol.asyncIterator]()
  const first = await iterator.next()
  const head = first.done === true ? Buffer.alloc(0) : first.value
  async function* all(): AsyncGenerator<Buffer> {
    try {
      yield head
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  return { head, all: all() }
}

/** @param unnamed time of a line that names none, milliseconds since the epoch */
export async function* readLog(
  chunks: AsyncIterable<Buffer>,
  options: ImportOptions,
  unnamed: () => number
): AsyncGenerator<LogEntry> {
  const { head, all } = await peek(chunks)
  const entries: AsyncIterable<Line | Value> = isDocument(head)
    ? readValues(all, MAX_LINE_BYTES)
    : readLines(all, MAX_LINE_BYTES)
  for await (const entry of entries) {
    const { number, text, bytes } = entry
    if (text?.trim() === '') continue
    const place = 'place' in entry ? entry.place : number
    const found =
      text === null
        ? [{ reason: `it is longer than ${MAX_LINE_BYTES} bytes (docs/scan.md: how to split it)` }]
        : readImportLine({ number: place, text, at: unnamed() }, options)
    yield { number, bytes, found }
  }
}

/**
 * The error for a file without an exchange.
 * @param reason why its first line has none
 */
export const noExchange = (path: string, reason: string | undefined): AppError =>
  new AppError(
    'invalid-request',
    `${path} has no line that is a chat exchange` +
      (reason === undefined ? '' : `: ${reason}`) +
      `. It may have ${FORM_NAMES.join(', ')} (docs/scan.md)`
  )
