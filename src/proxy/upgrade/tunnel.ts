/**
 * Two connections whose bytes pass each other's way, until both have ended.
 *
 * Where the frames of a WebSocket end (RFC 6455 §5.2). The proxy reads nothing else of them, and needs that only to
 * add a close frame of its own between two.
 */
import type { Socket } from 'node:net'
import type { SetTimer } from '../../timers.ts'

/** The longest head: two bytes, a length of eight, a mask of four. */
const MAX_HEAD_BYTES = 14

const headBytes = (second: number): number => {
  const length = second & 0x7f
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4)
}

const payloadBytes = (head: Buffer): number => {
  const length = head[1]! & 0x7f
  if (length === 126) return head.readUInt16BE(2)
  return length === 127 ? Number(head.readBigUInt64BE(2)) : length
}

export class FrameReader {
  private readonly head = Buffer.alloc(MAX_HEAD_BYTES)
  private headRead = 0
  private payloadLeft = 0

  /** Whether the bytes so far end with a whole frame, or there were none. */
  get isBetween(): boolean {
    return this.headRead === 0 && this.payloadLeft === 0
  }

  /** Reads all bytes of a chunk. */
  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) at = this.toFrameEnd(chunk, at)
  }

  /** Reads up to the end of the present frame, or of the chunk. @returns the position behind it */
  toFrameEnd(chunk: Buffer, from = 0): number {
    let at = from
    while (at < chunk.length) {
      if (this.payloadLeft === 0) this.readHead(chunk[at++]!)
      else {
        const bytes = Math.min(this.payloadLeft, chunk.length - at)
        this.payloadLeft -= bytes
        at += bytes
      }
      if (this.isBetween) break
    }
    return at
  }

  private readHead(byte: number): void {
    this.head[this.headRead++] = byte
    if (this.headRead < 2 || this.headRead < headBytes(this.head[1]!)) return
    this.payloadLeft = payloadBytes(this.head)
    this.headRead = 0
  }
}

/** Codes of RFC 6455 §7.4.1: the server stops, or has waited for long; the key is no longer valid. */
type CloseCode = 1001 | 1008

/** A close frame as servers send it, without a reason. */
export const closeFrame = (code: CloseCode): Buffer =>
  Buffer.from([0x88, 2, code >> 8, code & 0xff])

/** How often a tunnel is looked at; a silence is noticed that much late. */
const CHECK_MS = 5_000
/** Silence after which a tunnel that one side has left is cut; time to leave for a client that was told to. */
const LINGER_MS = 10_000
/** After so long a system asks whether a silent peer is still there. */
const PROBE_MS = 60_000

export interface TunnelOptions {
  client: Socket
  upstream: Socket
  /** silence of both sides, or of one that does not read, after which the client is told to leave */
  idleMs: number
  /** whether the client's key is still valid for this */
  mayGoOn: () => boolean
  now: () => number
  setTimer: SetTimer
  /** called once, when both connections are closed */
  onEnd: () => void
}

/** Bytes that a connection has received, and that it was rid of. */
const movedOn = ({ bytesRead, bytesWritten, writableLength }: Socket): number =>
  bytesRead + bytesWritten - writableLength

export class Tunnel {
  private readonly frames = new FrameReader()
  private idleMs: number
  private moved = 0
  private movedAt: number
  private stop = (): void => {}
  private open = 2
  /** of the close frame that the client gets instead of the upstream's next one; null while all passes */
  private leaving: CloseCode | null = null

  constructor(private readonly options: TunnelOptions) {
    this.idleMs = options.idleMs
    this.movedAt = options.now()
  }

  /** @param early bytes of the client that came before the upstream accepted */
  start(early: Buffer): void {
    const { client, upstream } = this.options
    client.setKeepAlive(true, PROBE_MS)
    this.pass(client, upstream, (chunk) => upstream.write(chunk))
    this.pass(upstream, client, (chunk) => this.toClient(chunk))
    if (early.length > 0 && !upstream.write(early)) client.pause()
    else client.resume()
    upstream.resume()
    this.check()
  }

  /**
   * Closes the WebSocket between two frames of the upstream: the client gets a close frame, and the upstream the one
   * with which the client answers. A client without a right to it reaches the upstream no more.
   */
  leave(code: CloseCode): void {
    if (this.leaving !== null) return
    this.leaving = code
    // else it ends behind the close frame with which the client answers
    if (code === 1008) this.options.upstream.end()
    this.linger()
    if (this.frames.isBetween) this.sayClose(code)
  }

  private pass(from: Socket, to: Socket, forward: (chunk: Buffer) => boolean): void {
    // a reset is followed by `close`
    from.on('error', () => {})
    from.on('data', (chunk: Buffer) => {
      // nothing is kept for a side that takes no more
      if (to.writable && !forward(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => {
      to.end()
      this.linger()
    })
    from.on('close', () => {
      const isBroken = !from.readableEnded
      // broken off, so that it cannot be taken for an end; what the client was told last still reaches it
      if (isBroken && (to.writable || from === this.options.client)) to.destroy()
      else if (to.writable) to.end()
      this.closed()
    })
  }

  private toClient(chunk: Buffer): boolean {
    const { client } = this.options
    const { leaving } = this
    if (leaving === null) {
      this.frames.read(chunk)
      return client.write(chunk)
    }
    const end = this.frames.toFrameEnd(chunk)
    const takesMore = client.write(chunk.subarray(0, end))
    if (this.frames.isBetween) this.sayClose(leaving)
    return takesMore
  }

  private sayClose(code: CloseCode): void {
    const { client, upstream } = this.options
    if (client.writable) client.end(closeFrame(code))
    // what the upstream still sends is thrown away
    upstream.resume()
  }

  private linger(): void {
    this.idleMs = Math.min(this.idleMs, LINGER_MS)
    this.movedAt = this.options.now()
    this.check()
  }

  private closed(): void {
    this.open--
    if (this.open > 0) return
    this.stop()
    this.options.onEnd()
  }

  /** Looks whether bytes have moved, and at the key. */
  private check(): void {
    this.stop()
    if (this.open === 0) return
    const { client, upstream, now, setTimer, mayGoOn } = this.options
    const moved = movedOn(client) + movedOn(upstream)
    if (moved !== this.moved && this.leaving === null) this.movedAt = now()
    this.moved = moved
    const leftMs = this.movedAt + this.idleMs - now()
    if (leftMs <= 0 && this.isEnding) {
      client.destroy()
      upstream.destroy()
      return
    }
    this.stop = setTimer(Math.min(CHECK_MS, Math.max(1, leftMs)), () => this.check())
    if (leftMs <= 0) this.leave(1001)
    else if (this.leaving === null && !mayGoOn()) this.leave(1008)
  }

  private get isEnding(): boolean {
    const { client, upstream } = this.options
    return this.leaving !== null || !client.writable || !upstream.writable
  }
}
