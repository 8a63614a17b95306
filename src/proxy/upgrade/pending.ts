/** The client's side of a WebSocket between its handshake and the upstream's answer. */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** Bytes kept for the upstream meanwhile; a client that keeps to the protocol sends none. */
const MAX_EARLY_BYTES = 64 * 1024

/**
 * Reads on while the upstream is asked: a client that leaves is noticed only so. Its bytes are no HTTP any more; they
 * are given to the upstream where that accepts, and else thrown away.
 */
export class PendingSocket {
  readonly socket: Socket
  private early: Buffer[]
  private bytes = 0
  private sayGoodbye: (() => void) | null = null

  /** @param head bytes that came with the handshake */
  constructor(socket: Socket, head: Buffer) {
    this.socket = socket
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
