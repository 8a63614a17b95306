/**
 * Every request that is no chat completion, those that ask for no reading, and those for whose body
 * there is no room: streamed to the upstream and back, unread, unbuffered and unlogged.
 */
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Client } from './client/client.ts'
import type { ChatDeps } from './deps.ts'

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

export const passThrough = (
  { upstream, upstreamApiKey }: Pick<ChatDeps, 'upstream' | 'upstreamApiKey'>,
  incoming: IncomingMessage,
  client: Client
): void =>
  upstream.send(incoming, hasBody(incoming) ? bodyOf(incoming) : null, {
    client,
    apiKey: upstreamApiKey,
    addedHeaders: [],
    capture: null,
    hidesUsage: false,
    onEnd: () => {},
  })
