/** The opening handshake of a WebSocket (RFC 6455 §4). Knows heads, not connections. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { hasBody, valuesOf } from '../headers.ts'
import type { Socket } from 'node:net'

/** Bytes kept for the upstream meanwhile; a client that keeps to the protocol sends none. */
const MAX_EARLY_BYTES = 64 * 1024

/**
 * Reads on while the upstream is asked: a client that leaves is noticed only so. Its bytes are no HTTP any more; they
 * are given to the upstream where that accepts, and else thrown away.
 */
export class PendingSocket {
  private early: Buffer[]
  private bytes = 0
  private sayGoodbye: (() => void) | null = null

  /** @param head bytes that came with the handshake */
  constructor(
    readonly socket: Socket,
    head: Buffer
  ) {
    this.early = []
    // of the HTTP server, for connections between requests
    socket.setTimeout(0)
    // a reset is followed by `close`
    socket.on('error', () => {})
    socket.on('data', this.keep)
    socket.on('end', this.leave)
    this.keep(head)
  }

  /** Hands the connection over, paused. @returns the bytes that came early */
  take(): Buffer {
    this.release()
    this.socket.pause()
    const early = Buffer.concat(this.early)
    this.early = []
    return early
  }

  /** Throws away what comes from now on, so that unread bytes do not reset the connection under an answer. */
  discard(): void {
    this.release()
    this.early = []
    this.socket.resume()
  }

  /** @param listener called once where the server stops and the connection will be cut soon */
  onGoodbye(listener: () => void): void {
    this.sayGoodbye = listener
  }

  goodbye(): void {
    this.sayGoodbye?.()
  }

  private release(): void {
    this.socket.off('data', this.keep)
    this.socket.off('end', this.leave)
  }

  private readonly keep = (chunk: Buffer): void => {
    this.bytes += chunk.length
    this.early.push(chunk)
    if (this.bytes > MAX_EARLY_BYTES) this.socket.pause()
  }

  private readonly leave = (): void => void this.socket.destroy()
}

/** A request that the server has received as a handshake; others have no `pending`. */
export type HandshakeRequest = IncomingMessage & { pending?: PendingSocket }

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
