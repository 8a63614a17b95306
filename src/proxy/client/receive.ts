/** The first step of a completion: its whole body, within a limit. */
import type { IncomingMessage } from 'node:http'
import { AppError } from '../../errors.ts'
import type { Dialect } from '../../openai/dialect.ts'
import type { ProxyMetrics } from '../metrics/metrics.ts'
import { tooSlow } from './arrivals.ts'
import type { BodyBudget } from './body-budget.ts'
import type { Client } from './client.ts'
import { GrowingBody } from './growing-body.ts'

/** A request whose body has arrived. */
export interface Received {
  readonly dialect: Dialect
  readonly incoming: IncomingMessage
  readonly client: Client
  /** when its head arrived, milliseconds since the epoch */
  readonly at: number
  /** as the client sent it */
  readonly body: Buffer
}

/** Why a body was not read to its end. */
export type Unread = 'client-left' | 'no-room'

export interface ReceiveDeps {
  limits: { maxBodyBytes: number }
  bodies: Pick<BodyBudget, 'take' | 'give' | 'arriving'>
  metrics: Pick<ProxyMetrics, 'request'>
  now: () => number
}

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

/**
 * Takes memory from the budget for bytes as they arrive, not for the declared length: a client that
 * declares 32 MiB and sends nothing takes nothing from others. Returns it when the exchange is over.
 */
const receiveBody = (
  { limits: { maxBodyBytes }, bodies, metrics }: ReceiveDeps,
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

export type Receive = ReturnType<typeof createReceive>

/**
 * The request with its whole body, or why it was not read; after `no-room` the body can be streamed.
 * @throws AppError `body-too-large`
 */
export const createReceive =
  (deps: ReceiveDeps) =>
  async (
    incoming: IncomingMessage,
    client: Client,
    dialect: Dialect
  ): Promise<Received | Unread> => {
    const at = deps.now()
    const body = await receiveBody(deps, incoming, client)
    return typeof body === 'string' ? body : { dialect, incoming, client, at, body }
  }
