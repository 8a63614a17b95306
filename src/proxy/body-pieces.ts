/**
 * A body as it comes, in pieces. A chunk of one byte takes some 200 bytes of memory, so that small ones
 * are put together: what is in memory stays close to what was received.
 */

/** Most bodies come in fewer chunks, and need no copy. */
const FREE_CHUNKS = 16
const SMALL_BYTES = 4096
const PAGE_BYTES = 16 * 1024

export class BodyPieces {
  private pieces: Buffer[] = []
  private chunks = 0
  private page: Buffer | null = null
  private pageUsed = 0

  add(chunk: Buffer): void {
    const isSmall = ++this.chunks > FREE_CHUNKS && chunk.length < SMALL_BYTES
    const fits = this.page !== null && this.pageUsed + chunk.length <= PAGE_BYTES
    if (fits) return this.copy(chunk, this.page!)
    this.closePage()
    if (!isSmall) this.pieces.push(chunk)
    else this.copy(chunk, (this.page = Buffer.allocUnsafeSlow(PAGE_BYTES)))
  }

  /** All of it in one; nothing is left here. */
  take(): Buffer {
    this.closePage()
    const { pieces } = this
    this.pieces = []
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  clear(): void {
    this.pieces = []
    this.page = null
  }

  private copy(chunk: Buffer, page: Buffer): void {
    this.pageUsed += chunk.copy(page, this.pageUsed)
  }

  private closePage(): void {
    if (this.page !== null) this.pieces.push(this.page.subarray(0, this.pageUsed))
    this.page = null
    this.pageUsed = 0
  }
}
