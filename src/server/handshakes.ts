/**
 * Handshakes of WebSockets as requests among others: same host check, same paths, same refusals. Only what follows
 * them on their connection is no HTTP.
 */
import { IncomingMessage, ServerResponse, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { errorBody } from '../openai/error-body.ts'
import { AppError } from '../errors.ts'
import { isHandshake, PendingSocket } from '../proxy/upgrade/handshake.ts'
import type { Connections } from './connections.ts'

/** How long a refused client may take to close its connection. */
const CLOSE_MS = 1_000

/**
 * Requests of which only valid handshakes of WebSockets are upgraded. Node upgrades every request with an `upgrade`
 * header once someone listens for them, such as each first request of a client that offers HTTP/2 (Java's), and does
 * not read the body of such a one.
 * @param isFree whether a connection has no request that is still unanswered: bytes of a WebSocket must not
 * come between the parts of an answer
 */
export const handshakeRequests = (isFree: (socket: Socket) => boolean) =>
  class HandshakeRequest extends IncomingMessage {
    declare asksForUpgrade: boolean | null
    declare pending?: PendingSocket

    /** Node reads it when the head has been read. */
    get upgrade(): boolean {
      return this.asksForUpgrade === true && isHandshake(this) && isFree(this.socket)
    }

    set upgrade(asks: boolean | null) {
      this.asksForUpgrade = asks
    }
  }

/** Answers a request that no app gets. */
export const refuse = (outgoing: ServerResponse, refusal: AppError): void => {
  const { status, retryAfterSeconds } = refusal
  const retry = retryAfterSeconds === null ? {} : { 'retry-after': String(retryAfterSeconds) }
  outgoing.writeHead(status, { 'content-type': 'application/json', ...retry })
  outgoing.end(JSON.stringify(errorBody(refusal)))
}

const draining = (): AppError =>
  new AppError('overloaded', 'the proxy is stopping; connect again', { retryAfterSeconds: 1 })

/** Closes a connection behind an answer that refuses the handshake. */
const closeAfterAnswer = (outgoing: ServerResponse, pending: PendingSocket): void => {
  const { socket } = pending
  outgoing.once('finish', () => {
    pending.discard()
    socket.end()
    const timer = setTimeout(() => socket.destroy(), CLOSE_MS)
    socket.once('close', () => clearTimeout(timer))
  })
}

/** @param answer given each handshake, with an answer that refuses it where it is used as one */
export const serveHandshakes = (
  server: Server,
  connections: Connections,
  answer: RequestListener
): void => {
  server.on('upgrade', (incoming: IncomingMessage, connection, head: Buffer) => {
    const socket = connection as Socket
    const pending = new PendingSocket(socket, head)
    const outgoing = new ServerResponse(incoming)
    outgoing.shouldKeepAlive = false
    outgoing.assignSocket(socket)
    socket.on('drain', () => outgoing.emit('drain'))
    closeAfterAnswer(outgoing, pending)
    connections.addUpgraded(incoming, outgoing, () => pending.goodbye())
    if (connections.isDraining) return refuse(outgoing, draining())
    Object.assign(incoming, { pending })
    answer(incoming, outgoing)
  })
}
