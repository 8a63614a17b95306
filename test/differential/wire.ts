/**
 * HTTP/1.1 as bytes: an upstream and a client that play scripts. It has a parser of its own, because an
 * HTTP library would correct or hide differences.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** A step of one side: send bytes, wait, end the connection, or reset it. */
export type Step = string | Buffer | { waitMs: number } | 'end' | 'reset'

export interface Message {
  startLine: string
  /** names and values alternate; blanks around values are removed */
  headers: string[]
  body: Buffer
  trailers: string[]
  /** false when the connection ended in the middle of it */
  complete: boolean
}

type Framing = 'none' | 'length' | 'chunked' | 'close'

const LINE_END = Buffer.from('\r\n')

/** Header lines as a flat list. */
const headersOf = (lines: string[]): string[] =>
  lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).replaceAll(/^[ \t]+|[ \t]+$/g, '')]
  })

export const valueOf = (headers: string[], name: string): string | undefined => {
  const at = headers.findIndex((entry, i) => i % 2 === 0 && entry.toLowerCase() === name)
  return at < 0 ? undefined : headers[at + 1]
}

/** Parses the messages of a byte stream. */
export class MessageReader {
  readonly messages: Message[] = []
  private pending: Buffer = Buffer.alloc(0)
  private current: Message | null = null
  private framing: Framing = 'none'
  private missing = 0
  private parts: Buffer[] = []

  constructor(
    private readonly kind:
      'request' | 'response' /** methods of the answered requests: an answer to HEAD has no body */,
    private readonly methods: string[] = []
  ) {}

  push(bytes: Buffer): void {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes])
    while (this.advance());
  }

  /** The connection has ended. */
  end(): void {
    if (this.current === null) return
    if (this.framing === 'chunked') this.takePartOfChunk()
    this.finish(this.framing === 'close')
  }

  /** Messages without the interim ones of status 1xx. */
  get finals(): Message[] {
    return this.messages.filter(({ startLine }) => !/^HTTP\/1\.[01] 1\d\d/.test(startLine))
  }

  private advance(): boolean {
    if (this.current === null) return this.readHead()
    switch (this.framing) {
      case 'none':
        return this.finish(true)
      case 'length':
        return this.readLength()
      case 'chunked':
        return this.readChunk()
      case 'close':
        if (this.pending.length > 0) this.take(this.pending.length)
        return false
    }
  }

  private readHead(): boolean {
    const end = this.pending.indexOf('\r\n\r\n')
    if (end < 0) return false
    const [startLine = '', ...lines] = this.pending
      .subarray(0, end)
      .toString('latin1')
      .split('\r\n')
    this.pending = this.pending.subarray(end + 4)
    const headers = headersOf(lines)
    this.current = { startLine, headers, body: Buffer.alloc(0), trailers: [], complete: false }
    this.parts = []
    this.framing = this.framingOf(startLine, headers)
    this.missing = Number(valueOf(headers, 'content-length') ?? 0)
    return true
  }

  private framingOf(startLine: string, headers: string[]): Framing {
    if (this.kind === 'response') {
      const status = Number(startLine.split(' ')[1])
      if (status < 200) return 'none'
      const method = this.methods[this.finals.length]
      if (method === 'HEAD' || status === 204 || status === 304) return 'none'
    }
    if (valueOf(headers, 'transfer-encoding')?.toLowerCase() === 'chunked') return 'chunked'
    if (valueOf(headers, 'content-length') !== undefined) return 'length'
    return this.kind === 'request' ? 'none' : 'close'
  }

  private take(bytes: number): void {
    this.parts.push(this.pending.subarray(0, bytes))
    this.pending = this.pending.subarray(bytes)
  }

  private readLength(): boolean {
    const bytes = Math.min(this.missing, this.pending.length)
    this.missing -= bytes
    this.take(bytes)
    return this.missing === 0 && this.finish(true)
  }

  private readChunk(): boolean {
    const lineEnd = this.pending.indexOf(LINE_END)
    if (lineEnd < 0) return false
    const size = Number.parseInt(this.pending.subarray(0, lineEnd).toString('latin1'), 16)
    if (size === 0) return this.readTrailers(lineEnd + 2)
    if (this.pending.length < lineEnd + 2 + size + 2) return false
    this.parts.push(this.pending.subarray(lineEnd + 2, lineEnd + 2 + size))
    this.pending = this.pending.subarray(lineEnd + 2 + size + 2)
    return true
  }

  /** The part of an incomplete chunk that arrived. */
  private takePartOfChunk(): void {
    const lineEnd = this.pending.indexOf(LINE_END)
    if (lineEnd >= 0) this.parts.push(this.pending.subarray(lineEnd + 2))
  }

  private readTrailers(from: number): boolean {
    if (this.pending.subarray(from, from + 2).equals(LINE_END)) {
      this.pending = this.pending.subarray(from + 2)
      return this.finish(true)
    }
    const end = this.pending.indexOf('\r\n\r\n', from)
    if (end < 0) return false
    const lines = this.pending.subarray(from, end).toString('latin1').split('\r\n')
    this.current!.trailers = headersOf(lines)
    this.pending = this.pending.subarray(end + 4)
    return this.finish(true)
  }

  private finish(complete: boolean): boolean {
    this.messages.push({ ...this.current!, body: Buffer.concat(this.parts), complete })
    this.current = null
    return this.pending.length > 0
  }
}

