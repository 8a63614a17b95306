/** Opens and drains the one listening socket. */
import { createServer, STATUS_CODES, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
// makes the proxy's mark for an answer that is sent already. The listener replaces the global `Response`, and would
// send a mark of the new class as a second answer
import '@hono/node-server/utils/response'
import type { createApp } from './app.ts'
import type { Config } from '../config/config.ts'
import { Connections } from './connections.ts'
import { AppError, toAppError } from '../errors.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import { errorBody } from '../openai/error-body.ts'
import { createHostCheck } from '../proxy/access/browsers.ts'
import { handshakeRequests, refuse, serveHandshakes } from './handshakes.ts'

export interface ListenOptions {
  /** names of the server beside those of loopback, in lower case; see `createHostCheck` */
  allowedHosts: readonly string[]
  /** for a further one the oldest idle connections are closed; it is closed itself where all are in use */
  maxConnections: number
  /** how long a connection may be idle */
  keepAliveMs: number
  /** how long the headers of a request may take to arrive */
  headMs: number
  /** how long a whole request may take to arrive */
  requestMs: number
  /** how often `headMs` and `requestMs` are checked */
  checkMs: number
  /** how long a connection may be idle while the server drains */
  drainIdleMs: number
  /** how long a peer may read nothing of an answer that waits for it; a sixth of it while `isCrowded` */
  unreadMs: number
  /** whether there is no place for a further request */
  isCrowded: () => boolean
  /** Ends requests whose bodies arrive most slowly, for further connections. @returns how many */
  endSlowBodies: () => number
}

const DEFAULTS: ListenOptions = {
  allowedHosts: [],
  maxConnections: 16_384,
  // longer than load balancers keep theirs; else one would send into a connection that is closing
  keepAliveMs: 75_000,
  // a client that sends one byte at a time does not hold a connection for long
  headMs: 60_000,
  requestMs: 300_000,
  checkMs: 30_000,
  drainIdleMs: 0,
  unreadMs: 30_000,
  isCrowded: () => false,
  endSlowBodies: () => 0,
}

/** How often `unreadMs` is checked within it. */
const UNREAD_CHECKS = 12

/** The error code of Node's parser → the error that the client gets. */
const refusalOf = (code: string | undefined): AppError => {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('headers-too-large', 'the headers are over the limit of 16 KiB')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('request-timeout', 'the request did not arrive in time')
    default:
      return new AppError(
        'invalid-request',
        `the request is not valid HTTP/1.1 (${code ?? 'unknown'})`
      )
  }
}

/** Answers a request that cannot be passed to Hono, such as one with an invalid host, or a fault. */
const answerUnroutable = (error: unknown, fault: ReportFault<ServerFault>): Response => {
  const isInvalid = error instanceof RequestError
  if (!isInvalid) fault('request', error)
  const refusal = isInvalid
    ? new AppError('invalid-request', 'the target or the host of the request is not valid')
    : toAppError(error)
  return Response.json(errorBody(refusal), { status: refusal.status })
}

/** Answers bytes that are not a request with an error in OpenAI's format, and closes the connection. */
const refuseBytes = (error: Error & { code?: string }, socket: Duplex): void => {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const refusal = refusalOf(error.code)
  const body = JSON.stringify(errorBody(refusal))
  socket.end(
    [
      `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n')
  )
}

/** Codes of errors of a client that goes away, the last one in the middle of a body. */
const LEFT = new Set(['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE'])

/**
 * Refuses bytes that the parser cannot read. If an earlier request of the connection is complete and
 * still being answered, its answer is sent first. If that request is incomplete, its answer is ended.
 */
const refuseUnreadable = (
  server: Server,
  connections: Connections,
  fault: ReportFault<ServerFault>
): void => {
  server.on('clientError', (error: Error & { code?: string }, socket) => {
    // a client that goes away is not a fault
    if (!LEFT.has(error.code ?? '')) fault('unreadable-request', error)
    const outgoing = connections.latest(socket as Socket)
    if (outgoing === null || outgoing.writableEnded) refuseBytes(error, socket)
    else if (outgoing.req.complete) outgoing.once('close', () => refuseBytes(error, socket))
    else if (outgoing.headersSent) socket.destroy()
    else refuseBytes(error, socket)
  })
}

const watchUnread = (
  server: Server,
  connections: Connections,
  { unreadMs, isCrowded }: Pick<ListenOptions, 'unreadMs' | 'isCrowded'>
): void => {
  const check = (): void => {
    const isPressed = connections.isFull || isCrowded()
    connections.endUnread(isPressed ? UNREAD_CHECKS / 6 : UNREAD_CHECKS)
  }
  const timer = setInterval(check, unreadMs / UNREAD_CHECKS).unref()
  server.once('close', () => clearInterval(timer))
}

export interface Listening {
  server: Server
  port: number
  /** Lets open requests finish, and cuts those that are not over within the limit. */
  drain: Connections['drain']
}

/** @throws AppError `invalid-config` when the server cannot listen on the address */
export const listen = (
  { fetch }: Pick<ReturnType<typeof createApp>, 'fetch'>,
  { port, host }: Pick<Config, 'port' | 'host'>,
  { fault, ...options }: Partial<ListenOptions> & { fault: ReportFault<ServerFault> }
): Promise<Listening> =>
  new Promise((resolve, reject) => {
    const settings: ListenOptions = { ...DEFAULTS, ...options }
    const { allowedHosts, keepAliveMs, headMs, requestMs, checkMs } = settings
    const timeouts = {
      keepAliveTimeout: keepAliveMs,
      headersTimeout: headMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: checkMs,
    }
    const listener = getRequestListener(fetch, {
      hostname: host,
      errorHandler: (error) => answerUnroutable(error, fault),
    })
    const hostRefusal = createHostCheck({ listensOn: host, allowed: allowedHosts })
    const answer: RequestListener = (incoming, outgoing) => {
      const refusal = hostRefusal(incoming.headers.host)
      if (refusal === null) void listener(incoming, outgoing)
      else refuse(outgoing, refusal)
    }
    const isFree = (socket: Socket): boolean => connections.isFree(socket)
    const IncomingMessage = handshakeRequests(isFree)
    const server = createServer({ ...timeouts, IncomingMessage })
    const connections = new Connections(server, settings)
    server.on('request', (incoming, outgoing) =>
      connections.whenNext(incoming, outgoing, () => answer(incoming, outgoing))
    )
    serveHandshakes(server, connections, answer)
    watchUnread(server, connections, settings)
    refuseUnreadable(server, connections, fault)
    const refused = (cause: Error): void =>
      reject(new AppError('invalid-config', `cannot listen on ${host}:${port}`, { cause }))
    server.once('error', refused)
    server.listen(port, host, () => {
      server.off('error', refused)
      // a failed accept, as at the limit of open files, costs one connection and not the server
      server.on('error', (error) => fault('accept', error))
      resolve({
        server,
        port: (server.address() as AddressInfo).port,
        drain: (limitMs) => connections.drain(limitMs),
      })
    })
  })
