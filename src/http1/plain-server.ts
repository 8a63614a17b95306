/** The plain path in front of Node's HTTP server: both listen on one socket. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { PlainConnection, type PlainDeps, type PlainLimits } from './plain-connection.ts'
import { createPlainHeadReader } from './plain-head.ts'

/** Whose requests are plain. */
export interface PlainRoute extends Pick<PlainDeps, 'takes'> {
  /** as it stands in the start line */
  path: string
}

export interface PlainServerOptions {
  limits: PlainLimits
  /** how often limits are looked at */
  checkMs: number
  begun: PlainDeps['begun']
}

/**
 * From now on the server's connections are the plain path's first. What Node does with a connection is
 * a listener like any other, so that it can be called later: its event is documented as one that
 * others may emit.
 */
export const servePlain = (
  server: Server,
  { path, takes }: PlainRoute,
  { limits, checkMs, begun }: PlainServerOptions
): void => {
  const connections = new Set<PlainConnection>()
  const nodes = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  const deps: PlainDeps = {
    readHead: createPlainHeadReader(path),
    takes,
    handOver: (socket) => {
      for (const listener of nodes) listener.call(server, socket)
    },
    left: (connection) => connections.delete(connection),
    refuse: (error, socket) => server.emit('clientError', error, socket),
    begun,
    keepAlive: `timeout=${Math.floor(limits.keepAliveMs / 1000)}`,
    clock: () => performance.now(),
  }
  server.on('connection', (socket) => connections.add(new PlainConnection(socket, deps)))
  const checks = setInterval(() => {
    for (const connection of connections) connection.check(limits)
  }, checkMs)
  checks.unref()
  server.once('close', () => clearInterval(checks))
}
