/**
 * Digests of the pairs of question and answer that sessions begin with: those of one session, and those
 * that sessions with different pairs share. The latter are few-shot examples from a pool; turns of a
 * conversation come back only with the same turns around them. Bounded.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

const MAX_PAIRS = 4096
/** of a digest in a set or a map */
const ENTRY_BYTES = 96

/** The pairs of one request. */
export interface PairSighting {
  digests: readonly string[]
  /** hash of all pairs together; of the session where there is one pair */
  source: number
}

export class PairPool {
  /** digest → source; the oldest first, which makes room */
  private readonly once = new Map<string, number>()
  private readonly shared = new Set<string>()

  get bytes(): number {
    return (this.once.size + this.shared.size) * ENTRY_BYTES
  }

  /** Digests that requests with different pairs had, sorted. */
  get known(): string[] {
    return [...this.shared].sort()
  }

  add({ digests, source }: PairSighting): void {
    for (const digest of digests) this.addOne(digest, source)
  }

  /** Adds what another pool saw. */
  merge(other: PairPool): void {
    for (const digest of other.shared) this.share(digest)
    for (const [digest, source] of other.once) this.addOne(digest, source)
  }

  write(writer: ByteWriter): void {
    writer.int(this.shared.size)
    for (const digest of this.shared) writer.string(digest)
    writer.int(this.once.size)
    for (const [digest, source] of this.once) {
      writer.string(digest)
      writer.number(source)
    }
  }

  /** Reads what `write` wrote. */
  read(reader: ByteReader): void {
    for (let left = reader.int(); left > 0; left--) this.share(reader.string())
    for (let left = reader.int(); left > 0; left--) this.addOne(reader.string(), reader.number())
  }

  private addOne(digest: string, source: number): void {
    if (this.shared.has(digest)) return
    const before = this.once.get(digest)
    if (before === undefined) this.once.set(digest, source)
    else if (before !== source) this.share(digest)
    if (this.once.size <= MAX_PAIRS) return
    for (const oldest of this.once.keys()) {
      this.once.delete(oldest)
      break
    }
  }

  private share(digest: string): void {
    this.once.delete(digest)
    if (this.shared.size < MAX_PAIRS) this.shared.add(digest)
  }
}
