/**
 * The heads that nearly every request has, read here because Node's parser and what it makes of a
 * request cost more than all else that the proxy does with it (docs/decisions/2026-11-27-plain-path.md).
 * What is accepted is a strict subset of HTTP/1.1 about which no two readers can disagree: one start
 * line, names and values in ASCII, no name twice, a length, nothing that changes how a body or the
 * connection is read. All else is Node's to read or to refuse.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { LRUCache } from 'lru-cache'
import { fieldKey, valueIn } from './field-text.ts'

/** As in Node's IncomingMessage, whose place it takes. */
export interface RequestHead {
  method?: string | undefined
  url?: string | undefined
  /** names and values in turn, as they came; a plain one's without `content-length` */
  rawHeaders: string[]
  /** by names in lower case */
  headers: IncomingHttpHeaders
  /** one object stands for all heads that are alike */
  recurs?: boolean
}

export interface PlainHead {
  request: RequestHead
  /** of the head itself, with the empty line */
  headBytes: number
  /** as declared, at least 1 */
  bodyBytes: number
  /** whether the connection may have another request */
  isKept: boolean
  /** what another head that is alike is recognized by; null where none is looked for */
  known: KnownHead | null
}

/** Node's own limit of a head. */
const MAX_HEAD_BYTES = 16_384
const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = '\r\n'

/** ASCII without control characters: less than RFC 9110 §5.5 allows, and no part of a line end. */
const PLAIN_VALUE = /^[\t\x20-\x7e]*$/
const LENGTH = /^[1-9][0-9]{0,9}$/
const LENGTH_NAME = 'content-length'
const LENGTH_LINES = [`${LINE_END}content-length: `, `${LINE_END}Content-Length: `]

/** Of heads that are remembered. */
const MAX_KNOWN_BYTES = 2 ** 20
/** its text, its bytes, its fields, and what the upstream gets of them */
const KNOWN_BYTES_PER_CHAR = 5

/** They say how something is to be read, or mean more than their text. */
const NODES_OWN = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'keep-alive',
  'http2-settings',
  'set-cookie',
])

/** @returns null where a line is not plain. @param at behind the start line */
const readFields = (
  text: string,
  at: number
): Pick<RequestHead, 'rawHeaders' | 'headers'> | null => {
  const rawHeaders: string[] = []
  const headers: Record<string, string> = {}
  for (let from = at; from < text.length;) {
    const to = text.indexOf(LINE_END, from)
    const colon = text.indexOf(':', from)
    if (colon < 0 || colon > to) return null
    const name = text.slice(from, colon)
    const key = fieldKey(name)
    // `in` also finds what every object has: a header by such a name is not plain either
    if (key === null || NODES_OWN.has(key) || key in headers) return null
    const value = valueIn(text, colon + 1, to)
    if (!PLAIN_VALUE.test(value)) return null
    if (key !== LENGTH_NAME) rawHeaders.push(name, value)
    headers[key] = value
    from = to + LINE_END.length
  }
  return { rawHeaders, headers }
}

/** What `connection` says about that; null where it says more (RFC 9110 §7.6.1). */
const keepsConnection = (connection = 'keep-alive'): boolean | null => {
  const option = connection.toLowerCase()
  return option === 'keep-alive' || (option === 'close' ? false : null)
}

/** A head but for the length of its body, which is all that differs between many a client's requests. */
interface KnownHead extends Pick<PlainHead, 'request' | 'isKept'> {
  /** its bytes up to the digits of that length */
  before: Buffer
  /** and behind them, to its end */
  behind: Buffer
}

const ZERO = 0x30
const NINE = 0x39
const MAX_LENGTH_DIGITS = 10

/** A loop, since for so few bytes a call of the platform's takes longer. */
const standsAt = (part: Buffer, bytes: Buffer, at: number): boolean => {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false
  return true
}

/** The head once more, with whatever length; null for any other. */
const readAgain = (bytes: Buffer, known: KnownHead): PlainHead | null => {
  const { before, behind, request, isKept } = known
  if (!standsAt(before, bytes, 0)) return null
  const from = before.length
  let [bodyBytes, at] = [0, from]
  for (; at < from + MAX_LENGTH_DIGITS; at++) {
    const digit = bytes[at] ?? 0
    if (digit < ZERO || digit > NINE) break
    bodyBytes = bodyBytes * 10 + digit - ZERO
  }
  // as `LENGTH` has it
  if (at === from || bytes[from] === ZERO || !standsAt(behind, bytes, at)) return null
  const headBytes = at + behind.length
  return headBytes > MAX_HEAD_BYTES ? null : { request, isKept, bodyBytes, headBytes, known }
}

