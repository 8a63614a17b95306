/**
 * One connection to an upstream and the exchange that it is in, if any. Knows nothing of other
 * connections: its owner hears when it is free, and when it has closed.
 */
import type { Socket } from 'node:net'
import type { AnswerHandler } from './answer-handler.ts'
import type { Connector } from './connector.ts'
import { Http1Error } from './http1-error.ts'
import { lengthLine } from './post-head.ts'
import { ResponseParser } from './response-parser.ts'
import type { Scratch } from './scratch.ts'

/** A request that was asked for, in the form in which it is written. */
export interface Exchange {
  /** all but the length of the body */
  head: Buffer
  body: Buffer
  handler: AnswerHandler
}

export interface ConnectionOwner {
  /** counts up at a steady rate: a clock that costs nothing to read */
  readonly ticks: number
  readonly scratch: Scratch
  /** The connection has no exchange any more, and may get another one. */
  released(connection: ClientConnection, keepAliveMs: number | null): void
  closed(connection: ClientConnection): void
}

export interface ConnectionLimits {
  connectTicks: number
  /** for the head of an answer, and between two pieces of its body */
  idleTicks: number
  maxHeadBytes: number
}

/** From here on, to copy costs more than to write in two pieces. */
const MOST_COPIED_BYTES = 64 * 1024

const toError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown))

const cutOff = (): Error =>
  new Http1Error('answer-cut-off', 'the connection ended before the answer did')

export class ClientConnection {
  /** when it is free: until when it may be used, in milliseconds of the owner's clock */
  freeUntil = 0
  private readonly socket: Socket
  private readonly owner: ConnectionOwner
  private readonly limits: ConnectionLimits
  private readonly parser: ResponseParser
  /** null while it is free */
  private exchange: Exchange | null
  private isConnected = false
  /** the handler wants nothing more for now */
  private isPaused = false
  private isReading = false
  /** the upstream has ended its side */
  private isEnded = false
  /** the tick in which something last came, or was sent */
  private movedAt: number

  /** @param exchange the first one, which opens it */
  constructor(
    connector: Connector,
    exchange: Exchange,
    owner: ConnectionOwner,
    limits: ConnectionLimits
  ) {
    const socket = connector.open((chunk) => this.received(chunk))
    this.socket = socket
    this.owner = owner
    this.limits = limits
    this.exchange = exchange
    this.movedAt = owner.ticks
    this.parser = new ResponseParser(limits.maxHeadBytes)
    socket.once(connector.readyEvent, () => {
      this.isConnected = true
      socket.on('end', () => this.ended())
      this.begin()
    })
    socket.on('error', (error) => this.fail(error))
    socket.on('close', () => {
      // what came before the end is still to be handed on
      if (!(this.isEnded && this.isPaused)) this.fail(cutOff())
      owner.closed(this)
    })
  }

  get isOpen(): boolean {
    return !this.socket.destroyed
  }

  /** Only while it is free. */
  send(exchange: Exchange): void {
    this.exchange = exchange
    this.begin()
  }

  /** Only while it is free. */
  close(): void {
    this.socket.destroy()
  }

  /** Ends what waits for too long. Called once a tick. */
  tick(now: number): void {
    const { limits } = this
    const waited = this.owner.ticks - this.movedAt
    if (this.exchange === null) {
      if (now >= this.freeUntil) this.socket.destroy()
    } else if (!this.isConnected) {
      if (waited > limits.connectTicks)
        this.fail(
          new Http1Error('connect-timeout', 'the upstream could not be connected to in time')
        )
    } else if (!this.isPaused && waited > limits.idleTicks)
      this.fail(new Http1Error('answer-timeout', 'the upstream was silent for too long'))
  }

  /** Ends the exchange, if there is one, and the connection. */
  fail(error: Error): void {
    const { exchange } = this
    this.exchange = null
    this.socket.destroy()
    exchange?.handler.onError(error)
  }

  /** Gives the exchange its connection. */
  private begin(): void {
    const { exchange } = this
    if (exchange === null) return
    this.movedAt = this.owner.ticks
    const { handler } = exchange
    try {
      handler.onConnect((error) => {
        if (this.exchange === exchange) this.fail(error)
      })
    } catch (error) {
      this.fail(toError(error))
    }
    if (this.exchange !== exchange) return
    this.write(exchange)
  }

  /** In one piece, which costs the system less than two, where it is small enough to be copied. */
  private write({ head, body }: Exchange): void {
    const { socket } = this
    const length = lengthLine(body)
    if (body.length > MOST_COPIED_BYTES) {
      socket.cork()
      socket.write(head)
      socket.write(length, 'latin1')
      socket.write(body)
      return socket.uncork()
    }
    const { scratch } = this.owner
    const whole = scratch.room(head.length + length.length + body.length)
    whole.set(head)
    whole.write(length, head.length, 'latin1')
    whole.set(body, head.length + length.length)
    socket.write(whole)
    if (socket.writableLength > 0) scratch.leave()
  }

  private received(chunk: Buffer): void {
    // an answer that nobody asked for would be taken for that of the next request
    if (this.exchange === null) return void this.socket.destroy()
    this.parser.push(chunk)
    this.read()
  }

  private ended(): void {
    this.isEnded = true
    if (!this.isPaused) this.finish()
  }

  /** Hands on what has come, as far as it is wanted. */
  private read(): void {
    if (this.isReading) return
    this.isReading = true
    try {
      while (this.step());
      this.exchange?.handler.onIdle()
    } catch (error) {
      this.fail(toError(error))
    }
    this.isReading = false
    if (this.isPaused) this.socket.pause()
  }

  /** @returns false when there is nothing more to do for now */
  private step(): boolean {
    const { exchange, parser } = this
    if (exchange === null || this.isPaused) return false
    const event = parser.next()
    if (event === 'more') return false
    this.movedAt = this.owner.ticks
    if (event === 'interim') this.announce(exchange)
    else if (event === 'head') this.isPaused = !this.announce(exchange)
    else if (event === 'data') this.isPaused = !exchange.handler.onData(parser.data)
    else this.complete(exchange)
    return true
  }

  private announce(exchange: Exchange): boolean {
    const { status, headers, statusText } = this.parser.head!
    return exchange.handler.onHeaders(status, headers, () => this.resume(exchange), statusText)
  }

  private resume(exchange: Exchange): void {
    if (this.exchange !== exchange || !this.isPaused) return
    this.isPaused = false
    this.movedAt = this.owner.ticks
    this.socket.resume()
    this.read()
    if (this.isEnded && !this.isPaused) this.finish()
  }

  /** Nothing more comes from the upstream. */
  private finish(): void {
    const { exchange } = this
    if (exchange === null) return void this.socket.destroy()
    try {
      this.parser.finish()
    } catch (error) {
      return this.fail(toError(error))
    }
    this.complete(exchange)
  }

  private complete({ handler }: Exchange): void {
    const { parser, socket } = this
    const { trailers } = parser
    this.exchange = null
    // an answer may come before the request was written: what is left of it would be in the way
    if (parser.isReusable && socket.writableLength === 0 && !this.isEnded) {
      const { keepAliveMs } = parser.head!.framing
      parser.reset()
      this.owner.released(this, keepAliveMs)
    } else socket.destroy()
    try {
      handler.onComplete(trailers)
    } catch (error) {
      handler.onError(toError(error))
    }
  }
}
