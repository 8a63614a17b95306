/**
 * Counts of recurring hashes in fixed memory: Space-Saving (Metwally et al. 2005), with the table
 * cut into sets of eight so that an update touches one cache line instead of a heap. The error of a
 * count is kept beside it. Two tables merge. Knows nothing of what the hashes stand for.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

const WAYS = 8
const MAX_COUNT = 0xffff_ffff

export interface CountSketch {
  /** Adds to the hash's count. @returns the count that is certain (count − error) afterwards */
  add(hi: number, lo: number, count?: number, error?: number): number
  /** The certain count, 0 when the hash is not held. */
  certain(hi: number, lo: number): number
  merge(other: CountSketch): void
  entries(): Iterable<{ hi: number; lo: number; count: number; error: number }>
  write(writer: ByteWriter): void
  read(reader: ByteReader): void
  readonly bytes: number
}

class SetAssociativeSketch implements CountSketch {
  readonly #hi: Int32Array
  readonly #lo: Int32Array
  readonly #count: Uint32Array
  readonly #error: Uint32Array
  readonly #mask: number
  #additions = 0

  constructor(capacity: number) {
    const sets = 2 ** Math.max(0, Math.ceil(Math.log2(capacity / WAYS)))
    this.#mask = sets - 1
    this.#hi = new Int32Array(sets * WAYS)
    this.#lo = new Int32Array(sets * WAYS)
    this.#count = new Uint32Array(sets * WAYS)
    this.#error = new Uint32Array(sets * WAYS)
  }

  get bytes(): number {
    return this.#hi.length * 16
  }

  #find(hi: number, lo: number): number {
    const first = (lo & this.#mask) * WAYS
    for (let way = first; way < first + WAYS; way++) {
      if (this.#hi[way] === hi && this.#lo[way] === lo && this.#count[way]! > 0) return way
    }
    return -1
  }

  certain(hi: number, lo: number): number {
    const way = this.#find(hi, lo)
    return way < 0 ? 0 : this.#count[way]! - this.#error[way]!
  }

  add(hi: number, lo: number, count = 1, error = 0): number {
    if (++this.#additions >= this.#hi.length * 256) this.#age()
    let way = this.#find(hi, lo)
    if (way < 0) {
      way = (lo & this.#mask) * WAYS
      for (let other = way + 1; other < (lo & this.#mask) * WAYS + WAYS; other++) {
        if (this.#count[other]! < this.#count[way]!) way = other
      }
      this.#hi[way] = hi
      this.#lo[way] = lo
      this.#error[way] = this.#count[way]!
    }
    this.#count[way] = Math.min(this.#count[way]! + count, MAX_COUNT)
    this.#error[way] = Math.min(this.#error[way]! + error, this.#count[way]!)
    return this.#count[way]! - this.#error[way]!
  }

  /** Halves everything, so that what was heavy long ago makes room. */
  #age(): void {
    this.#additions = 0
    for (let way = 0; way < this.#count.length; way++) {
      this.#count[way] = this.#count[way]! >>> 1
      this.#error[way] = this.#error[way]! >>> 1
    }
  }

  *entries(): Iterable<{ hi: number; lo: number; count: number; error: number }> {
    for (let way = 0; way < this.#count.length; way++) {
      const count = this.#count[way]!
      if (count === 0) continue
      yield { hi: this.#hi[way]!, lo: this.#lo[way]!, count, error: this.#error[way]! }
    }
  }

  merge(other: CountSketch): void {
    for (const { hi, lo, count, error } of other.entries()) this.add(hi, lo, count, error)
  }

  write(writer: ByteWriter): void {
    const entries = [...this.entries()]
    writer.number(entries.length)
    writer.number(this.#additions)
    for (const { hi, lo, count, error } of entries) {
      writer.int(hi)
      writer.int(lo)
      writer.int(count | 0)
      writer.int(error | 0)
    }
  }

  read(reader: ByteReader): void {
    const length = reader.number()
    const additions = reader.number()
    for (let index = 0; index < length; index++) {
      const hi = reader.int()
      const lo = reader.int()
      this.add(hi, lo, reader.int() >>> 0, reader.int() >>> 0)
    }
    this.#additions = additions
  }
}

/** @param capacity hashes held, rounded up to a power of two; 16 bytes each */
export const createCountSketch = (capacity: number): CountSketch =>
  new SetAssociativeSketch(capacity)
