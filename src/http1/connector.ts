/** How connections to an origin are opened. */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

export interface Connector {
  /** a socket that is connecting */
  open(): Socket
  /** its event that it can be written to */
  readyEvent: 'connect' | 'secureConnect'
}

/** What has died without a word is found by TCP while an answer is waited for. */
const PROBE_AFTER_MS = 60_000

const HTTP_PORT = 80
const HTTPS_PORT = 443

const portOf = ({ port }: URL, standard: number): number => (port === '' ? standard : Number(port))

const prepared = (socket: Socket): Socket =>
  socket.setNoDelay(true).setKeepAlive(true, PROBE_AFTER_MS)

/**
 * Certificates are verified as Node does by itself, and TLS sessions taken up again.
 * @param origin of `http:` or `https:`
 * @param tls beside what the origin says
 */
export const createConnector = (origin: URL, tls: ConnectionOptions): Connector => {
  const host = origin.hostname.replaceAll(/^\[|\]$/g, '')
  if (origin.protocol !== 'https:') {
    const port = portOf(origin, HTTP_PORT)
    return { open: () => prepared(connectTcp({ host, port })), readyEvent: 'connect' }
  }
  let session: Buffer | undefined
  const open = (): Socket => {
    const socket = connectTls({
      host,
      port: portOf(origin, HTTPS_PORT),
      // RFC 6066 §3: an address is no name of a server
      servername: isIP(host) === 0 ? host : '',
      ALPNProtocols: ['http/1.1'],
      session,
      ...tls,
    })
    socket.on('session', (newer: Buffer) => {
      session = newer
    })
    return prepared(socket)
  }
  return { open, readyEvent: 'secureConnect' }
}
