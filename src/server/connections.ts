/** Tracks open connections and their answers, so that a shutdown does not cut an answer short. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { valueIn } from '../core/lists.ts'

interface Waiting {
  progress: string
  /** looks at which it was the same */
  looks: number
}

/**
 * Changes with every byte that the system takes over. Of a large write `bytesWritten` says nothing before its end;
 * the queue of its handle is what Node's own time-out of sockets compares.
 */
const progressOf = (socket: Socket): string => {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null }
  return `${socket.bytesWritten - socket.writableLength}/${handle?.writeQueueSize}`
}

/** How long a drain waits for the first byte of a connection that has sent nothing yet. */
const FIRST_REQUEST_MS = 1_000
/** Share of the connections that are closed at once where there are too many: a search looks at all of them. */
const CLOSED_SHARE = 1 / 64
/** How long before the connections are cut WebSockets are told, at most half of the limit. */
const GOODBYE_MS = 1_000
/** Requests of one connection that wait behind another one; with a further one the connection is closed. */
const MAX_PIPELINED = 64
/** How many turns of the event loop a drain goes on accepting connections that the system has opened. */
const ACCEPT_TURNS = 1_000

const isOver = ({ writableFinished, destroyed }: ServerResponse): boolean =>
  writableFinished || destroyed

export interface ConnectionOptions {
  /** how long a connection may stay idle while the server drains */
  drainIdleMs: number
  maxConnections: number
  /** Ends requests whose bodies arrive most slowly. @returns how many */
  endSlowBodies: () => number
}

/** Follows connections from the start; a request costs one entry in a map. */
export class Connections {
  /** the newest answer of every open connection; null before the first request */
  private readonly answers = new Map<Socket, ServerResponse | null>()
  /** bytes that a connection had received when its latest request was complete */
  private readonly bytesRead = new WeakMap<Socket, number>()
  /** tells a WebSocket that its connection will be cut */
  private readonly goodbyes = new Map<Socket, () => void>()
  /** requests of a connection that wait behind another one */
  private readonly pipelined = new WeakMap<Socket, number>()
  /** connections whose peers have not read everything */
  private readonly waiting = new WeakMap<Socket, Waiting>()
  private draining = false
  private accepted = 0

  constructor(
    private readonly server: Server,
    private readonly options: ConnectionOptions
  ) {
    server.on('connection', (socket: Socket) => {
      this.accepted++
      if (this.isFull && !this.makeRoom()) return void socket.destroy()
      this.answers.set(socket, null)
      socket.once('close', () => {
        this.answers.delete(socket)
        this.goodbyes.delete(socket)
      })
    })
    server.on('request', (incoming, answer) => this.onRequest(incoming, answer))
  }

  get isFull(): boolean {
    return this.answers.size >= this.options.maxConnections
  }

  /**
   * Starts the work on a request when its answer is the next one of its connection. Pipelined requests are thus
   * answered one after the other: a peer that reads no answer has one request in work, and not all that it sent.
   */
  whenNext({ socket }: IncomingMessage, answer: ServerResponse, work: () => void): void {
    if (answer.socket !== null) return work()
    const waiting = this.pipelined.get(socket) ?? 0
    if (waiting >= MAX_PIPELINED) return void socket.destroy()
    this.pipelined.set(socket, waiting + 1)
    answer.once('socket', () => {
      this.pipelined.set(socket, valueIn(this.pipelined, socket) - 1)
      // Node has not given the answer its connection completely at this moment
      process.nextTick(() => {
        if (!socket.destroyed) work()
      })
    })
  }

  /**
   * Closes connections with bytes that wait, of which none was taken since so many calls. Speed does not count: a
   * slow reader stays. The bytes that the system holds for the peer are thrown away, too.
   */
  endUnread(maxCalls: number): void {
    for (const socket of this.answers.keys()) {
      if (socket.writableLength === 0) continue
      const progress = progressOf(socket)
      const before = this.waiting.get(socket)
      if (before?.progress !== progress) this.waiting.set(socket, { progress, looks: 0 })
      else if (++before.looks >= maxCalls) socket.resetAndDestroy()
    }
  }

  /** The newest answer of a connection; null before its first request. */
  latest(socket: Socket): ServerResponse | null {
    return this.answers.get(socket) ?? null
  }