const play = async (socket: Socket, steps: Step[]): Promise<void> => {
  for (const step of steps) {
    if (step === 'end') socket.end()
    else if (step === 'reset') socket.resetAndDestroy()
    else if (typeof step === 'string') socket.write(step, 'latin1')
    else if (Buffer.isBuffer(step)) socket.write(step)
    else await delay(step.waitMs)
  }
}

export interface ScriptedUpstream {
  port: number
  /** whole requests, in the order in which they ended */
  requests: Message[]
  /** played for each request; with `atOnce` as soon as its first bytes arrive */
  script: { steps: Step[]; atOnce?: boolean }
  close(): void
}

export const startScriptedUpstream = async (): Promise<ScriptedUpstream> => {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    const reader = new MessageReader('request')
    let seen = 0
    let answered = 0
    socket.on('data', (bytes) => {
      if (upstream.script.atOnce && answered === seen) {
        answered++
        void play(socket, upstream.script.steps)
      }
      reader.push(bytes)
      for (; seen < reader.messages.length; seen++) {
        upstream.requests.push(reader.messages[seen]!)
        if (answered > seen) continue
        answered++
        void play(socket, upstream.script.steps)
      }
    })
  })
  const upstream: ScriptedUpstream = {
    port: 0,
    requests: [],
    script: { steps: [] },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  upstream.port = (server.address() as AddressInfo).port
  return upstream
}

export interface Conversation {
  /** every response, interim ones included */
  responses: Message[]
  /** the other side closed the connection */
  closed: boolean
}

const TIMEOUT_MS = 4000

/**
 * Opens a connection, plays the steps and reads until every request has its final response.
 * @param methods of the requests, in order
 */
export const converse = (port: number, steps: Step[], methods: string[]): Promise<Conversation> =>
  new Promise((resolve) => {
    const reader = new MessageReader('response', methods)
    const socket = connect(port, '127.0.0.1')
    const finish = (closed: boolean): void => {
      clearTimeout(timer)
      if (closed) reader.end()
      socket.destroy()
      resolve({ responses: reader.messages, closed })
    }
    const timer = setTimeout(() => finish(false), TIMEOUT_MS)
    socket.on('error', () => {})
    socket.on('close', () => finish(true))
    socket.on('end', () => finish(true))
    socket.on('data', (bytes) => {
      reader.push(bytes)
      if (reader.finals.length >= methods.length) finish(false)
    })
    socket.on('connect', () => void play(socket, steps))
  })
