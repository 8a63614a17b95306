/**
 * An upstream's answer as the log keeps it while it passes: references to the chunks, up to a limit in
 * bytes. The store reads them afterwards.
 */
import type { ClientHeaders } from '../headers.ts'

export class Capture {
  status = 0
  contentType = ''
  contentEncoding = ''
  firstByteAt: number | null = null
  chunks: Buffer[] = []
  bytes = 0
  /** the answer was larger than the limit, and its chunks were discarded */
  truncated = false

  constructor(
    private readonly maxBytes: number,
    private readonly now: () => number
  ) {}

  begin(status: number, headers: ClientHeaders): void {
    this.status = status
    this.contentType = headers.contentType
    this.contentEncoding = headers.contentEncoding
  }

  add(chunk: Buffer): void {
    this.firstByteAt ??= this.now()
    if (this.truncated) return
    this.bytes += chunk.length
    if (this.bytes <= this.maxBytes) {
      this.chunks.push(chunk)
      return
    }
    this.truncated = true
    this.chunks = []
    this.bytes = 0
  }
}
