/** How connections to an origin are opened. */
import {
  connect as connectTcp,
  isIP,
  type ConnectOpts,
  type OnReadOpts,
  type Socket,
} from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

export interface Connector {
  /**
   * A socket that is connecting.
   * @param received gets what it reads, in place of `data` events
   */
  open(received: (chunk: Buffer) => void): Socket
  /** its event that it can be written to */
  readyEvent: 'connect' | 'secureConnect'
}

/** What has died without a word is found by TCP while an answer is waited for. */
const PROBE_AFTER_MS = 60_000

/** As much as Node reads at a time. */
const READ_BYTES = 65_536

const HTTP_PORT = 80
const HTTPS_PORT = 443

const portOf = ({ port }: URL, standard: number): number => (port === '' ? standard : Number(port))

const prepared = (socket: Socket): Socket =>
  socket.setNoDelay(true).setKeepAlive(true, PROBE_AFTER_MS)

/**
 * All sockets read into one piece of memory, of which what came is copied: a thread reads one socket
 * after the other, and memory of this size for every answer costs more, most of it in the collector.
 */
const readerInto =
  (buffer: Buffer) =>
  (received: (chunk: Buffer) => void): OnReadOpts => ({
    buffer,
    callback: (bytes) => {
      received(Buffer.from(buffer.subarray(0, bytes)))
      // it goes on, unless the socket was paused
      return true
    },
  })

/**
 * Certificates are verified as Node does by itself, and TLS sessions taken up again.
 * @param origin of `http:` or `https:`
 * @param tls beside what the origin says
 */
export const createConnector = (origin: URL, tls: ConnectionOptions): Connector => {
  const host = origin.hostname.replaceAll(/^\[|\]$/g, '')
  const readerFor = readerInto(Buffer.allocUnsafeSlow(READ_BYTES))
  if (origin.protocol !== 'https:') {
    const port = portOf(origin, HTTP_PORT)
    return {
      open: (received) => prepared(connectTcp({ host, port, onread: readerFor(received) })),
      readyEvent: 'connect',
    }
  }
  let session: Buffer | undefined
  const open = (received: (chunk: Buffer) => void): Socket => {
    // what TCP takes TLS takes too, which its types do not say
    const options: ConnectionOptions & ConnectOpts = {
      host,
      port: portOf(origin, HTTPS_PORT),
      // RFC 6066 §3: an address is no name of a server
      servername: isIP(host) === 0 ? host : '',
      ALPNProtocols: ['http/1.1'],
      session,
      onread: readerFor(received),
      ...tls,
    }
    const socket = connectTls(options)
    socket.on('session', (newer: Buffer) => {
      session = newer
    })
    return prepared(socket)
  }
  return { open, readyEvent: 'secureConnect' }
}
