/**
 * A WebSocket, as OpenAI's realtime API opens it, is refused in words: forwarded without its upgrade,
 * which is for one connection only, it would come back as an error that explains nothing.
 */
import type { IncomingMessage } from 'node:http'
import { AppError } from '../errors.ts'
import type { Client } from './client/client.ts'

/** Whether a request is an opening handshake (RFC 6455 §4.2.1); `upgrade` is a list of protocols. */
export const asksForWebSocket = ({ method, headers: { upgrade } }: IncomingMessage): boolean =>
  upgrade !== undefined && method === 'GET' && /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(upgrade)

/** The connection closes, because nobody who asked for a WebSocket goes on in HTTP. */
export const refuseWebSocket = (client: Client): void =>
  client.sendError(
    new AppError(
      'not-implemented',
      'the proxy carries no WebSocket connections; open this one at the upstream itself'
    ),
    ['connection', 'close']
  )
