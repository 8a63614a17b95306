/**
 * A body while it arrives. After a few chunks they are copied into one buffer that grows: a chunk of one
 * byte takes some 200 bytes of memory, and joining 32 MiB at the end would block the event loop for
 * 15 ms.
 */

/** Most bodies arrive in fewer chunks and are not copied. */
const MAX_CHUNKS = 16
const MIN_CAPACITY_BYTES = 64 * 1024

export class GrowingBody {
  private readonly maxBytes: number
  private chunks: Buffer[] = []
  private buffer: Buffer | null = null
  private used = 0

  /** @param maxBytes the most that is ever added */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  add(chunk: Buffer): void {
    if (this.buffer === null && this.chunks.length < MAX_CHUNKS) {
      this.chunks.push(chunk)
      this.used += chunk.length
      return
    }
    const buffer = this.withRoomFor(chunk.length)
    this.used += chunk.copy(buffer, this.used)
  }

  /** Returns the whole body and forgets it. */
  take(): Buffer {
    const { buffer, chunks, used } = this
    this.clear()
    if (buffer !== null) return buffer.subarray(0, used)
    const [first] = chunks
    return first?.length === used ? first : Buffer.concat(chunks, used)
  }

  clear(): void {
    this.chunks = []
    this.buffer = null
    this.used = 0
  }

  /** The unwritten part of a large buffer takes no physical memory. */
  private withRoomFor(bytes: number): Buffer {
    const { buffer, chunks, used } = this
    if (buffer !== null && used + bytes <= buffer.length) return buffer
    const wanted = Math.max(2 * (used + bytes), MIN_CAPACITY_BYTES)
    const grown = Buffer.allocUnsafeSlow(Math.max(used + bytes, Math.min(wanted, this.maxBytes)))
    let at = 0
    for (const piece of buffer === null ? chunks : [buffer.subarray(0, used)])
      at += piece.copy(grown, at)
    this.chunks = []
    return (this.buffer = grown)
  }
}
