/**
 * Requests that are streamed to the upstream and back, unread, unbuffered and unlogged: everything that
 * is not a chat completion, chat completions that bypass the proxy, and bodies that do not fit into
 * memory.
 */
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { AppError, isFault, toAppError } from '../errors.ts'
import type { Client } from './client/client.ts'
import type { ChatDeps } from './deps.ts'

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

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

/** Whether a request is an opening handshake (RFC 6455 §4.2.1); `upgrade` is a list of protocols. */
const asksForWebSocket = ({ method, headers: { upgrade } }: IncomingMessage): boolean =>
  upgrade !== undefined && method === 'GET' && /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(upgrade)

/**
 * A WebSocket, as OpenAI's realtime API opens it. Forwarded without its upgrade, which is a hop-by-hop
 * header, it would come back as an error that explains nothing.
 */
const noWebSocket = (): AppError =>
  new AppError(
    'not-implemented',
    'the proxy does not carry WebSocket connections; connect to the upstream directly'
  )

/** Admits and forwards a request that is not read. */
export const pass = (deps: ChatDeps, incoming: IncomingMessage, client: Client): void => {
  if (asksForWebSocket(incoming)) {
    deps.metrics.request('refused')
    return client.sendError(noWebSocket(), ['connection', 'close'])
  }
  const forward = (): void => {
    deps.metrics.request('passed')
    passThrough(deps, incoming, client)
  }
  const refuse = (thrown: unknown): void => {
    const error = toAppError(thrown)
    if (isFault(error)) deps.fault('request', thrown)
    deps.metrics.request('refused')
    client.sendError(error)
  }
  try {
    const admitted = deps.access?.callerOf(incoming).admitPassage(incoming)
    if (admitted instanceof Promise) void admitted.then(forward).catch(refuse)
    else forward()
  } catch (thrown) {
    refuse(thrown)
  }
}
