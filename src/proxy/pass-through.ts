/**
 * Requests that are streamed to the upstream and back, unread, unbuffered and unlogged: everything that
 * is not a chat completion, chat completions that bypass the proxy, bodies that do not fit into memory, and
 * WebSockets.
 */
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { AppError } from '../errors.ts'
import type { Caller } from './access/limits.ts'
import { type Client, refuse } from './client/client.ts'
import type { StepDeps } from './deps.ts'
import { hasBody } from './headers.ts'
import { asksForWebSocket } from './upgrade/handshake.ts'
import { pendingOf, type OpenWebSocket } from './upgrade/open-websocket.ts'

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

export type Forward = ReturnType<typeof createForward>

/** Sends admitted requests to the standard upstream, with a received body or, for null, the incoming one. */
export const createForward =
  ({ upstreams, upstreamApiKey }: Pick<StepDeps, 'upstreams' | 'upstreamApiKey'>) =>
  (incoming: IncomingMessage, client: Client, body: Buffer | null): void =>
    upstreams.pass({
      incoming,
      body: body ?? (hasBody(incoming) ? bodyOf(incoming) : null),
      client,
      apiKey: upstreamApiKey,
    })

interface PassDeps extends Pick<StepDeps, 'access' | 'metrics' | 'fault'> {
  forward: Forward
  openWebSocket: OpenWebSocket
}

export type Pass = ReturnType<typeof createPass>

/** Admits and forwards requests that are not read; of a WebSocket the handshake counts as one. */
export const createPass =
  (deps: PassDeps) =>
  (incoming: IncomingMessage, client: Client): void => {
    const { access, forward, openWebSocket, metrics } = deps
    const isWebSocket = asksForWebSocket(incoming)
    const send = (): void => {
      const pending = isWebSocket ? pendingOf(incoming) : null
      metrics.request('passed')
      if (pending === null) forward(incoming, client, null)
      else openWebSocket(incoming, client, pending)
    }
    const fail = (thrown: unknown): void =>
      refuse(deps, client, thrown, isWebSocket ? ['connection', 'close'] : [])
    try {
      const admitted = access?.callerOf(incoming).admitPassage(incoming)
      if (admitted instanceof Promise) void admitted.then(send).catch(fail)
      else send()
    } catch (thrown) {
      fail(thrown)
    }
  }

interface PassUnreadDeps extends Pick<StepDeps, 'failover' | 'metrics'> {
  forward: Forward
}

export type PassUnread = ReturnType<typeof createPassUnread>

/**
 * Streams completions whose bodies do not fit into memory to the upstream. Where the model decides which
 * upstream that is, an unread request is refused: its credential may be meant for another upstream.
 * @throws AppError as `Caller.admitUnread`
 */
export const createPassUnread =
  ({ failover, forward, metrics }: PassUnreadDeps) =>
  async (incoming: IncomingMessage, client: Client, caller: Caller | null): Promise<void> => {
    await caller?.admitUnread()
    if (failover.upstreams.length === 0) {
      metrics.request('unread')
      return forward(incoming, client, null)
    }
    metrics.request('shed')
    const message = 'there is no room for the request; try again soon'
    client.sendError(new AppError('overloaded', message, { retryAfterSeconds: 1 }))
    incoming.resume()
  }
