/**
 * The heads that nearly every request has, read here because Node's parser and what it makes of a
 * request cost more than all else that the proxy does with it (docs/decisions/2026-11-27-plain-path.md).
 * What is accepted is a strict subset of HTTP/1.1 about which no two readers can disagree: one start
 * line, names and values in ASCII, no name twice, a length, nothing that changes how a body or the
 * connection is read. All else is Node's to read or to refuse.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { TOKEN, valueIn } from './field-text.ts'

/** As in Node's IncomingMessage, whose place it takes. */
export interface RequestHead {
  method?: string | undefined
  url?: string | undefined
  /** names and values in turn, as they came */
  rawHeaders: string[]
  /** by names in lower case */
  headers: IncomingHttpHeaders
}

export interface PlainHead extends RequestHead {
  /** of the head itself, with the empty line */
  headBytes: number
  /** as declared, at least 1 */
  bodyBytes: number
  /** whether the connection may have another request */
  isKept: boolean
}

/** Node's own limit of a head. */
const MAX_HEAD_BYTES = 16_384
const HEAD_END = '\r\n\r\n'
const LINE_END = '\r\n'

/** ASCII without control characters: less than RFC 9110 §5.5 allows, and no part of a line end. */
const PLAIN_VALUE = /^[\t\x20-\x7e]*$/
const LENGTH = /^[1-9][0-9]{0,9}$/

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

/** Names that clients have sent → as `headers` has them, null where they are not plain. */
const keys = new Map<string, string | null>()
const MAX_KEYS = 1000
const MAX_KEY_CHARS = 64

const keyFor = (name: string): string | null => {
  const key = name.toLowerCase()
  return TOKEN.test(name) && !NODES_OWN.has(key) ? key : null
}

/** Clients send the same names again and again. */
const keyOf = (name: string): string | null => {
  const known = keys.get(name)
  if (known !== undefined) return known
  const key = keyFor(name)
  if (keys.size < MAX_KEYS && name.length <= MAX_KEY_CHARS) keys.set(name, key)
  return key
}

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
    const key = keyOf(name)
    // `in` also finds what every object has: a header by such a name is not plain either
    if (key === null || key in headers) return null
    const value = valueIn(text, colon + 1, to)
    if (!PLAIN_VALUE.test(value)) return null
    rawHeaders.push(name, value)
    headers[key] = value
    from = to + LINE_END.length
  }
  return { rawHeaders, headers }
}

/** What `connection` says about that; null where it says more (RFC 9110 §7.6.1). */
const isKept = (connection = 'keep-alive'): boolean | null => {
  const option = connection.toLowerCase()
  return option === 'keep-alive' || (option === 'close' ? false : null)
}

/**
 * Reads a request from its first byte on, with whatever came behind its head.
 * @returns `incomplete` while it may become a plain head, `other` as soon as it cannot
 */
export type PlainHeadReader = (bytes: Buffer) => PlainHead | 'incomplete' | 'other'

/** @param path whose requests are plain: `POST <path> HTTP/1.1` and nothing else */
export const createPlainHeadReader = (path: string): PlainHeadReader => {
  const startLine = `POST ${path} HTTP/1.1${LINE_END}`
  return (bytes) => {
    const begun = bytes.toString('latin1', 0, startLine.length)
    if (!startLine.startsWith(begun)) return 'other'
    const end = bytes.indexOf(HEAD_END)
    if (end < 0) return bytes.length > MAX_HEAD_BYTES ? 'other' : 'incomplete'
    const headBytes = end + HEAD_END.length
    if (headBytes > MAX_HEAD_BYTES) return 'other'
    const text = bytes.toString('latin1', 0, end + LINE_END.length)
    const fields = readFields(text, startLine.length)
    if (fields === null) return 'other'
    const { host, connection, 'content-length': length = '' } = fields.headers
    const kept = isKept(connection)
    if (host === undefined || kept === null || !LENGTH.test(length)) return 'other'
    const bodyBytes = Number(length)
    return { method: 'POST', url: path, ...fields, headBytes, bodyBytes, isKept: kept }
  }
}
