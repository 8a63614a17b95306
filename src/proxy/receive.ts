/** First steps of a chat completion: its whole body, within a limit, and what it says. */
import type { IncomingMessage } from 'node:http'
import { outlineOf, type Outline } from '../core/match.ts'
import { AppError } from '../errors.ts'
import type { ChatRequest } from '../openai/chat.ts'
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
const putBack = (incoming: IncomingMessage, chunks: Buffer[]): void => {
  incoming.removeAllListeners('data')
  incoming.pause()
  incoming.unshift(Buffer.concat(chunks))
}

/** Why a body was not read to its end. */
export type Unread = 'client-left' | 'no-room'

/**
 * Takes room for the body before it is there, where its length is known; all of it is given back when
 * the exchange is over.
 * @throws AppError `body-too-large`
 */
const receiveBody = (
  { limits: { maxBodyBytes }, bodies }: ChatDeps,
  incoming: IncomingMessage,
  client: Client
): Promise<Buffer | Unread> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    let taken = 0
    const take = (more: number): boolean => {
      if (!bodies.take(more)) return false
      taken += more
      return true
    }
    client.onOver(() => bodies.give(taken))
    incoming.on('error', () => resolve('client-left'))
    incoming.on('close', () => resolve('client-left'))
    const declared = Number(incoming.headers['content-length'] ?? 0)
    if (declared > maxBodyBytes) {
      discard(incoming)
      reject(tooLarge(maxBodyBytes))
      return
    }
    if (!take(declared)) return resolve('no-room')
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > maxBodyBytes) {
        chunks.length = 0
        discard(incoming)
        reject(tooLarge(maxBodyBytes))
      } else if (bytes > taken && !take(bytes - taken)) {
        putBack(incoming, chunks)
        resolve('no-room')
      }
    })
    incoming.on('end', () =>
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes))
    )
  })

const isMessage = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'role' in value && typeof value.role === 'string'

/**
 * The body as far as it can be read. Whatever is not a chat request is the upstream's to refuse.
 * @returns null when it is not JSON or not shaped like a chat request
 */
const parseChatRequest = (text: string): ChatRequest | null => {
  let parsed: Partial<ChatRequest> | null
  try {
    parsed = JSON.parse(text) as Partial<ChatRequest> | null
  } catch {
    return null
  }
  const readable =
    typeof parsed?.model === 'string' &&
    Array.isArray(parsed.messages) &&
    parsed.messages.every(isMessage)
  return readable ? (parsed as ChatRequest) : null
}

/** True also when the routes cannot be asked: the next step asks them again. */
const mayMatch = ({ routes, fault }: ChatDeps, body: Buffer, outline: Outline): boolean => {
  try {
    return routes().matcher.mayMatch(body, outline)
  } catch (error) {
    fault('matching', error)
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
  const outline = isReadFirst ? null : outlineOf(body)
  // most of what no template is in needs no parsing
  const isParsed = outline === null || mayMatch(deps, body, outline)
  const request = isParsed ? parseChatRequest(body.toString('utf8')) : null
  const exchange = new Exchange(deps, incoming, {
    at,
    model: isParsed ? (request?.model ?? '') : outline.model,
    streamed: isParsed ? request?.stream === true : outline.streamed,
    body,
  })
  return { incoming, client, completeAt, overheadMs: 0, exchange, request, charge: null }
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
