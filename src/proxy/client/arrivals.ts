/**
 * Requests whose bodies are still arriving. Where the proxy is full, those that have made the least progress are
 * ended first, of the addresses that have the most of them: a peer that opens connections and sends nothing ends
 * its own ones and keeps no place from others. Behind a proxy all have one address, and only progress counts.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { networkOf } from '../../core/network-of.ts'
import { AppError } from '../../errors.ts'
import type { Client } from './client.ts'

/** A request is behind by the time since it began, less the time that its bytes would take at this rate. */
const BYTES_PER_MS = 16
/** Share of the candidates that one call ends: it sorts them, and the next calls need not. */
const EVICTED_SHARE = 1 / 16

interface Arriving {
  client: Client
  socket: Socket
  at: number
  /** of the connection, before this request's body */
  bytesBefore: number
}

const hasBody = ({ headers, complete }: IncomingMessage): boolean =>
  !complete &&
  (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)

const tooSlow = (): AppError =>
  new AppError(
    'request-timeout',
    'the body of the request did not arrive in time, and the proxy needs the place for others'
  )

export class Arrivals {
  private readonly byNetwork = new Map<string, Set<Arriving>>()
  private readonly now: () => number

  /** @param now milliseconds; only differences matter */
  constructor(now: () => number) {
    this.now = now
  }

  /** Follows a request until its body has arrived or it is over. */
  add(incoming: IncomingMessage, client: Client): void {
    if (!hasBody(incoming)) return
    const { socket } = incoming
    const network = networkOf(socket.remoteAddress ?? '')
    const arriving = { client, socket, at: this.now(), bytesBefore: socket.bytesRead }
    const ofNetwork = this.byNetwork.get(network) ?? new Set()
    this.byNetwork.set(network, ofNetwork.add(arriving))
    const remove = (): void => {
      ofNetwork.delete(arriving)
      if (ofNetwork.size === 0 && this.byNetwork.get(network) === ofNetwork)
        this.byNetwork.delete(network)
    }
    incoming.once('end', remove)
    client.onOver(remove)
  }

  /** Ends the requests that are behind most. @returns how many */
  evict(): number {
    const networks = [...this.byNetwork.values()]
    const most = networks.reduce((size, set) => Math.max(size, set.size), 0)
    const candidates = networks.filter(({ size }) => 2 * size >= most).flatMap((set) => [...set])
    const count = Math.ceil(candidates.length * EVICTED_SHARE)
    const evicted = candidates.toSorted((a, b) => this.dueAt(a) - this.dueAt(b)).slice(0, count)
    for (const { client } of evicted) client.evict(tooSlow())
    return evicted.length
  }

  private dueAt({ socket, at, bytesBefore }: Arriving): number {
    return at + (socket.bytesRead - bytesBefore) / BYTES_PER_MS
  }
}
