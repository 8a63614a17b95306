/** First steps of a chat completion: its whole body, within a limit, and what it says. */
import type { IncomingMessage } from 'node:http'
import { readChatRequest } from '../core/chat-reading.ts'
import { MAX_PARSED_BYTES } from '../core/json-scan.ts'
import { outlineOf, type Outline } from '../core/match.ts'
import { AppError } from '../errors.ts'
import { BodyPieces } from './body-pieces.ts'
import type { Client } from './client.ts'
import type { ChatDeps } from './deps.ts'
import { Exchange, type Received } from './exchange.ts'

const tooLarge = (maxBytes: number): AppError =>
  new AppError(
    'body-too-large',
    `the request body is over the limit of ${maxBytes} bytes; send it with ` +
      'x-promptintern-bypass: true to stream it to the upstream unread'
  )

/** Lets the rest of a refused body run out, so that the client gets to read the refusal. */
const discard = (incoming: IncomingMessage): void => {
  incoming.removeAllListeners('data')
  incoming.resume()
}

/** Gives back what was read, so that the body can be streamed from its first byte. */
const putBack = (incoming: IncomingMessage, body: Buffer): void => {
  incoming.removeAllListeners('data')
  incoming.pause()
  incoming.unshift(body)
}

/** Why a body was not read to its end. */
export type Unread = 'client-left' | 'no-room'

/**
 * Takes room for bytes as they come, whatever length is declared: a client that declares 32 MiB and
 * sends nothing takes nothing from others. All of it is given back when the exchange is over. While the
 * pieces of a body are put together it is there twice; that is one body of all at a time.
 * @throws AppError `body-too-large`
 */
const receiveBody = (
  { limits: { maxBodyBytes }, bodies }: ChatDeps,
  incoming: IncomingMessage,
  client: Client
): Promise<Buffer | Unread> =>
  new Promise((resolve, reject) => {
    const pieces = new BodyPieces()
    let bytes = 0
    let taken = 0
    client.onOver(() => bodies.give(taken))
    incoming.on('error', () => resolve('client-left'))
    incoming.on('close', () => resolve('client-left'))
    const refuse = (): void => {
      pieces.clear()
      discard(incoming)
      reject(tooLarge(maxBodyBytes))
    }
    if (Number(incoming.headers['content-length'] ?? 0) > maxBodyBytes) return refuse()
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      pieces.add(chunk)
      if (bytes > maxBodyBytes) return refuse()
      if (bodies.take(chunk.length)) {
        taken += chunk.length
        return
      }
      putBack(incoming, pieces.take())
      resolve('no-room')
    })
    incoming.on('end', () => resolve(pieces.take()))
  })

/** True also when the routes cannot be asked: the next step asks them again, and counts the fault. */
const mayMatch = ({ routes }: ChatDeps, body: Buffer, outline: Outline): boolean => {
  try {
    return routes().matcher.mayMatch(body, outline)
  } catch {
    return true
  }
}

/** A chat completion whose body is there. */
export interface Whole {
  incoming: IncomingMessage
  client: Client
  /** when its head was there, milliseconds since the epoch */
  at: number
  body: Buffer
}

/** What is known of a body in which no template can be, and which is not read for that reason. */
const unparsed = (deps: ChatDeps, body: Buffer): Outline | null => {
  const outline = body.length > MAX_PARSED_BYTES ? null : outlineOf(body)
  return outline !== null && !mayMatch(deps, body, outline) ? outline : null
}

/**
 * What it says, as far as that must be known.
 * @param isReadFirst whether the request must be read, even where no template is in it
 */
export const read = (
  deps: ChatDeps,
  { incoming, client, at, body }: Whole,
  isReadFirst: boolean
): Received => {
  const completeAt = deps.now()
  const outline = isReadFirst ? null : unparsed(deps, body)
  const result = outline === null ? readChatRequest(body) : null
  const outcome = result?.outcome ?? null
  const reading = typeof outcome === 'string' ? null : outcome
  const exchange = new Exchange(deps, incoming, {
    at,
    model: outline?.model ?? result?.model ?? '',
    streamed: outline?.streamed ?? reading?.request.stream === true,
    body,
  })
  // what is longer than any template's context is read for limits alone
  const request = reading?.isWhole === true ? reading.request : null
  return { incoming, client, completeAt, overheadMs: 0, exchange, outcome, request, charge: null }
}

/**
 * The request as a whole, or why there is none; `no-room` leaves the body to be streamed.
 * @throws AppError `body-too-large`
 */
export const receive = async (
  deps: ChatDeps,
  incoming: IncomingMessage,
  client: Client
): Promise<Whole | Unread> => {
  const at = deps.now()
  const body = await receiveBody(deps, incoming, client)
  return typeof body === 'string' ? body : { incoming, client, at, body }
}
