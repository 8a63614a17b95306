/** An upstream that reads requests as bytes and says what it is told. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { CERTIFICATE, PRIVATE_KEY } from '../fixtures/localhost-certificate.ts'

export interface RawRequest {
  head: string
  body: Buffer
}

export interface RawUpstream {
  port: number
  /** in the order in which they were opened */
  sockets: Socket[]
  /** whole ones, in the order in which they ended */
  requests: RawRequest[]
  /** does what a request is answered with; called when it is whole */
  answer: (socket: Socket, request: RawRequest) => void
  /** called when a connection is opened */
  opened: (socket: Socket) => void
  close(): void
}

const HEAD_END = Buffer.from('\r\n\r\n')

const lengthIn = (head: string): number => Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)

/** Calls for every whole request of a connection. */
const readRequests = (socket: Socket, whole: (request: RawRequest) => void): void => {
  let chunks: Buffer[] = []
  let bytes = 0
  let missing = 0
  socket.on('data', (chunk) => {
    chunks.push(chunk)
    bytes += chunk.length
    while (bytes >= Math.max(1, missing)) {
      const received = Buffer.concat(chunks)
      const headEnd = received.indexOf(HEAD_END)
      if (headEnd < 0) return
      const head = received.toString('latin1', 0, headEnd)
      const end = headEnd + HEAD_END.length + lengthIn(head)
      missing = end
      if (received.length < end) return
      chunks = [received.subarray(end)]
      bytes = received.length - end
      missing = 0
      whole({ head, body: received.subarray(headEnd + HEAD_END.length, end) })
    }
  })
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

export const startRawUpstream = async ({ tls = false } = {}): Promise<RawUpstream> => {
  const accept = (socket: Socket): void => {
    upstream.sockets.push(socket)
    socket.on('error', () => {})
    upstream.opened(socket)
    readRequests(socket, (request) => {
      upstream.requests.push(request)
      upstream.answer(socket, request)
    })
  }
  const server: Server = tls
    ? createTlsServer({ cert: CERTIFICATE, key: PRIVATE_KEY, ALPNProtocols: ['http/1.1'] }, accept)
    : createServer(accept)
  server.on('tlsClientError', () => {})
  const upstream: RawUpstream = {
    port: 0,
    sockets: [],
    requests: [],
    answer: (socket) => socket.write(OK),
    opened: () => {},
    close: () => {
      for (const socket of upstream.sockets) socket.destroy()
      server.close()
    },
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  upstream.port = (server.address() as AddressInfo).port
  return upstream
}
