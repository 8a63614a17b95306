/**
 * The first step of a completion: its whole body, within a limit.
 *
 * A body while it arrives. After a few chunks they are copied into one buffer that grows: a chunk of one
 * byte takes some 200 bytes of memory, and joining 32 MiB at the end would block the event loop for
 * 15 ms.
 */
import type { IncomingMessage } from 'node:http'
import { AppError } from '../../errors.ts'
import type { Dialect } from '../../openai/dialect.ts'
import type { ProxyMetrics } from '../metrics/metrics.ts'
import { tooSlow } from './arrivals.ts'
import type { BodyBudget } from './body-budget.ts'
import type { Client } from './client.ts'

/** Most bodies arrive in fewer chunks and are not copied. */
const MAX_CHUNKS = 16
const MIN_CAPACITY_BYTES = 64 * 1024

export class GrowingBody {
  private chunks: Buffer[] = []
  private buffer: Buffer | null = null
  private used = 0

  /** @param maxBytes the most that is ever added */
  constructor(private readonly maxBytes: number) {}

  add(chunk: Buffer): void {
    if (this.buffer === null && this.chunks.length < MAX_CHUNKS) {
      this.chunks.push(chunk)
      this.used += chunk.length
      return
    }
    const buffer = this.withRoomFor(chunk.length)
    this.used += chunk.copy(buffer, this.used)
  }

  /** Returns the whole body and forgets it. */
  take(): Buffer {
    const { buffer, chunks, used } = this
    this.clear()
    if (buffer !== null) return buffer.subarray(0, used)
    const [first] = chunks
    return first?.length === used ? first : Buffer.concat(chunks, used)
  }

  clear(): void {
    this.chunks = []
    this.buffer = null
    this.used = 0
  }

  /** The unwritten part of a large buffer takes no physical memory. */
  private withRoomFor(bytes: number): Buffer {
    const { buffer, chunks, used } = this
    if (buffer !== null && used + bytes <= buffer.length) return buffer
    const wanted = Math.max(2 * (used + bytes), MIN_CAPACITY_BYTES)
    const grown = Buffer.allocUnsafeSlow(Math.max(used + bytes, Math.min(wanted, this.maxBytes)))
    let at = 0
    for (const piece of buffer === null ? chunks : [buffer.subarray(0, used)])
      at += piece.copy(grown, at)
    this.chunks = []
    return (this.buffer = grown)
  }
}

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
