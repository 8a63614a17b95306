/** The answer to a plain request, written as Node's ServerResponse would write it (RFC 9112). */
import { EventEmitter } from 'node:events'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { hasNoBody } from './answer-head.ts'
import { FIELD_VALUE, fieldKey } from './field-text.ts'
import type { Outgoing } from './outgoing.ts'

const LAST_CHUNK = '0\r\n'

const WHOLE_REQUEST = { httpVersion: '1.1', complete: true } as const

const MAX_COPIED_BYTES = 16_384

/** @param bytes of the chunk */
const joined = (before: string, chunk: string | Buffer, bytes: number, after: string): Buffer => {
  const whole = Buffer.allocUnsafe(before.length + bytes + after.length)
  whole.write(before, 'latin1')
  if (typeof chunk === 'string') whole.write(chunk, before.length)
  else whole.set(chunk, before.length)
  whole.write(after, before.length + bytes, 'latin1')
  return whole
}

type Framing = 'length' | 'chunked' | 'none'

/** Emits `close` once, when all is sent or the connection is gone, and `drain`. */
export class PlainAnswer extends EventEmitter implements Outgoing {
  readonly req = WHOLE_REQUEST
  readonly socket: Socket
  /** a date of our own, where the headers have none */
  sendDate = true
  shouldKeepAlive = true
  writableEnded = false
  writableFinished = false
  destroyed = false
  private readonly keepAlive: string
  /** waits for the first bytes behind it; null before and after */
  private head: string | null = null
  private status = 0
  private framing: Framing = 'none'
  private trailers = ''
  private isOver = false

  /** @param keepAlive value of the `keep-alive` header */
  constructor(socket: Socket, keepAlive: string) {
    super()
    this.socket = socket
    this.keepAlive = keepAlive
  }

  get headersSent(): boolean {
    return this.status !== 0
  }

  get writableNeedDrain(): boolean {
    return this.socket.writableNeedDrain
  }

  writeHead(status: number, headers: string[]): void
  writeHead(status: number, statusText: string, headers: string[]): void
  /** @throws TypeError when a value has a control character. @param headers names and values in turn */
  writeHead(status: number, textOrHeaders: string | string[], more: string[] = []): void {
    const isText = typeof textOrHeaders === 'string'
    const statusText = isText ? textOrHeaders : (STATUS_CODES[status] ?? '')
    const headers = isText ? more : textOrHeaders
    let head = `HTTP/1.1 ${status} ${statusText}\r\n`
    let [hasLength, hasDate] = [false, false]
    for (let i = 0; i + 1 < headers.length; i += 2) {
      head += `${headers[i]}: ${headers[i + 1]}\r\n`
      const name = headers[i]!
      const key = fieldKey(name)
      if (key === null || !FIELD_VALUE.test(headers[i + 1]!))
        throw new TypeError(`header ${name} has a character that no header may have`)
      if (key === 'content-length') hasLength = true
      else if (key === 'date') hasDate = true
    }
    if (!FIELD_VALUE.test(statusText))
      throw new TypeError('the status has a character that none may have')
    if (this.sendDate && !hasDate) head += `Date: ${new Date().toUTCString()}\r\n`
    head += this.shouldKeepAlive
      ? `Connection: keep-alive\r\nKeep-Alive: ${this.keepAlive}\r\n`
      : 'Connection: close\r\n'
    if (hasNoBody(status)) this.framing = 'none'
    else this.framing = hasLength ? 'length' : 'chunked'
    if (this.framing === 'chunked') head += 'Transfer-Encoding: chunked\r\n'
    this.status = status
    this.head = `${head}\r\n`
  }

  flushHeaders(): void {
    if (this.head !== null) this.socket.write(this.takeHead(), 'latin1')
  }

  cork(): void {
    this.socket.cork()
  }

  uncork(): void {
    this.socket.uncork()
  }

  /** @returns false when the writer should wait for `drain` */
  write(chunk: string | Buffer): boolean {
    if (this.writableEnded || this.destroyed) return false
    if (!this.headersSent) this.writeHead(200, [])
    return this.send(chunk, '')
  }

  addTrailers(trailers: [string, string][]): void {
    for (const [name, value] of trailers) {
      if (!FIELD_VALUE.test(value)) throw new TypeError(`trailer ${name} has a forbidden character`)
      this.trailers += `${name}: ${value}\r\n`
    }
  }

  end(chunk?: string | Buffer): void {
    if (this.writableEnded || this.destroyed) return
    if (!this.headersSent)
      this.writeHead(200, ['Content-Length', String(Buffer.byteLength(chunk ?? ''))])
    this.writableEnded = true
    const isChunked = this.framing === 'chunked'
    this.send(chunk ?? '', isChunked ? `${LAST_CHUNK}${this.trailers}\r\n` : '')
    // most answers are in the kernel's hands by now
    if (this.socket.writableLength === 0) this.finish()
    else this.socket.write('', () => this.finish())
  }

  /** Cuts the connection: whoever reads the answer sees that it is not whole. */
  destroy(): void {
    this.destroyed = true
    this.socket.destroy()
  }

  /** The connection is gone. */
  connectionClosed(): void {
    if (this.isOver) return
    this.isOver = true
    this.destroyed = true
    this.emit('close')
  }

  private takeHead(): string {
    const head = this.head ?? ''
    this.head = null
    return head
  }

  /**
   * Writes a piece of the body, with the head before it if that waits, and what ends the body behind it.
   * @returns as `write`
   */
  private send(chunk: string | Buffer, ending: string): boolean {
    const bytes = this.framing === 'none' ? 0 : Buffer.byteLength(chunk)
    const before = this.takeHead()
    // an empty chunk would be the last one
    if (bytes === 0) return this.put(before + ending, '', 0, '')
    if (this.framing === 'length') return this.put(before, chunk, bytes, ending)
    return this.put(`${before}${bytes.toString(16)}\r\n`, chunk, bytes, `\r\n${ending}`)
  }

  /** Small parts are copied together: a write of its own costs more. */
  private put(before: string, chunk: string | Buffer, bytes: number, after: string): boolean {
    const { socket } = this
    if (bytes === 0) return before === '' || socket.write(before, 'latin1')
    if (before === '' && after === '') return socket.write(chunk)
    if (bytes <= MAX_COPIED_BYTES) return socket.write(joined(before, chunk, bytes, after))
    socket.cork()
    socket.write(before, 'latin1')
    socket.write(chunk)
    const takesMore = socket.write(after, 'latin1')
    socket.uncork()
    return takesMore
  }

  private finish(): void {
    if (this.isOver) return
    this.isOver = true
    this.writableFinished = true
    this.emit('close')
  }
}