/** @returns null where a head is not plain. @param at behind the start line */
const readHead = (
  text: string,
  path: string,
  at: number
): Pick<PlainHead, 'request' | 'isKept' | 'bodyBytes'> | null => {
  const fields = readFields(text, at)
  if (fields === null) return null
  const { rawHeaders, headers } = fields
  const { [LENGTH_NAME]: length = '', ...others } = headers
  const kept = keepsConnection(headers.connection)
  if (headers.host === undefined || kept === null || !LENGTH.test(length)) return null
  const request: RequestHead = { method: 'POST', url: path, rawHeaders, headers: others }
  return { request, isKept: kept, bodyBytes: Number(length) }
}

/** Where the digits of `content-length` are, in the two ways in which clients write that line. */
const lengthIn = (text: string): { from: number; to: number } | null => {
  for (const line of LENGTH_LINES) {
    const at = text.indexOf(line)
    if (at < 0) continue
    const from = at + line.length
    return { from, to: text.indexOf(LINE_END, from) }
  }
  return null
}

/**
 * Reads heads, of which most have come before but for the length of the body: they are recognized as a
 * text. What was never plain is not remembered, so the texts of two heads without their lengths are
 * alike only where the heads are.
 */
class Reader {
  private readonly path: string
  private readonly startLine: string
  private readonly known = new LRUCache<string, KnownHead>({
    maxSize: MAX_KNOWN_BYTES,
    maxEntrySize: MAX_KNOWN_BYTES / 8,
    sizeCalculation: (_head, text) => text.length * KNOWN_BYTES_PER_CHAR,
  })

  constructor(path: string) {
    this.path = path
    this.startLine = `POST ${path} HTTP/1.1${LINE_END}`
  }

  read(bytes: Buffer, latest: KnownHead | null): PlainHead | 'incomplete' | 'other' {
    const again = latest === null ? null : readAgain(bytes, latest)
    if (again !== null) return again
    const { startLine } = this
    const end = bytes.indexOf(HEAD_END)
    const headBytes = end + HEAD_END.length
    if (end < 0) {
      const begun = bytes.toString('latin1', 0, startLine.length)
      return startLine.startsWith(begun) && bytes.length <= MAX_HEAD_BYTES ? 'incomplete' : 'other'
    }
    if (headBytes > MAX_HEAD_BYTES) return 'other'
    const text = bytes.toString('latin1', 0, end + LINE_END.length)
    if (!text.startsWith(startLine)) return 'other'
    const head = this.headOf(text)
    if (head === null) return 'other'
    return { ...head, headBytes }
  }

  private headOf(text: string): Omit<PlainHead, 'headBytes'> | null {
    const place = lengthIn(text)
    if (place === null) {
      const head = readHead(text, this.path, this.startLine.length)
      return head && { ...head, known: null }
    }
    const before = text.slice(0, place.from)
    const behind = `${text.slice(place.to)}${LINE_END}`
    const length = text.slice(place.from, place.to)
    const known = this.known.get(before + behind)
    if (known !== undefined && LENGTH.test(length))
      return { request: known.request, isKept: known.isKept, bodyBytes: Number(length), known }
    const head = readHead(text, this.path, this.startLine.length)
    if (head === null) return null
    const { isKept, bodyBytes } = head
    const request = { ...head.request, recurs: true }
    const recurring: KnownHead = {
      request,
      isKept,
      before: Buffer.from(before, 'latin1'),
      behind: Buffer.from(behind, 'latin1'),
    }
    this.known.set(before + behind, recurring)
    return { request, isKept, bodyBytes, known: recurring }
  }
}

/**
 * Reads a request from its first byte on, with whatever came behind its head.
 * @param latest of the head that came before it
 * @returns `incomplete` while it may become a plain head, `other` as soon as it cannot
 */
export type PlainHeadReader = (
  bytes: Buffer,
  latest: KnownHead | null
) => PlainHead | 'incomplete' | 'other'

/** @param path whose requests are plain: `POST <path> HTTP/1.1` and nothing else */
export const createPlainHeadReader = (path: string): PlainHeadReader => {
  const reader = new Reader(path)
  return (bytes, latest) => reader.read(bytes, latest)
}
