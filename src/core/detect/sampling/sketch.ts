/**
 * Counts of recurring hashes in fixed memory: Space-Saving (Metwally et al. 2005), with the table cut
 * into sets of eight, so that an update touches one cache line instead of a heap. The error of a count
 * is kept beside it. Reading a snapshot into a used table merges the two.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

const WAYS = 8
const MAX_COUNT = 0xffff_ffff

/** fields of an entry, side by side so that a set of eight lies in two cache lines */
const HI = 0
const LO = 1
const COUNT = 2
const ERROR = 3
const FIELDS = 4

const countAt = (table: Uint32Array, at: number): number => table[at + COUNT]!
const errorAt = (table: Uint32Array, at: number): number => table[at + ERROR]!

export class CountSketch {
  private readonly table: Uint32Array
  private readonly mask: number
  private additions = 0

  /** @param capacity hashes held, rounded up to a power of two; 16 bytes each */
  constructor(capacity: number) {
    const sets = 2 ** Math.max(0, Math.ceil(Math.log2(capacity / WAYS)))
    this.mask = sets - 1
    this.table = new Uint32Array(sets * WAYS * FIELDS)
  }

  get bytes(): number {
    return this.table.byteLength
  }

  /** The certain count, 0 when the hash is not held. */
  certain(hi: number, lo: number): number {
    const at = this.find(hi, lo)
    return at < 0 ? 0 : countAt(this.table, at) - errorAt(this.table, at)
  }

  /** Adds to the hash's count. @returns the certain count (count − error) afterwards */
  add(hi: number, lo: number, count = 1, error = 0): number {
    const { table } = this
    if (++this.additions >= table.length * 64) this.age()
    let at = this.find(hi, lo)
    if (at < 0) {
      at = -1 - at
      table[at + HI] = hi
      table[at + LO] = lo
      table[at + ERROR] = countAt(table, at)
    }
    const total = Math.min(countAt(table, at) + count, MAX_COUNT)
    table[at + COUNT] = total
    const wrong = Math.min(errorAt(table, at) + error, total)
    table[at + ERROR] = wrong
    return total - wrong
  }

  write(writer: ByteWriter): void {
    const { table } = this
    const used: number[] = []
    for (let at = 0; at < table.length; at += FIELDS) if (countAt(table, at) > 0) used.push(at)
    writer.number(used.length)
    writer.number(this.additions)
    for (const at of used) {
      for (let field = 0; field < FIELDS; field++) writer.int(table[at + field]!)
    }
  }

  read(reader: ByteReader): void {
    const length = reader.number()
    const additions = reader.number()
    for (let index = 0; index < length; index++) {
      this.add(reader.int(), reader.int(), reader.int() >>> 0, reader.int() >>> 0)
    }
    this.additions = additions
  }

  /** Offset of the hash's entry; −1 − offset of the set's lightest entry when it is not held. */
  private find(hi: number, lo: number): number {
    const { table } = this
    const first = (lo & this.mask) * (WAYS * FIELDS)
    const high = hi >>> 0
    const low = lo >>> 0
    let lightest = first
    for (let at = first; at < first + WAYS * FIELDS; at += FIELDS) {
      const count = countAt(table, at)
      if (table[at + HI] === high && table[at + LO] === low && count > 0) return at
      if (count < countAt(table, lightest)) lightest = at
    }
    return -1 - lightest
  }

  /** Halves all counts, so that hashes which were heavy long ago make room. */
  private age(): void {
    const { table } = this
    this.additions = 0
    for (let at = 0; at < table.length; at += FIELDS) {
      table[at + COUNT] = countAt(table, at) >>> 1
      table[at + ERROR] = errorAt(table, at) >>> 1
    }
  }
}
