/** Bytes as they came, to be taken as pieces of a body or as lines of the protocol. Copies no body. */
import { invalidAnswer } from './http1-error.ts'

const EMPTY = Buffer.alloc(0)
const CR = 0x0d
const LF = 0x0a
const LINE_END_BYTES = 2

/** Control characters, and line ends that are not CR LF (RFC 9112 §2.2, RFC 9110 §5.5). */
// oxlint-disable-next-line no-control-regex
const MALFORMED = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/

const MAX_HEX_DIGITS = 7

/** @returns −1 for what is no hexadecimal digit, undefined included */
const hexDigit = (code: number | undefined): number => {
  if (code === undefined) return -1
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

const tooLong = (maxBytes: number): Error =>
  invalidAnswer(`a part of it has more than ${maxBytes} bytes`)

export class ByteQueue {
  private bytes: Buffer = EMPTY
  private at = 0

  push(chunk: Buffer): void {
    this.bytes = this.isEmpty ? chunk : Buffer.concat([this.bytes.subarray(this.at), chunk])
    this.at = 0
  }

  get isEmpty(): boolean {
    return this.at === this.bytes.length
  }

  /** What there is of it, as a view. @param most bytes */
  take(most: number): Buffer {
    const { bytes, at } = this
    const end = Math.min(bytes.length, at + most)
    this.advance(end)
    return at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end)
  }

  /**
   * The text before a mark, in latin1; the mark is passed over.
   * @param mark ends with CR LF
   * @param maxBytes of the text
   * @returns null while the mark is not there; what it returns was not looked into
   * @throws Http1Error `invalid-answer` when the text is longer, and for malformed text without its
   * mark, which may never come
   */
  textUntil(mark: Buffer, maxBytes: number): string | null {
    const { bytes, at } = this
    const end = bytes.indexOf(mark, at)
    if (end < 0) {
      this.checkBegun(maxBytes + mark.length - LINE_END_BYTES)
      return null
    }
    if (end - at > maxBytes) throw tooLong(maxBytes)
    this.advance(end + mark.length)
    return bytes.toString('latin1', at, end)
  }

  /**
   * The number of a line of a few hexadecimal digits that is here as a whole, and passed over. Found
   * without a call of the platform's, which takes longer than all else for so few bytes.
   * @returns −1 for anything else, which stays
   */
  hexLine(): number {
    const { bytes, at } = this
    let [value, end] = [0, at]
    for (; end < at + MAX_HEX_DIGITS; end++) {
      const digit = hexDigit(bytes[end])
      if (digit < 0) break
      value = value * 16 + digit
    }
    return end > at && this.passesLineEnd(end) ? value : -1
  }

  /** Passes over a line end that is here as a whole. @returns false for anything else, which stays */
  lineEnd(): boolean {
    return this.passesLineEnd(this.at)
  }

  /** All that there is, in latin1, without a CR at its end that may be half of a line end. */
  begunText(): string {
    const { bytes, at } = this
    const end = bytes[bytes.length - 1] === CR ? bytes.length - 1 : bytes.length
    return bytes.toString('latin1', at, Math.max(at, end))
  }

  private passesLineEnd(at: number): boolean {
    const isThere = this.bytes[at] === CR && this.bytes[at + 1] === LF
    if (isThere) this.advance(at + LINE_END_BYTES)
    return isThere
  }

  private checkBegun(maxBytes: number): void {
    const text = this.begunText()
    if (MALFORMED.test(text)) throw invalidAnswer('it has control characters or bare line ends')
    if (text.length > maxBytes) throw tooLong(maxBytes)
  }

  /** What was read is let go of: it may be a view of much more memory. */
  private advance(to: number): void {
    const isRead = to === this.bytes.length
    this.at = isRead ? 0 : to
    if (isRead) this.bytes = EMPTY
  }
}
