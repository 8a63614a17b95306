import type { Hono } from 'hono'
import { listen } from '../../adapters/host/host.ts'

export interface Served {
  url: string
  close(): Promise<void>
}

/** A Hono app that listens as an engine does, beside proxies in the same process. */
export const serveApp = async (app: Hono): Promise<Served> => {
  const { port, close } = await listen(app)
  return { url: `http://127.0.0.1:${port}`, close }
}
