/** The head of an answer, and what it says of the body and the connection. Pure, on text. */
import { invalidAnswer } from './http1-error.ts'

export interface StatusLine {
  /** of HTTP/1.x: 0 or 1 */
  minorVersion: number
  status: number
  statusText: string
}

/** RFC 9112 §4. The reason may be missing, and the space before it with it, as some servers have it. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/
const BEGINNING = 'HTTP/1.'

/** RFC 9110 §5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/

const SPACE = 0x20
const TAB = 0x09

/** Whether a text may become a status line: who speaks another protocol may never end what it says. */
export const mayBeHead = (text: string): boolean =>
  text.startsWith(BEGINNING) || BEGINNING.startsWith(text)

/** @throws Http1Error `invalid-answer` */
export const parseStatusLine = (line: string): StatusLine => {
  const [, minorVersion, status, statusText = ''] = STATUS_LINE.exec(line) ?? []
  if (status === undefined) throw invalidAnswer('its first line is no status line')
  return { minorVersion: Number(minorVersion), status: Number(status), statusText }
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB

/** Without the blanks around it, which are not part of a value (RFC 9112 §5.1). */
const valueIn = (text: string, from: number, to: number): string => {
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

/**
 * Field lines (RFC 9112 §5) as a flat list. Folded lines are refused (§5.2), and so is a blank before
 * the colon (§5.1).
 * @param text lines with CR LF between them and no other line end
 * @throws Http1Error `invalid-answer`
 */
export const parseFields = (text: string): string[] => {
  const fields: string[] = []
  for (let at = 0; at < text.length;) {
    const next = text.indexOf('\r\n', at)
    const end = next < 0 ? text.length : next
    const colon = text.indexOf(':', at)
    const name = text.slice(at, colon)
    if (colon < 0 || colon > end || !TOKEN.test(name)) throw invalidAnswer('a header has no name')
    fields.push(name, valueIn(text, colon + 1, end))
    at = end + 2
  }
  return fields
}

/** What says how long a message is cannot come behind it (RFC 9110 §6.5.1). */
const NOT_BEHIND = new Set(['content-length', 'transfer-encoding'])

/** One field line behind a chunked body (RFC 9112 §7.1.2). @throws Http1Error `invalid-answer` */
export const parseTrailer = (line: string): string[] => {
  const field = parseFields(line)
  if (NOT_BEHIND.has(field[0]!.toLowerCase()))
    throw invalidAnswer('it says how long it is behind its body')
  return field
}

/** How the end of a body is known. */
export type BodyFraming =
  { kind: 'length'; bytes: number } | { kind: 'chunked' } | { kind: 'until-close' }

export interface Framing {
  body: BodyFraming
  /** another request may go over the connection when the body is over */
  persists: boolean
  /** how long the other side keeps the connection without a request; null where it does not say */
  keepAliveMs: number | null
}

/** What the headers that are about this connection and message say. */
interface Transfer {
  lengths: string[]
  codings: string[]
  options: string[]
  keepAlive: string
}

const listed = (value: string): string[] =>
  value.split(',').map((item) => item.trim().toLowerCase())

const transferOf = (headers: readonly string[]): Transfer => {
  const transfer: Transfer = { lengths: [], codings: [], options: [], keepAlive: '' }
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!
    // most names have another length, and need not be looked at
    if (name.length !== 10 && name.length !== 14 && name.length !== 17) continue
    const value = headers[i + 1]!
    const lowerName = name.toLowerCase()
    if (lowerName === 'content-length') transfer.lengths.push(value)
    else if (lowerName === 'transfer-encoding') transfer.codings.push(...listed(value))
    else if (lowerName === 'connection') transfer.options.push(...listed(value))
    else if (lowerName === 'keep-alive') transfer.keepAlive += value
  }
  return transfer
}

/**
 * RFC 9112 §6.3, in its stricter readings: a length beside a transfer coding is refused, and so is a
 * second length, even an equal one. What is no list that ends with `chunked` lasts until the close.
 */
const bodyOf = (status: number, { lengths, codings }: Transfer): BodyFraming => {
  if (lengths.length + Math.sign(codings.length) > 1)
    throw invalidAnswer('it says more than once how long it is')
  if (codings.length === 1 && codings[0] === '') throw invalidAnswer('its transfer coding is empty')
  const [length = null] = lengths
  const bytes = Number(length)
  if (length !== null && !(/^\d+$/.test(length) && Number.isSafeInteger(bytes)))
    throw invalidAnswer('its length is no number')
  if (status < 200 || status === 204 || status === 304) return { kind: 'length', bytes: 0 }
  if (length !== null) return { kind: 'length', bytes }
  return codings.at(-1) === 'chunked' ? { kind: 'chunked' } : { kind: 'until-close' }
}

/** `timeout` is of practice, not of a standard: RFC 2068 §19.7.1.1 left its parameters open. */
const keepAliveOf = (value: string): number | null => {
  const seconds = /timeout=(\d+)/i.exec(value)?.[1]
  return seconds === undefined ? null : Number(seconds) * 1000
}

/** @throws Http1Error `invalid-answer` when what it says of its length is not one thing */
export const framingOf = (
  { minorVersion, status }: StatusLine,
  headers: readonly string[]
): Framing => {
  const transfer = transferOf(headers)
  const { options, codings } = transfer
  const body = bodyOf(status, transfer)
  // RFC 9112 §9.3; a coding in HTTP/1.0, which has none, is not to be relied on (§6.1)
  const isKept = minorVersion === 1 ? true : options.includes('keep-alive') && codings.length === 0
  return {
    body,
    persists: isKept && !options.includes('close') && body.kind !== 'until-close',
    keepAliveMs: keepAliveOf(transfer.keepAlive),
  }
}
