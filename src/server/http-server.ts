/** Opening and draining the one listening socket. */
import { createServer, STATUS_CODES, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { createApp } from './app.ts'
import type { Config } from '../config/config.ts'
import { trackConnections, type Connections } from './connections.ts'
import { AppError, toAppError } from '../errors.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import { errorBody } from '../openai/error-body.ts'

export interface ListenOptions {
  /** a further connection is closed at once */
  maxConnections: number
  /** of a connection without a request */
  keepAliveMs: number
  /** by then a request's head must be there */
  headMs: number
  /** by then a whole request must be there */
  requestMs: number
  /** how often the two are looked at */
  checkMs: number
}

const DEFAULTS: ListenOptions = {
  maxConnections: 16_384,
  // longer than load balancers keep theirs, so that none sends into a connection that is closing
  keepAliveMs: 75_000,
  // whoever trickles bytes holds nothing for long
  headMs: 60_000,
  requestMs: 300_000,
  checkMs: 30_000,
}

/** What Node's parser says → what the client is told. */
const refusalOf = (code: string | undefined): AppError => {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('headers-too-large', 'the headers are over the limit of 16 KiB')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('request-timeout', 'the request did not arrive in time')
    default:
      return new AppError('invalid-request', `the request is no HTTP/1.1 (${code ?? 'unknown'})`)
  }
}

/** A request that Hono cannot be asked with, such as one with an invalid host; or a fault of ours. */
const answerUnroutable = (error: unknown, fault: ReportFault<ServerFault>): Response => {
  const isRequests = error instanceof RequestError
  if (!isRequests) fault('request', error)
  const refusal = isRequests
    ? new AppError('invalid-request', 'the target or the host of the request is not valid')
    : toAppError(error)
  return Response.json(errorBody(refusal), { status: refusal.status })
}

/** Answers what was never a request, in OpenAI's format, and closes the connection. */
const refuse = (error: Error & { code?: string }, socket: Duplex): void => {
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

/**
 * Refuses what the parser cannot read. Behind a whole request that is still being answered its answer
 * comes first; a request that breaks off ends what was begun for it.
 */
const refuseUnreadable = (
  server: Server,
  connections: Connections,
  fault: ReportFault<ServerFault>
): void => {
  server.on('clientError', (error: Error & { code?: string }, socket) => {
    // a client that goes away is none
    if (error.code !== 'ECONNRESET') fault('unreadable-request', error)
    const outgoing = connections.latest(socket as Socket)
    if (outgoing === null || outgoing.writableEnded) refuse(error, socket)
    else if (outgoing.req.complete) outgoing.once('close', () => refuse(error, socket))
    else if (outgoing.headersSent) socket.destroy()
    else refuse(error, socket)
  })
}

export interface Listening {
  server: Server
  port: number
  /** Ends what is open, and cuts what is not over within the limit. */
  drain: Connections['drain']
}

/** @throws AppError `invalid-config` when the address cannot be taken */
export const listen = (
  { fetch }: Pick<ReturnType<typeof createApp>, 'fetch'>,
  { port, host }: Pick<Config, 'port' | 'host'>,
  { fault, ...options }: Partial<ListenOptions> & { fault: ReportFault<ServerFault> }
): Promise<Listening> =>
  new Promise((resolve, reject) => {
    const { maxConnections, keepAliveMs, headMs, requestMs, checkMs } = { ...DEFAULTS, ...options }
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
    const server = createServer(timeouts, (incoming, outgoing) => void listener(incoming, outgoing))
    server.maxConnections = maxConnections
    const connections = trackConnections(server)
    refuseUnreadable(server, connections, fault)
    const refused = (cause: Error): void =>
      reject(new AppError('invalid-config', `cannot listen on ${host}:${port}`, { cause }))
    server.once('error', refused)
    server.listen(port, host, () => {
      server.off('error', refused)
      // an accept that fails, as when no file may be opened any more, costs that connection alone
      server.on('error', (error) => fault('accept', error))
      resolve({
        server,
        port: (server.address() as AddressInfo).port,
        drain: connections.drain,
      })
    })
  })
