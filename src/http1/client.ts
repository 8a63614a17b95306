/**
 * An HTTP/1.1 client for one origin and one kind of request: a POST whose body is in one piece. What
 * undici does for it, at a fraction of the cost: connections are kept, and each is in one exchange at a
 * time. Knows nothing of what it carries.
 */
import type { ConnectionOptions } from 'node:tls'
import type { AnswerHandler } from './answer-handler.ts'
import {
  ClientConnection,
  type ConnectionLimits,
  type ConnectionOwner,
  type Exchange,
} from './client-connection.ts'
import { createConnector, type Connector } from './connector.ts'
import { Http1Error } from './http1-error.ts'
import { postHead } from './post-head.ts'
import { Scratch } from './scratch.ts'

export interface Http1ClientOptions {
  /** of a connection, TLS included */
  connectTimeoutMs: number
  /** for the head of an answer, and between two pieces of its body */
  idleTimeoutMs: number
  /** of a head, of the trailers, and of the line before a chunk */
  maxHeadBytes?: number
  /** beside what the origin says */
  tls?: ConnectionOptions
  /** milliseconds of a clock that never goes back */
  now?: () => number
}

export interface Http1Client {
  /** What requests that are alike but for their bodies begin with. As `postHead`, which says more. */
  headOf(path: string, headers: readonly string[]): Buffer
  /** All errors go to the handler. @param head of `headOf` */
  dispatch(head: Buffer, body: Buffer, handler: AnswerHandler): void
  /** Ends all exchanges with an error. Resolves when all connections have closed. */
  close(): Promise<void>
}

const DEFAULT_MAX_HEAD_BYTES = 16 * 1024

/** As undici has them: where the upstream gives no hint, and how much less than its hint is relied on. */
const KEEP_ALIVE_MS = 4000
const KEEP_ALIVE_MARGIN_MS = 2000
const MAX_KEEP_ALIVE_MS = 600_000

/** Time-outs are counted in ticks; one is late by two ticks at most, and never early. */
const TICKS_PER_TIMEOUT = 8
const MIN_TICK_MS = 5
const MAX_TICK_MS = 500

const tickMsFor = (shortestTimeoutMs: number): number =>
  Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, Math.floor(shortestTimeoutMs / TICKS_PER_TIMEOUT)))

/** How long a connection is kept that nobody uses. */
const keptMs = (hintMs: number | null): number =>
  hintMs === null ? KEEP_ALIVE_MS : Math.min(hintMs - KEEP_ALIVE_MARGIN_MS, MAX_KEEP_ALIVE_MS)

class Pool implements Http1Client, ConnectionOwner {
  ticks = 0
  readonly scratch = new Scratch()
  private readonly host: string
  private readonly connector: Connector
  private readonly limits: ConnectionLimits
  private readonly tickMs: number
  private readonly now: () => number
  private readonly connections = new Set<ClientConnection>()
  /** a stack: those at its bottom may close when there is less to do */
  private readonly free: ClientConnection[] = []
  /** asked for in this turn of the event loop */
  private waiting: Exchange[] = []
  /** released in this turn of the event loop */
  private resting: ClientConnection[] = []
  private isTurnComing = false
  private ticking: NodeJS.Timeout | undefined
  private isClosed = false
  private whenEmpty: () => void = () => {}

  constructor(origin: URL, options: Http1ClientOptions) {
    const { connectTimeoutMs, idleTimeoutMs, maxHeadBytes = DEFAULT_MAX_HEAD_BYTES } = options
    this.host = origin.host
    this.connector = createConnector(origin, options.tls ?? {})
    this.now = options.now ?? (() => performance.now())
    this.tickMs = tickMsFor(Math.min(connectTimeoutMs, idleTimeoutMs))
    this.limits = {
      connectTicks: Math.ceil(connectTimeoutMs / this.tickMs),
      idleTicks: Math.ceil(idleTimeoutMs / this.tickMs),
      maxHeadBytes,
    }
  }

  headOf(path: string, headers: readonly string[]): Buffer {
    return postHead(this.host, path, headers)
  }

  dispatch(head: Buffer, body: Buffer, handler: AnswerHandler): void {
    if (this.isClosed)
      return handler.onError(new Http1Error('client-closed', 'the client is closed'))
    this.waiting.push({ head, body, handler })
    this.scheduleTurn()
  }

  async close(): Promise<void> {
    const error = new Http1Error('client-closed', 'the client was closed')
    this.isClosed = true
    for (const { handler } of this.waiting.splice(0)) handler.onError(error)
    for (const connection of this.connections) connection.fail(error)
    if (this.connections.size > 0) await new Promise<void>((resolve) => (this.whenEmpty = resolve))
  }

  released(connection: ClientConnection, keepAliveMs: number | null): void {
    connection.freeUntil = this.now() + keptMs(keepAliveMs)
    this.resting.push(connection)
    this.scheduleTurn()
  }

  closed(connection: ClientConnection): void {
    this.connections.delete(connection)
    const at = this.free.indexOf(connection)
    if (at >= 0) this.free.splice(at, 1)
    if (this.connections.size > 0) return
    clearInterval(this.ticking)
    this.whenEmpty()
  }

  /**
   * Requests are written when this turn of the event loop has read all that was there to read, and a
   * connection is free again one turn after its answer: so the end of a connection, or bytes that nobody
   * asked for, are seen before a request goes over it.
   */
  private scheduleTurn(): void {
    if (this.isTurnComing) return
    this.isTurnComing = true
    setImmediate(() => {
      this.isTurnComing = false
      const { waiting, resting } = this
      this.waiting = []
      this.resting = []
      for (const exchange of waiting) this.send(exchange)
      for (const connection of resting) if (connection.isOpen) this.free.push(connection)
    })
  }

  private send(exchange: Exchange): void {
    const connection = this.takeFree()
    if (connection === null) this.open(exchange)
    else connection.send(exchange)
  }

  private takeFree(): ClientConnection | null {
    const now = this.now()
    for (;;) {
      const connection = this.free.pop()
      if (connection === undefined) return null
      if (connection.isOpen && now < connection.freeUntil) return connection
      connection.close()
    }
  }

  private open(exchange: Exchange): void {
    const { connector, connections } = this
    try {
      connections.add(new ClientConnection(connector, exchange, this, this.limits))
    } catch (error) {
      return exchange.handler.onError(error as Error)
    }
    if (connections.size === 1) this.ticking = setInterval(() => this.tick(), this.tickMs).unref()
  }

  private tick(): void {
    this.ticks++
    const now = this.now()
    for (const connection of this.connections) connection.tick(now)
  }
}

/** @param origin of `http:` or `https:`; what stands behind the port is not heeded */
export const createHttp1Client = (origin: URL, options: Http1ClientOptions): Http1Client =>
  new Pool(origin, options)
