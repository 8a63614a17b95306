/**
 * Memory for request bodies, over all clients. Where it is full, bodies that arrive no more are ended: otherwise a
 * few peers without a key, which send most of a large body and stop, would have all others pass unread.
 */
import type { Socket } from 'node:net'

/** Of a body of which fewer bytes than this come in so long, while others need the memory. */
const STALLED = { bytes: 160_000, ms: 10_000 }

interface Arriving {
  socket: Pick<Socket, 'bytesRead'>
  end: () => void
  /** `bytesRead` at the time when the memory was found full; null: never */
  seen: { bytes: number; at: number } | null
}

export type BodyBudget = ReturnType<typeof createBodyBudget>

const isStalled = (arriving: Arriving, now: number): boolean => {
  const { seen, socket } = arriving
  const bytes = socket.bytesRead
  if (seen !== null && now - seen.at < STALLED.ms) return false
  arriving.seen = { bytes, at: now }
  return seen !== null && bytes - seen.bytes < STALLED.bytes
}

/** @param now milliseconds; only differences matter */
export const createBodyBudget = (maxBytes: number, now: () => number) => {
  const arriving = new Set<Arriving>()
  let used = 0
  const endStalled = (): void => {
    const at = now()
    for (const one of arriving) if (isStalled(one, at)) one.end()
  }
  return {
    /** @returns false when they do not fit; then none are taken */
    take(bytes: number): boolean {
      if (used + bytes > maxBytes) endStalled()
      if (used + bytes > maxBytes) return false
      used += bytes
      return true
    },
    give: (bytes: number): void => {
      used -= bytes
    },
    /**
     * Says that a part of a body has come.
     * @param end of the request; gives back what the body took
     * @returns to be called when no more is awaited
     */
    arriving(socket: Pick<Socket, 'bytesRead'>, end: () => void): () => void {
      const one = { socket, end, seen: null }
      arriving.add(one)
      return () => void arriving.delete(one)
    },
    inUse: () => used,
  }
}
