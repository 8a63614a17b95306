/** Opening and draining the one listening socket. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { createApp } from './app.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import type { Proxy } from './proxy/proxy.ts'

const DRAIN_MS = 60_000

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
    const server = createServer((incoming, outgoing) => {
      if (!takes(incoming, outgoing)) void behind(incoming, outgoing)
    })
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
