/** First step of a completion: its whole body, within a limit, and its content. */
import type { IncomingMessage } from 'node:http'
import { readChatRequest, readScanned, type ReadResult } from '../core/request/chat-reading.ts'
import { MAX_PARSED_BYTES, scanJson } from '../core/request/json-scan.ts'
import { outlineOf, type Outline } from '../core/match/match.ts'
import { AppError } from '../errors.ts'
import { CHAT, type Dialect } from '../openai/dialect.ts'
import { tooSlow } from './client/arrivals.ts'
import type { Client } from './client/client.ts'
import type { ChatDeps } from './deps.ts'
import { ChatExchange, type Received } from './exchange.ts'
import { GrowingBody } from './client/growing-body.ts'

const tooLarge = (maxBytes: number): AppError =>
  new AppError(
    'body-too-large',
    `the request body is over the limit of ${maxBytes} bytes; send it with ` +
      'x-promptintern-bypass: true to stream it to the upstream unread'
  )

/** Reads the rest of a refused body without keeping it, so that the client can read the refusal. */
const discard = (incoming: IncomingMessage): void => {
  incoming.removeAllListeners('data')
  incoming.resume()
}

/** Puts the bytes that were read back, so that the body can be streamed from its first byte. */
const putBack = (incoming: IncomingMessage, body: Buffer): void => {
  incoming.removeAllListeners('data')
  incoming.pause()
  incoming.unshift(body)
}

/** Why a body was not read to its end. */
export type Unread = 'client-left' | 'no-room'

/**
 * Takes memory from the budget for bytes as they arrive, not for the declared length: a client that
 * declares 32 MiB and sends nothing takes nothing from others. Returns it when the exchange is over.
 * @throws AppError `body-too-large`
 */
const receiveBody = (
  { limits: { maxBodyBytes }, bodies, metrics }: ChatDeps,
  incoming: IncomingMessage,
  client: Client
): Promise<Buffer | Unread> =>
  new Promise((resolve, reject) => {
    const declared = Number(incoming.headers['content-length'] ?? maxBodyBytes)
    const body = new GrowingBody(Math.min(declared, maxBodyBytes))
    let bytes = 0
    let taken = 0
    let arrived: (() => void) | null = null
    client.onOver(() => {
      bodies.give(taken)
      arrived?.()
    })
    incoming.on('error', () => resolve('client-left'))
    incoming.on('close', () => resolve('client-left'))
    const refuse = (): void => {
      body.clear()
      discard(incoming)
      reject(tooLarge(maxBodyBytes))
    }
    if (declared > maxBodyBytes) return refuse()
    const endStalled = (): void => {
      metrics.request('shed')
      client.evict(tooSlow('its memory'))
    }
    incoming.on('data', (chunk: Buffer) => {
      if (client.isOver) return
      bytes += chunk.length
      body.add(chunk)
      if (bytes > maxBodyBytes) return refuse()
      if (bodies.take(chunk.length)) {
        // of a client that was ended to make this room
        if (client.isOver) return bodies.give(chunk.length)
        taken += chunk.length
        if (bytes < declared) arrived ??= bodies.arriving(incoming.socket, endStalled)
        return
      }
      arrived?.()
      putBack(incoming, body.take())
      resolve('no-room')
    })
    incoming.on('end', () => {
      arrived?.()
      resolve(client.isOver ? 'client-left' : body.take())
    })
  })

/** True also when the routes cannot be read: the next step reads them again. */
const mayMatch = ({ routes, fault }: ChatDeps, body: Buffer, outline: Outline): boolean => {
  try {
    return routes().matcher.mayMatch(body, outline)
  } catch (error) {
    fault('matching', error)
    return true
  }
}

/** A request whose body has arrived. */
export interface Whole {
  dialect: Dialect
  incoming: IncomingMessage
  client: Client
  /** when its head arrived, milliseconds since the epoch */
  at: number
  body: Buffer
  /** of a kept response that it continues, in whose place the body has the conversation */
  previousId: string | null
  /** whether the client's body had the id of an answer of ours */
  hasOwnItems: boolean
}

/** Facts of a body, by its outline or by parsing it. */
interface Found {
  model: string
  streamed: boolean
  outcome: Received['outcome']
}

const foundBy = ({ model, outcome }: ReadResult): Found => ({
  model,
  streamed: typeof outcome !== 'string' && outcome.request.stream === true,
  outcome,
})

const receivedOf = (
  deps: ChatDeps,
  { dialect, incoming, client, at, body, previousId, hasOwnItems }: Whole,
  completeAt: number,
  { model, streamed, outcome }: Found
): Received => {
  const exchange = new ChatExchange(deps, incoming, {
    dialect,
    at,
    model,
    streamed,
    body,
    previousId,
    hasOwnItems,
  })
  const isWhole = outcome !== null && typeof outcome !== 'string' && outcome.isWhole
  // a body longer than any template's context is parsed only for limits
  const request = isWhole ? outcome.request : null
  return { incoming, client, completeAt, overheadMs: 0, exchange, outcome, request, charge: null }
}

/**
 * Reads a body as far as needed.
 * @param isReadFirst whether the body must be parsed even where no template can match
 */
export const read = (deps: ChatDeps, whole: Whole, isReadFirst: boolean): Received => {
  const completeAt = deps.now()
  // an outline is that of a chat request
  const outline = isReadFirst || whole.dialect !== CHAT ? null : outlineOf(whole.body)
  const isUnmatched = outline !== null && !mayMatch(deps, whole.body, outline)
  const found = isUnmatched
    ? { ...outline, outcome: null }
    : foundBy(readChatRequest(whole.body, whole.dialect))
  return receivedOf(deps, whole, completeAt, found)
}

/** Lets other work of the event loop run. */
const nextTick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Reads a body that is too long for any template, in slices of at most some 30 ms. */
export const readInSlices = async (deps: ChatDeps, whole: Whole): Promise<Received> => {
  const completeAt = deps.now()
  await nextTick()
  const scan = scanJson(whole.body)
  await nextTick()
  const found = foundBy(readScanned(whole.body, scan, whole.dialect))
  await nextTick()
  return receivedOf(deps, whole, completeAt, found)
}

/** Whether a body is too long for any template, and to be read in one tick. */
export const isLong = ({ body }: Whole): boolean => body.length > MAX_PARSED_BYTES

/**
 * The request with its whole body, or why it was not read; after `no-room` the body can be streamed.
 * @throws AppError `body-too-large`
 */
export const receive = async (
  deps: ChatDeps,
  incoming: IncomingMessage,
  client: Client,
  dialect: Dialect
): Promise<Whole | Unread> => {
  const at = deps.now()
  const body = await receiveBody(deps, incoming, client)
  return typeof body === 'string'
    ? body
    : { dialect, incoming, client, at, body, previousId: null, hasOwnItems: false }
}
