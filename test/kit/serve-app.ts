/** A Hono app that listens, beside proxies in the same process. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'

export interface Served {
  url: string
  close(): Promise<void>
}

/** Leaves the global `Response` as it is: a proxy that loads after it was replaced sends its answers twice. */
export const listenerOf = (app: Hono) =>
  getRequestListener(app.fetch, { overrideGlobalObjects: false })

export const serveApp = async (app: Hono): Promise<Served> => {
  const server = createServer(listenerOf(app)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
