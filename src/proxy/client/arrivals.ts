/**
 * Requests whose bodies are still arriving. Where the server is full, those that have made the least progress are
 * ended first, of the addresses that have the most of them: a peer that opens connections and sends nothing ends
 * its own ones and keeps no place from others. Behind a proxy all have one address, and only progress counts.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { networkOf } from '../../core/network-of.ts'
import { AppError } from '../../errors.ts'
import { hasBody } from '../headers.ts'

/** A request is behind by the time since it began, less the time that its bytes would take at this rate. */
const BYTES_PER_MS = 16
/** Share of the candidates that one call ends: it sorts them, and the next calls need not. */
const EVICTED_SHARE = 1 / 16

/** The end of a request that sends its body. */
export interface Sender {
  /** Ends the request, and says why where that is possible. */
  evict(error: AppError): void
  /** Adds a listener for the end of the request. */
  onOver(listener: () => void): void
  /** whether it is one of the requests that are counted in the load */
  holdsPlace: boolean
}

interface Arriving {
  sender: Sender
  remove: () => void
  socket: Socket
  at: number
  /** of the connection, before this request's body */
  bytesBefore: number
}

/** @param needed what the request holds */
export const tooSlow = (needed: 'its slot' | 'its memory'): AppError =>
  new AppError(
    'request-timeout',
    `the request body arrived too slowly, and the proxy needs ${needed} for other requests; send it again`
  )

export type Arrivals = ReturnType<typeof createArrivals>

const dueAt = ({ socket, at, bytesBefore }: Arriving): number =>
  at + (socket.bytesRead - bytesBefore) / BYTES_PER_MS

/** @param now milliseconds; only differences matter */
export const createArrivals = (now: () => number, onEvicted: () => void) => {
  const byNetwork = new Map<string, Set<Arriving>>()
  return {
    /** Follows a request until its body has arrived or it is over. */
    add(incoming: IncomingMessage, sender: Sender): void {
      if (incoming.complete || !hasBody(incoming)) return
      const { socket } = incoming
      const network = networkOf(socket.remoteAddress ?? '')
      const ofNetwork = byNetwork.get(network) ?? new Set()
      const remove = (): void => {
        ofNetwork.delete(arriving)
        if (ofNetwork.size === 0 && byNetwork.get(network) === ofNetwork) byNetwork.delete(network)
      }
      const arriving = { sender, remove, socket, at: now(), bytesBefore: socket.bytesRead }
      byNetwork.set(network, ofNetwork.add(arriving))
      incoming.once('end', remove)
      sender.onOver(remove)
    },
    /**
     * Ends the requests that are behind most.
     * @param whose those that hold a place of the load, or all, each of which holds a connection
     * @returns how many
     */
    evict(whose: 'places' | 'connections'): number {
      const networks = [...byNetwork.values()].map((set) =>
        [...set].filter(({ sender }) => whose === 'connections' || sender.holdsPlace)
      )
      const most = networks.reduce((size, { length }) => Math.max(size, length), 0)
      const candidates = networks.filter(({ length }) => 2 * length >= most).flat()
      const count = Math.ceil(candidates.length * EVICTED_SHARE)
      const evicted = candidates.toSorted((a, b) => dueAt(a) - dueAt(b)).slice(0, count)
      for (const { sender, remove } of evicted) {
        remove()
        sender.evict(tooSlow('its slot'))
        onEvicted()
      }
      return evicted.length
    },
  }
}
