/** Which connections are open and what each is doing, so that the end of the server cuts none short. */
import type { Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'

/** A connection that has sent nothing yet may be about to. */
const FIRST_REQUEST_MS = 1_000

export interface Connections {
  /** the newest answer of a connection; null before its first request */
  latest(socket: Socket): ServerResponse | null
  /**
   * Takes no new connection, closes those without a request, and the others behind their answer.
   * What is not over within the limit is cut.
   */
  drain(limitMs: number): Promise<void>
}

const isOver = ({ writableFinished, destroyed }: ServerResponse): boolean =>
  writableFinished || destroyed

/**
 * Tells answers that their connection has closed while they waited behind another one: Node tells only
 * the one whose turn it is, and the others would go on for nobody.
 */
const createLine = () => {
  const waiting = new Map<Socket, Set<ServerResponse>>()
  return {
    join: (socket: Socket, answer: ServerResponse): void => {
      const line = waiting.get(socket) ?? new Set()
      waiting.set(socket, line.add(answer))
      answer.once('close', () => line.delete(answer))
    },
    closed: (socket: Socket): void => {
      for (const answer of waiting.get(socket) ?? []) {
        if (answer.socket !== null) continue
        answer.destroy()
        answer.emit('close')
      }
      waiting.delete(socket)
    },
  }
}

/** Follows connections from the start; a request costs one entry in a map. */
export const trackConnections = (server: Server): Connections => {
  const answers = new Map<Socket, ServerResponse | null>()
  /** bytes that a connection had brought when its latest request was there as a whole */
  const bytesRead = new WeakMap<Socket, number>()
  const line = createLine()
  let isDraining = false
  /** Says `connection: close` in the answer, and closes behind it where its head is sent already. */
  const closeBehind = (socket: Socket, answer: ServerResponse): void => {
    if (!answer.headersSent) answer.shouldKeepAlive = false
    // a request that waited for the end of this answer is begun by then
    answer.once('close', () =>
      setImmediate(() => {
        if (answers.get(socket) === answer) socket.destroySoon()
      })
    )
  }
  server.on('connection', (socket: Socket) => {
    answers.set(socket, null)
    socket.once('close', () => {
      answers.delete(socket)
      line.closed(socket)
    })
  })
  server.prependListener('request', (incoming, answer) => {
    const { socket } = incoming
    answers.set(socket, answer)
    bytesRead.delete(socket)
    const note = (): void => {
      if (incoming.complete && !bytesRead.has(socket)) bytesRead.set(socket, socket.bytesRead)
    }
    incoming.once('end', note)
    // a body that is not read has no end
    answer.once('close', note)
    if (isDraining) closeBehind(socket, answer)
    if (answer.socket === null) line.join(socket, answer)
  })
  /** Whether the head of another request is half there: then that is received and answered. */
  const hasBegun = (socket: Socket, answer: ServerResponse | null): boolean =>
    socket.bytesRead > (answer === null ? 0 : (bytesRead.get(socket) ?? Infinity))
  const closeUnused = (): void => {
    for (const [socket, answer] of answers)
      if (answer === null && !hasBegun(socket, answer)) socket.destroySoon()
  }
  const drain = (limitMs: number): Promise<void> =>
    new Promise((resolve) => {
      isDraining = true
      const cut = setTimeout(() => {
        for (const socket of answers.keys()) socket.destroy()
      }, limitMs)
      const unused = setTimeout(closeUnused, Math.min(FIRST_REQUEST_MS, limitMs))
      // the HTTP server's own `close` also cuts answers that are ended but not yet sent
      NetServer.prototype.close.call(server, () => {
        clearTimeout(cut)
        clearTimeout(unused)
        resolve()
      })
      for (const [socket, answer] of answers) {
        if (answer === null) continue
        if (!isOver(answer)) closeBehind(socket, answer)
        else if (!hasBegun(socket, answer)) socket.destroySoon()
      }
    })
  return { latest: (socket) => answers.get(socket) ?? null, drain }
}
