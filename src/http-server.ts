/** Opening and draining the one listening socket. */
import { createServer, STATUS_CODES, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { createApp } from './app.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { errorBody } from './openai/error-body.ts'
import type { Proxy } from './proxy/proxy.ts'

const DRAIN_MS = 60_000
/** Longer than load balancers keep theirs, so that none sends into a connection that is closing. */
const KEEP_ALIVE_MS = 75_000
/** A head, and a whole request, must be there by then: whoever trickles bytes holds nothing for long. */
const HEAD_TIMEOUT_MS = 60_000
const REQUEST_TIMEOUT_MS = 300_000

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
const refuseUnreadable = (server: Server): void => {
  const latest = new WeakMap<Duplex, ServerResponse>()
  server.prependListener('request', ({ socket }, outgoing) => latest.set(socket, outgoing))
  server.on('clientError', (error, socket) => {
    const outgoing = latest.get(socket)
    if (outgoing === undefined || outgoing.writableEnded) refuse(error, socket)
    else if (outgoing.req.complete) outgoing.once('close', () => refuse(error, socket))
    else if (outgoing.headersSent) socket.destroy()
    else refuse(error, socket)
  })
}

/**
 * @param takes sees a request before the app does, which gets what it refuses
 * @throws AppError `invalid-config` when the address cannot be taken
 */
export const listen = (
  { fetch }: Pick<ReturnType<typeof createApp>, 'fetch'>,
  takes: Proxy['takes'],
  { port, host }: Pick<Config, 'port' | 'host'>
): Promise<{ server: Server; port: number }> =>
  new Promise((resolve, reject) => {
    const behind = getRequestListener(fetch, { hostname: host })
    const timeouts = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    }
    const server = createServer(timeouts, (incoming, outgoing) => {
      if (!takes(incoming, outgoing)) void behind(incoming, outgoing)
    })
    refuseUnreadable(server)
    server.once('error', (cause) =>
      reject(new AppError('invalid-config', `cannot listen on ${host}:${port}`, { cause }))
    )
    server.listen(port, host, () =>
      resolve({ server, port: (server.address() as AddressInfo).port })
    )
  })

/** Connections that are open finish within the limit, then they are cut. */
export const drain = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.closeAllConnections()
    }, DRAIN_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
