/** The answer to a plain request, written as Node's ServerResponse would write it (RFC 9112). */
import { EventEmitter } from 'node:events'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Outgoing } from './outgoing.ts'

/** RFC 9110 §6.4.1 */
const hasNoBody = (status: number): boolean => status === 204 || status === 304

/** What would end a line too early, and so begin another one. */
const UNSAFE = /[^\t\x20-\x7e\x80-\xff]/
const LAST_CHUNK = '0\r\n'

const WHOLE_REQUEST = { httpVersion: '1.1', complete: true } as const

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
      const name = headers[i]!.toLowerCase()
      if (name === 'content-length') hasLength = true
      else if (name === 'date') hasDate = true
      if (UNSAFE.test(headers[i]!) || UNSAFE.test(headers[i + 1]!))
        throw new TypeError(`header ${name} has a character that no header may have`)
    }
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
    if (this.head === null) return
    this.socket.write(this.head, 'latin1')
    this.head = null
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
    this.socket.cork()
    this.flushHeaders()
    const takesMore = this.writeBody(chunk)
    this.socket.uncork()
    return takesMore
  }

  addTrailers(trailers: [string, string][]): void {
    for (const [name, value] of trailers) {
      if (UNSAFE.test(value)) throw new TypeError(`trailer ${name} has a forbidden character`)
      this.trailers += `${name}: ${value}\r\n`
    }
  }

  end(chunk?: string | Buffer): void {
    if (this.writableEnded || this.destroyed) return
    if (!this.headersSent)
      this.writeHead(200, ['Content-Length', String(Buffer.byteLength(chunk ?? ''))])
    this.writableEnded = true
    this.socket.cork()
    this.flushHeaders()
    if (chunk !== undefined) this.writeBody(chunk)
    if (this.framing === 'chunked') this.socket.write(`${LAST_CHUNK}${this.trailers}\r\n`, 'latin1')
    this.socket.uncork()
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

  private writeBody(chunk: string | Buffer): boolean {
    const bytes = Buffer.byteLength(chunk)
    // an empty chunk would be the last one
    if (this.framing === 'none' || bytes === 0) return true
    if (this.framing === 'length') return this.socket.write(chunk)
    this.socket.write(`${bytes.toString(16)}\r\n`, 'latin1')
    this.socket.write(chunk)
    return this.socket.write('\r\n', 'latin1')
  }

  private finish(): void {
    if (this.isOver) return
    this.isOver = true
    this.writableFinished = true
    this.emit('close')
  }
}