  get isDraining(): boolean {
    return this.draining
  }

  /** Whether every request of a connection has been answered, and Node has let go of the last answer. */
  isFree(socket: Socket): boolean {
    return this.latest(socket)?.closed ?? true
  }

  /**
   * Follows a connection that a request takes for a WebSocket. It may stay open until a drain's limit.
   * @param goodbye called a moment before the connection is cut
   */
  addUpgraded(incoming: IncomingMessage, answer: ServerResponse, goodbye: () => void): void {
    this.onRequest(incoming, answer)
    this.goodbyes.set(incoming.socket, goodbye)
  }

  /**
   * Accepts no new connection, closes idle ones after `drainIdleMs`, and the others after their answer.
   * Connections that are still open after the limit are cut.
   */
  async drain(limitMs: number): Promise<void> {
    this.draining = true
    for (const [socket, answer] of this.answers) {
      if (answer === null) continue
      if (isOver(answer)) this.closeWhenIdle(socket, answer)
      else this.closeAfter(socket, answer)
    }
    await this.acceptOpened()
    await this.close(limitMs)
  }

  /**
   * Closing the listening socket resets connections that wait to be accepted, and requests that were sent on
   * them are lost. Node accepts one in each turn of its event loop; the turn in which this begins may be past
   * that already, so only the second one without a connection tells that none waits.
   */
  private async acceptOpened(): Promise<void> {
    for (let turn = 0, quiet = 0; turn < ACCEPT_TURNS && quiet < 2; turn++) {
      const before = this.accepted
      await new Promise((resolve) => setImmediate(resolve))
      quiet = this.accepted === before ? quiet + 1 : 0
    }
  }

  /**
   * Closes connections that have no request in work, the oldest first; where there are none, those whose bodies
   * arrive most slowly. A peer that opens connections and sends nothing would keep all others out.
   * @returns false when all are in use
   */
  private makeRoom(): boolean {
    let most = Math.ceil(this.options.maxConnections * CLOSED_SHARE)
    const before = most
    for (const [socket, answer] of this.answers) {
      if (most === 0) break
      if (answer !== null && !isOver(answer)) continue
      this.answers.delete(socket)
      socket.destroy()
      most--
    }
    return most < before || this.options.endSlowBodies() > 0
  }

  private close(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cut = setTimeout(() => {
        for (const socket of this.answers.keys()) socket.destroy()
      }, limitMs)
      const goodbye = setTimeout(
        () => {
          for (const say of this.goodbyes.values()) say()
        },
        Math.max(limitMs / 2, limitMs - GOODBYE_MS)
      )
      const unusedMs = Math.max(FIRST_REQUEST_MS, this.options.drainIdleMs)
      const unused = setTimeout(() => this.closeUnused(), Math.min(unusedMs, limitMs))
      // the HTTP server's own `close` also cuts answers that are ended but not yet sent
      NetServer.prototype.close.call(this.server, () => {
        clearTimeout(cut)
        clearTimeout(goodbye)
        clearTimeout(unused)
        resolve()
      })
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
    if (this.draining) this.closeAfter(socket, answer)
  }

  /**
   * Sends `connection: close` where the head is not sent yet, and closes after the answer. A client that was
   * promised another request on the connection may be sending it at this moment.
   */
  private closeAfter(socket: Socket, answer: ServerResponse): void {
    const isPromised = answer.headersSent
    if (!isPromised) answer.shouldKeepAlive = false
    // a pipelined request that waited for this answer is emitted before `setImmediate` runs
    answer.once('close', () =>
      setImmediate(() => {
        if (isPromised) this.closeWhenIdle(socket, answer)
        else if (this.answers.get(socket) === answer) socket.destroySoon()
      })
    )
  }

  /** A request that arrives before is answered with `connection: close`. */
  private closeWhenIdle(socket: Socket, answer: ServerResponse): void {
    const close = (): void => {
      if (this.answers.get(socket) === answer && !this.hasBegun(socket, answer))
        socket.destroySoon()
    }
    if (this.options.drainIdleMs === 0) return close()
    const timer = setTimeout(close, this.options.drainIdleMs)
    socket.once('close', () => clearTimeout(timer))
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
