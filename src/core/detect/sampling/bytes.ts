/**
 * A growing byte buffer and its reader, for snapshots. Little endian. Strings are UTF-16 code units,
 * so that lone surrogates come back unchanged.
 */
import { AppError } from '../../../errors.ts'

export class ByteWriter {
  private bytes = Buffer.alloc(1 << 16)
  private length = 0

  /** a signed 32-bit integer */
  int(value: number): void {
    const at = this.reserve(4)
    this.bytes.writeInt32LE(value | 0, at)
  }

  number(value: number): void {
    const at = this.reserve(8)
    this.bytes.writeDoubleLE(value, at)
  }

  string(value: string): void {
    this.int(value.length)
    const at = this.reserve(value.length * 2)
    this.bytes.write(value, at, 'utf16le')
  }

  finish(): Uint8Array {
    return new Uint8Array(this.bytes.subarray(0, this.length))
  }

  /** @returns where so many bytes may be written */
  private reserve(more: number): number {
    const at = this.length
    this.length += more
    if (this.length > this.bytes.length) {
      const grown = Buffer.alloc(Math.max(this.bytes.length * 2, this.length))
      this.bytes.copy(grown)
      this.bytes = grown
    }
    return at
  }
}

/** Its methods throw AppError `invalid-state` at the end of the bytes. */
export class ByteReader {
  private readonly bytes: Buffer
  private at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  int(): number {
    return this.bytes.readInt32LE(this.take(4))
  }

  number(): number {
    return this.bytes.readDoubleLE(this.take(8))
  }

  string(): string {
    const length = this.int() * 2
    const at = this.take(length)
    return this.bytes.toString('utf16le', at, at + length)
  }

  private take(length: number): number {
    const { at } = this
    if (length < 0 || at + length > this.bytes.length)
      throw new AppError('invalid-state', 'the detector snapshot is cut short or damaged')
    this.at += length
    return at
  }
}
