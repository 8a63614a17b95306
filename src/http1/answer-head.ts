/** The head of an answer, and what it says of the body and the connection. Pure, on text. */
import { FIELD_VALUE, fieldKey, valueIn } from './field-text.ts'
import { invalidAnswer } from './http1-error.ts'

export interface StatusLine {
  /** of HTTP/1.x: 0 or 1 */
  minorVersion: number
  status: number
  statusText: string
}

/** RFC 9112 §4. The reason may be missing, and the space before it with it, as some servers have it. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t -~\x80-\xff]*))?$/
const BEGINNING = 'HTTP/1.'

/** Whether a text may become a status line: who speaks another protocol may never end what it says. */
export const mayBeHead = (text: string): boolean =>
  text.startsWith(BEGINNING) || BEGINNING.startsWith(text)

/** As most servers have it. */
const USUAL_STATUS_LINE = 'HTTP/1.1 200 OK'
const USUAL_STATUS: StatusLine = { minorVersion: 1, status: 200, statusText: 'OK' }

/** @throws Http1Error `invalid-answer` */
export const parseStatusLine = (line: string): StatusLine => {
  if (line === USUAL_STATUS_LINE) return USUAL_STATUS
  const [, minorVersion, status, statusText = ''] = STATUS_LINE.exec(line) ?? []
  if (status === undefined) throw invalidAnswer('its first line is no status line')
  return { minorVersion: Number(minorVersion), status: Number(status), statusText }
}

/**
 * Field lines (RFC 9112 §5) as a flat list. Folded lines are refused (§5.2), and so is a blank before
 * the colon (§5.1).
 * @param text lines with CR LF between them
 * @throws Http1Error `invalid-answer`
 */
export const parseFields = (text: string): string[] => {
  const fields: string[] = []
  for (let at = 0; at < text.length;) {
    const next = text.indexOf('\r\n', at)
    const end = next < 0 ? text.length : next
    const colon = text.indexOf(':', at)
    const name = text.slice(at, colon)
    if (colon < 0 || colon > end || fieldKey(name) === null)
      throw invalidAnswer('a header has no name')
    const value = valueIn(text, colon + 1, end)
    // a bare CR or LF is among them (RFC 9112 §2.2)
    if (!FIELD_VALUE.test(value)) throw invalidAnswer('a header has control characters')
    fields.push(name, value)
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

/** What the headers that are about this message and connection say; null for those that are not there. */
interface Transfer {
  length: string | null
  /** lists, in lower case */
  coding: string | null
  connection: string | null
  keepAlive: string | null
}

/** RFC 9112 §6.3 leaves it open to take equal lengths as one; this is the stricter way. */
const onlyLength = (known: string | null, value: string): string => {
  if (known !== null) throw invalidAnswer('it has more than one length')
  return value
}

/** Lists in several lines are one list (RFC 9110 §5.3). */
const joined = (known: string | null, value: string): string =>
  known === null ? value.toLowerCase() : `${known},${value.toLowerCase()}`

const transferOf = (headers: readonly string[]): Transfer => {
  const found: Transfer = { length: null, coding: null, connection: null, keepAlive: null }
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!
    // most names are of another length, and need no look
    if (name.length !== 10 && name.length !== 14 && name.length !== 17) continue
    const key = fieldKey(name)
    const value = headers[i + 1]!
    if (key === 'content-length') found.length = onlyLength(found.length, value)
    else if (key === 'transfer-encoding') found.coding = joined(found.coding, value)
    else if (key === 'connection') found.connection = joined(found.connection, value)
    else if (key === 'keep-alive') found.keepAlive = joined(found.keepAlive, value)
  }
  return found
}

const itemsOf = (list: string): string[] =>
  list.includes(',') ? list.split(',').map((item) => item.trim()) : [list]

/** Of a list in lower case. */
const hasItem = (list: string | null, item: string): boolean =>
  list !== null && list.includes(item) && itemsOf(list).includes(item)

/** RFC 9110 §6.4.1; answers to HEAD are not looked at. */
export const hasNoBody = (status: number): boolean =>
  status < 200 || status === 204 || status === 304

/**
 * RFC 9112 §6.3. A length beside a transfer coding, which may be an attack, is refused. Where the last
 * coding is not `chunked`, a body lasts until the connection is closed.
 */
const bodyOf = (status: number, { length, coding }: Transfer): BodyFraming => {
  if (length !== null && coding !== null)
    throw invalidAnswer('it has both a length and a transfer coding')
  if (coding === '') throw invalidAnswer('its transfer coding is empty')
  const bytes = Number(length)
  if (length !== null && !(/^\d+$/.test(length) && Number.isSafeInteger(bytes)))
    throw invalidAnswer('its length is no number')
  if (hasNoBody(status)) return { kind: 'length', bytes: 0 }
  if (coding === null) return length === null ? { kind: 'until-close' } : { kind: 'length', bytes }
  return itemsOf(coding).at(-1) === 'chunked' ? { kind: 'chunked' } : { kind: 'until-close' }
}

/** `timeout` is of practice, not of a standard: RFC 2068 §19.7.1.1 left its parameters open. */
const keepAliveOf = (value: string | null): number | null => {
  const seconds = value === null ? null : /timeout=(\d+)/.exec(value)
  return seconds === null ? null : Number(seconds[1]) * 1000
}

/** @throws Http1Error `invalid-answer` when it says more than one thing of its length, or none clearly */
export const framingOf = (
  { minorVersion, status }: StatusLine,
  headers: readonly string[]
): Framing => {
  const transfer = transferOf(headers)
  const { connection, coding, keepAlive } = transfer
  const body = bodyOf(status, transfer)
  // RFC 9112 §9.3; a transfer coding in HTTP/1.0, which has none, is not to be relied on (§6.1)
  const isKept =
    minorVersion === 1
      ? !hasItem(connection, 'close')
      : hasItem(connection, 'keep-alive') && !hasItem(connection, 'close') && coding === null
  return {
    body,
    persists: isKept && body.kind !== 'until-close',
    keepAliveMs: keepAliveOf(keepAlive),
  }
}
