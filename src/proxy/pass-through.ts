/**
 * Every request that is no chat completion, and those that ask for no reading: streamed to the
 * upstream and back, unread, unbuffered and unlogged.
 */
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import type { HttpBindings } from '@hono/node-server'
import { Client } from './client.ts'
import type { ProxyMetrics } from './metrics.ts'
import type { Upstream } from './upstream.ts'

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/**
 * The body behind a stream of its own: undici destroys what it was sending when an answer comes
 * early, and destroying the request itself would tear down the client's connection with it.
 */
const bodyOf = (incoming: IncomingMessage): PassThrough => {
  const body = new PassThrough()
  // both ends report through the client's connection and the upstream's handler
  body.on('error', () => {})
  incoming.on('error', () => body.destroy())
  return incoming.pipe(body)
}

export const createPassThrough =
  (upstream: Upstream, metrics: ProxyMetrics) =>
  ({ incoming, outgoing }: HttpBindings): void => {
    metrics.request('passed')
    upstream.send(incoming, hasBody(incoming) ? bodyOf(incoming) : null, {
      client: new Client(outgoing),
      addedHeaders: [],
      capture: null,
      onEnd: () => {},
    })
  }
