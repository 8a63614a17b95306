/** Tracks open connections and their answers, so that a shutdown does not cut an answer short. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'

/** How long a drain waits for the first byte of a connection that has sent nothing yet. */
const FIRST_REQUEST_MS = 1_000

const isOver = ({ writableFinished, destroyed }: ServerResponse): boolean =>
  writableFinished || destroyed

/**
 * Answers that wait behind another answer of their connection. When the connection closes, Node emits
 * `close` only on the answer that is being sent: the others would go on without a client.
 */
class WaitingAnswers {
  private readonly bySocket = new Map<Socket, Set<ServerResponse>>()

  add(socket: Socket, answer: ServerResponse): void {
    const waiting = this.bySocket.get(socket) ?? new Set()
    this.bySocket.set(socket, waiting.add(answer))
    answer.once('close', () => waiting.delete(answer))
  }

  onClosed(socket: Socket): void {
    for (const answer of this.bySocket.get(socket) ?? []) {
      if (answer.socket !== null) continue
      answer.destroy()
      answer.emit('close')
    }
    this.bySocket.delete(socket)
  }
}

/** Follows connections from the start; a request costs one entry in a map. */
export class Connections {
  private readonly server: Server
  /** the newest answer of every open connection; null before the first request */
  private readonly answers = new Map<Socket, ServerResponse | null>()
  /** bytes that a connection had received when its latest request was complete */
  private readonly bytesRead = new WeakMap<Socket, number>()
  private readonly waiting = new WaitingAnswers()
  private isDraining = false

  constructor(server: Server) {
    this.server = server
    server.on('connection', (socket: Socket) => {
      this.answers.set(socket, null)
      socket.once('close', () => {
        this.answers.delete(socket)
        this.waiting.onClosed(socket)
      })
    })
    server.prependListener('request', (incoming, answer) => this.onRequest(incoming, answer))
  }

  /** The newest answer of a connection; null before its first request. */
  latest(socket: Socket): ServerResponse | null {
    return this.answers.get(socket) ?? null
  }

  /**
   * Accepts no new connection, closes those without a request, and the others after their answer.
   * Connections that are still open after the limit are cut.
   */
  drain(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.isDraining = true
      const cut = setTimeout(() => {
        for (const socket of this.answers.keys()) socket.destroy()
      }, limitMs)
      const unused = setTimeout(() => this.closeUnused(), Math.min(FIRST_REQUEST_MS, limitMs))
      // the HTTP server's own `close` also cuts answers that are ended but not yet sent
      NetServer.prototype.close.call(this.server, () => {
        clearTimeout(cut)
        clearTimeout(unused)
        resolve()
      })
      for (const [socket, answer] of this.answers) {
        if (answer === null) continue
        if (!isOver(answer)) this.closeAfter(socket, answer)
        else if (!this.hasBegun(socket, answer)) socket.destroySoon()
      }
    })
  }

  private onRequest(incoming: IncomingMessage, answer: ServerResponse): void {
    const { socket } = incoming
    this.answers.set(socket, answer)
    this.bytesRead.delete(socket)
    const note = (): void => {
      if (incoming.complete && !this.bytesRead.has(socket))
        this.bytesRead.set(socket, socket.bytesRead)
    }
    incoming.once('end', note)
    // a body that is not read never emits `end`
    answer.once('close', note)
    if (this.isDraining) this.closeAfter(socket, answer)
    if (answer.socket === null) this.waiting.add(socket, answer)
  }

  /** Sends `connection: close` where the head is not sent yet, and closes after the answer. */
  private closeAfter(socket: Socket, answer: ServerResponse): void {
    if (!answer.headersSent) answer.shouldKeepAlive = false
    // a pipelined request that waited for this answer is emitted before `setImmediate` runs
    answer.once('close', () =>
      setImmediate(() => {
        if (this.answers.get(socket) === answer) socket.destroySoon()
      })
    )
  }

  /** Whether a part of another request has arrived: that request is still received and answered. */
  private hasBegun(socket: Socket, answer: ServerResponse | null): boolean {
    return socket.bytesRead > (answer === null ? 0 : (this.bytesRead.get(socket) ?? Infinity))
  }

  private closeUnused(): void {
    for (const [socket, answer] of this.answers)
      if (answer === null && !this.hasBegun(socket, answer)) socket.destroySoon()
  }
}
