/**
 * Connections whose peers do not read. What waits for such a peer keeps its memory, and its request a place, for as
 * long as the peer likes: TCP knows no end of that.
 */
import type { Socket } from 'node:net'

interface Waiting {
  progress: string
  /** looks at which it was the same */
  looks: number
}

/**
 * Changes with every byte that the system takes over. Of a large write `bytesWritten` says nothing before its end;
 * the queue of its handle is what Node's own time-out of sockets compares.
 */
const progressOf = (socket: Socket): string => {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null }
  return `${socket.bytesWritten - socket.writableLength}/${handle?.writeQueueSize}`
}

export class UnreadAnswers {
  private readonly waiting = new WeakMap<Socket, Waiting>()

  /**
   * Closes connections with bytes that wait, of which none was taken since so many calls. Speed does not count: a
   * slow reader stays. The bytes that the system holds for the peer are thrown away, too.
   */
  endStalled(sockets: Iterable<Socket>, maxCalls: number): void {
    for (const socket of sockets) {
      if (socket.writableLength === 0) continue
      const progress = progressOf(socket)
      const before = this.waiting.get(socket)
      if (before?.progress !== progress) this.waiting.set(socket, { progress, looks: 0 })
      else if (++before.looks >= maxCalls) socket.resetAndDestroy()
    }
  }
}
