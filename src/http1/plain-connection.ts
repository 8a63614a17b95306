/**
 * A connection as long as its requests are plain: one after another, each answered before the next is
 * looked at (RFC 9112 §9.3.2 lets only safe methods overlap). The first that is not plain makes the
 * connection Node's, for good.
 */
import type { Socket } from 'node:net'
import { PlainAnswer } from './plain-answer.ts'
import type { PlainHead, PlainHeadReader, RequestHead } from './plain-head.ts'

/** What becomes of a plain request whose head is there. */
export interface PlainWork {
  /** The body is there, too. */
  begin(body: Buffer, answer: PlainAnswer): void
  /** It will never be there. */
  abandon(): void
}

export interface PlainDeps {
  readHead: PlainHeadReader
  /** @returns null where the request is Node's although it is plain */
  takes(head: RequestHead, bodyBytes: number): PlainWork | null
  /** Node's own way with a connection, which finds what was read put back. */
  handOver(socket: Socket): void
  /** It is closed or Node's. */
  left(connection: PlainConnection): void
  /** Answers what breaks off or takes too long, and ends the connection. */
  refuse(error: Error, socket: Socket): void
  begun(socket: Socket, answer: PlainAnswer): void
  /** value of answers' `keep-alive` header */
  keepAlive: string
  /** milliseconds of a clock that never goes back */
  clock(): number
}

/** Milliseconds; an answer takes what it takes. */
export interface PlainLimits {
  /** between an answer and the next request */
  keepAliveMs: number
  /** from the first byte, or the connection's first moment, until a head is there */
  headMs: number
  /** from the first byte until a request is there */
  requestMs: number
}

/** Of requests that come before their turn; whoever sends more waits. */
const MAX_AHEAD_BYTES = 65_536

const NOTHING = Buffer.alloc(0)

type State = 'kept' | 'head' | 'body' | 'answering' | 'refused'

const failure = (message: string, code: string): Error =>
  Object.assign(new Error(message), { code })

export class PlainConnection {
  private readonly socket: Socket
  private readonly deps: PlainDeps
  private state: State = 'head'
  /** when the request began, or the wait for it */
  private since: number
  /** what was read and not looked at yet */
  private ahead: Buffer = NOTHING
  /** a connection's requests are mostly alike */
  private latest: PlainHead['known'] = null
  private work: PlainWork | null = null
  private parts: Buffer[] = []
  private missing = 0
  private isKept = true
  private answer: PlainAnswer | null = null
  private readonly listeners = {
    data: (chunk: Buffer): void => this.read(chunk),
    end: (): void => this.ended(),
    close: (): void => this.closed(),
    drain: (): void => void this.answer?.emit('drain'),
    // `close` follows
    error: (): void => {},
  }

  constructor(socket: Socket, deps: PlainDeps) {
    this.socket = socket
    this.deps = deps
    this.since = deps.clock()
    for (const [event, listener] of Object.entries(this.listeners)) socket.on(event, listener)
  }

  /** Closes it when it has been in one state for too long. */
  check({ keepAliveMs, headMs, requestMs }: PlainLimits): void {
    const ms = this.deps.clock() - this.since
    if (this.state === 'refused') this.socket.destroy()
    else if (this.state === 'kept' && ms > keepAliveMs) this.socket.destroy()
    else if ((this.state === 'head' && ms > headMs) || (this.state === 'body' && ms > requestMs))
      this.refuse(failure('the request took too long', 'ERR_HTTP_REQUEST_TIMEOUT'))
  }

  private read(chunk: Buffer): void {
    if (this.work !== null) return this.readBody(this.work, chunk)
    this.ahead = this.ahead.length === 0 ? chunk : Buffer.concat([this.ahead, chunk])
    if (this.state !== 'answering') this.readHead()
    else if (this.ahead.length > MAX_AHEAD_BYTES) this.socket.pause()
  }

  private readHead(): void {
    if (this.state === 'kept') this.enter('head')
    const head = this.deps.readHead(this.ahead, this.latest)
    if (head === 'incomplete') return
    const work = head === 'other' ? null : this.deps.takes(head.request, head.bodyBytes)
    if (work === null) this.handOver()
    else this.expect(work, head as PlainHead)
  }

  private expect(work: PlainWork, { headBytes, bodyBytes, isKept, known }: PlainHead): void {
    this.latest = known
    this.state = 'body'
    this.isKept = isKept
    this.work = work
    this.missing = bodyBytes
    const behind = this.ahead.subarray(headBytes)
    this.ahead = NOTHING
    if (behind.length > 0) this.readBody(work, behind)
  }

  private readBody(work: PlainWork, chunk: Buffer): void {
    const isMore = chunk.length > this.missing
    const part = isMore ? chunk.subarray(0, this.missing) : chunk
    if (isMore) this.ahead = chunk.subarray(this.missing)
    this.missing -= part.length
    this.parts.push(part)
    if (this.missing > 0) return
    const body = this.parts.length === 1 ? part : Buffer.concat(this.parts)
    this.parts = []
    this.work = null
    this.begin(work, body)
  }

  private begin(work: PlainWork, body: Buffer): void {
    this.state = 'answering'
    const answer = new PlainAnswer(this.socket, this.deps.keepAlive)
    answer.shouldKeepAlive = this.isKept
    this.answer = answer
    answer.once('close', () => this.answered(answer))
    this.deps.begun(this.socket, answer)
    work.begin(body, answer)
  }

  private answered({ shouldKeepAlive }: PlainAnswer): void {
    this.answer = null
    this.enter('kept')
    if (!shouldKeepAlive) this.socket.destroySoon()
    // whoever ended the answer may not have finished with it
    else if (this.ahead.length > 0) process.nextTick(() => this.goOn())
  }

  /** With what came before its turn. */
  private goOn(): void {
    if (this.socket.destroyed) return
    this.readHead()
    this.socket.resume()
  }

  private handOver(): void {
    const { socket, ahead } = this
    this.leave()
    // Node's listeners find the stream as it was when it was new, but for what is put back
    socket.pause()
    socket.unshift(ahead)
    this.deps.handOver(socket)
    socket.resume()
  }

  /** The client sends nothing more: with Node, too, who has ended does not wait for an answer. */
  private ended(): void {
    const isInRequest = this.state === 'body' || (this.state === 'head' && this.ahead.length > 0)
    if (isInRequest) this.refuse(failure('the request breaks off', 'HPE_INVALID_EOF_STATE'))
    else this.socket.end()
  }

  private refuse(error: Error): void {
    this.enter('refused')
    this.abandon()
    this.socket.off('data', this.listeners.data)
    this.deps.refuse(error, this.socket)
  }

  private abandon(): void {
    this.work?.abandon()
    this.work = null
    this.parts = []
    this.ahead = NOTHING
  }

  private closed(): void {
    this.abandon()
    this.leave()
    this.answer?.connectionClosed()
  }

  private leave(): void {
    for (const [event, listener] of Object.entries(this.listeners)) this.socket.off(event, listener)
    this.deps.left(this)
  }

  private enter(state: State): void {
    this.state = state
    this.since = this.deps.clock()
  }
}
