/**
 * Requests that are streamed to the upstream and back, unread, unbuffered and unlogged: everything that
 * is not a chat completion, chat completions that bypass the proxy, bodies that do not fit into memory, and
 * WebSockets.
 */
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Client } from './client/client.ts'
import { refuse } from './client/refuse.ts'
import type { ChatDeps } from './deps.ts'
import { hasBody } from './headers.ts'
import { asksForWebSocket } from './upgrade/handshake.ts'
import { openWebSocket, pendingOf } from './upgrade/open-websocket.ts'

/**
 * The body behind a stream of its own: undici destroys the stream it is sending when an answer comes
 * early, and destroying the request itself would close the client's connection.
 */
const bodyOf = (incoming: IncomingMessage): PassThrough => {
  const body = new PassThrough()
  // both ends report errors elsewhere: by the client's connection and by the upstream's handler
  body.on('error', () => {})
  incoming.on('error', () => body.destroy())
  return incoming.pipe(body)
}

/** @param body in place of the incoming one, which was received; null streams that */
export const passThrough = (
  { upstreams, upstreamApiKey }: Pick<ChatDeps, 'upstreams' | 'upstreamApiKey'>,
  incoming: IncomingMessage,
  client: Client,
  body: Buffer | null = null
): void =>
  upstreams.pass({
    incoming,
    body: body ?? (hasBody(incoming) ? bodyOf(incoming) : null),
    client,
    apiKey: upstreamApiKey,
    addedHeaders: [],
    capture: null,
    hidesUsage: false,
    onEnd: () => {},
  })

/** Admits and forwards a request that is not read; of a WebSocket the handshake counts as one. */
export const pass = (deps: ChatDeps, incoming: IncomingMessage, client: Client): void => {
  const isWebSocket = asksForWebSocket(incoming)
  const forward = (): void => {
    const pending = isWebSocket ? pendingOf(incoming) : null
    deps.metrics.request('passed')
    if (pending === null) passThrough(deps, incoming, client)
    else openWebSocket(deps, incoming, client, pending)
  }
  const fail = (thrown: unknown): void =>
    refuse(deps, client, thrown, isWebSocket ? ['connection', 'close'] : [])
  try {
    const admitted = deps.access?.callerOf(incoming).admitPassage(incoming)
    if (admitted instanceof Promise) void admitted.then(forward).catch(fail)
    else forward()
  } catch (thrown) {
    fail(thrown)
  }
}
