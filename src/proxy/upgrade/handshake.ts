/** The opening handshake of a WebSocket (RFC 6455 §4). Knows heads, not connections. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { hasBody } from '../headers.ts'

type Head = Pick<IncomingMessage, 'method' | 'headers' | 'httpVersion'>

/** A list of protocols, or of header names, holds one. */
const lists = (value: string | undefined, entry: RegExp): boolean =>
  value !== undefined && entry.test(value)

const WEBSOCKET = /(?:^|[\s,])websocket(?:$|[\s,/])/i
const UPGRADE = /(?:^|[\s,])upgrade(?:$|[\s,])/i
/** 16 bytes in base64. */
const NONCE = /^[A-Za-z\d+/]{21}[AQgw]==$/

/** Whether a client wants a WebSocket, also where its handshake is not valid. */
export const asksForWebSocket = ({ method, headers }: Pick<Head, 'method' | 'headers'>): boolean =>
  headers.upgrade !== undefined && method === 'GET' && WEBSOCKET.test(headers.upgrade)

/**
 * Whether a request is a valid handshake, behind which bytes are no HTTP. Its version is the upstream's to judge,
 * which answers 426 with those that it speaks.
 */
export const isHandshake = (head: Head): boolean =>
  asksForWebSocket(head) &&
  head.httpVersion === '1.1' &&
  head.headers.host !== undefined &&
  lists(head.headers.connection, UPGRADE) &&
  NONCE.test(head.headers['sec-websocket-key'] ?? '') &&
  !hasBody(head)

/** RFC 6455 §1.3 */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

const acceptOf = (key: string): string =>
  createHash('sha1')
    .update(key + GUID)
    .digest('base64')

const valuesOf = (raw: readonly string[], name: string): string[] =>
  raw.filter((_value, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === name)

/**
 * Whether an answer with status 101 is one to this handshake. Anything else that says 101 has not read the key: what
 * follows may be another protocol, in which a client could write requests of its own.
 * @param raw flat list
 */
export const accepts = (raw: readonly string[], key: string): boolean => {
  const [accepted, ...further] = valuesOf(raw, 'sec-websocket-accept')
  return (
    further.length === 0 &&
    accepted === acceptOf(key) &&
    lists(valuesOf(raw, 'upgrade').join(), WEBSOCKET)
  )
}
