/**
 * Where the frames of a WebSocket end (RFC 6455 §5.2). The proxy reads nothing else of them, and needs that only to
 * add a close frame of its own between two.
 */

/** The longest head: two bytes, a length of eight, a mask of four. */
const MAX_HEAD_BYTES = 14

const headBytes = (second: number): number => {
  const length = second & 0x7f
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4)
}

const payloadBytes = (head: Buffer): number => {
  const length = head[1]! & 0x7f
  if (length === 126) return head.readUInt16BE(2)
  return length === 127 ? Number(head.readBigUInt64BE(2)) : length
}

export class FrameReader {
  private readonly head = Buffer.alloc(MAX_HEAD_BYTES)
  private headRead = 0
  private payloadLeft = 0

  /** Whether the bytes so far end with a whole frame, or there were none. */
  get isBetween(): boolean {
    return this.headRead === 0 && this.payloadLeft === 0
  }

  /** Reads all bytes of a chunk. */
  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) at = this.toFrameEnd(chunk, at)
  }

  /** Reads up to the end of the present frame, or of the chunk. @returns the position behind it */
  toFrameEnd(chunk: Buffer, from = 0): number {
    let at = from
    while (at < chunk.length) {
      if (this.payloadLeft === 0) this.readHead(chunk[at++]!)
      else {
        const bytes = Math.min(this.payloadLeft, chunk.length - at)
        this.payloadLeft -= bytes
        at += bytes
      }
      if (this.isBetween) break
    }
    return at
  }

  private readHead(byte: number): void {
    this.head[this.headRead++] = byte
    if (this.headRead < 2 || this.headRead < headBytes(this.head[1]!)) return
    this.payloadLeft = payloadBytes(this.head)
    this.headRead = 0
  }
}

/** Codes of RFC 6455 §7.4.1: the server stops, or has waited for long; the key is no longer valid. */
export type CloseCode = 1001 | 1008

/** A close frame as servers send it, without a reason. */
export const closeFrame = (code: CloseCode): Buffer =>
  Buffer.from([0x88, 2, code >> 8, code & 0xff])
