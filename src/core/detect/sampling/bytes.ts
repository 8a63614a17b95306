/**
 * A growing byte buffer and its reader, for snapshots. Little endian. Strings are UTF-16 code
 * units, so that lone surrogates come back as they were.
 */
import { AppError } from '../../../errors.ts'

export class ByteWriter {
  #bytes = new Uint8Array(1 << 16)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  /** a signed 32-bit integer */
  int(value: number): void {
    this.#reserve(4)
    this.#view.setInt32(this.#length, value, true)
    this.#length += 4
  }

  number(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
  }

  string(value: string): void {
    this.int(value.length)
    this.#reserve(value.length * 2)
    for (let index = 0; index < value.length; index++) {
      this.#view.setUint16(this.#length + index * 2, value.charCodeAt(index), true)
    }
    this.#length += value.length * 2
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

export class ByteReader {
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  #take(length: number): number {
    const at = this.#at
    if (length < 0 || at + length > this.#view.byteLength) {
      throw new AppError('invalid-state', 'the detector snapshot is cut short or damaged')
    }
    this.#at += length
    return at
  }

  int(): number {
    return this.#view.getInt32(this.#take(4), true)
  }

  number(): number {
    return this.#view.getFloat64(this.#take(8), true)
  }

  string(): string {
    const length = this.int()
    const at = this.#take(length * 2)
    const codes = new Uint16Array(length)
    for (let index = 0; index < length; index++) {
      codes[index] = this.#view.getUint16(at + index * 2, true)
    }
    let text = ''
    // a chunk per call: the number of arguments of one call is limited
    for (let index = 0; index < length; index += 4096) {
      text += String.fromCharCode(...codes.subarray(index, index + 4096))
    }
    return text
  }
}
