/** Opening and draining the one listening socket. */
import type { AddressInfo } from 'node:net'
import { serve, type ServerType } from '@hono/node-server'
import type { createApp } from './app.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'

const DRAIN_MS = 60_000

/** @throws AppError `invalid-config` when the address cannot be taken */
export const listen = (
  fetchHandler: ReturnType<typeof createApp>['fetch'],
  config: Config
): Promise<{ server: ServerType; port: number }> =>
  new Promise((resolve, reject) => {
    const server = serve(
      { fetch: fetchHandler, port: config.port, hostname: config.host },
      (info: AddressInfo) => resolve({ server, port: info.port })
    )
    server.once('error', (cause) =>
      reject(
        new AppError('invalid-config', `cannot listen on ${config.host}:${config.port}`, { cause })
      )
    )
  })

/** Connections that are open finish within the limit, then they are cut. */
export const drain = (server: ServerType): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      if ('closeAllConnections' in server) server.closeAllConnections()
    }, DRAIN_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    if ('closeIdleConnections' in server) server.closeIdleConnections()
  })
