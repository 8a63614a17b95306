/**
 * Digests of the few-shot examples that sessions begin with, with what is known of who sent them: those of one
 * request, and those that requests with other examples had. The latter come from a pool; turns of a conversation
 * come back only with the same turns around them. Bounded.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'
import { areTwoCallers, CallerNumbers, knownOf, type SoleCaller } from './callers.ts'

const MAX_EXAMPLES = 4096
/** of a digest with its entry in a map */
const ENTRY_BYTES = 128

/** The examples of one request. */
export interface ExampleSighting {
  digests: readonly string[]
  /** hash of all examples together; of the session where there is one example */
  source: number
  /** issued key; '' without one */
  caller: string
}

interface Seen {
  source: number
  /** the first one's number */
  caller: number
  /** another caller had it, too */
  isOfSeveral: boolean
}

export class ExamplePool {
  private readonly callers = new CallerNumbers()
  /** of one source; the oldest first, which makes room */
  private readonly once = new Map<string, Seen>()
  /** of several sources */
  private readonly shared = new Map<string, Seen>()

  get bytes(): number {
    return (this.once.size + this.shared.size) * ENTRY_BYTES
  }

  /**
   * Digests that requests with other examples had, sorted. What one caller alone sent counts only where no other
   * one has a part in the traffic: one of several must not decide what is removed from the others' requests.
   * @param sole that sends nearly all requests of the template; null: there are several
   */
  known(sole: SoleCaller): string[] {
    const number = sole === null ? null : this.callers.find(sole)
    return [...this.shared]
      .filter(([, { caller, isOfSeveral }]) => isOfSeveral || caller === number)
      .map(([digest]) => digest)
      .sort()
  }

  add({ digests, source, caller }: ExampleSighting): void {
    const number = this.callers.add(caller)
    for (const digest of digests)
      this.addOne(digest, { source, caller: number, isOfSeveral: false })
  }

  /** Adds what another pool saw. */
  merge(other: ExamplePool): void {
    const numbers = this.callers.merge(other.callers)
    const own = (seen: Seen): Seen => ({ ...seen, caller: numbers(seen.caller) })
    for (const [digest, seen] of other.shared) this.share(digest, own(seen))
    for (const [digest, seen] of other.once) this.addOne(digest, own(seen))
  }

  write(writer: ByteWriter): void {
    this.callers.write(writer)
    for (const map of [this.shared, this.once]) {
      writer.int(map.size)
      for (const [digest, { source, caller, isOfSeveral }] of map) {
        writer.string(digest)
        writer.number(source)
        writer.int(caller)
        writer.int(isOfSeveral ? 1 : 0)
      }
    }
  }

  /** What `write` wrote. */
  static read(reader: ByteReader): ExamplePool {
    const pool = new ExamplePool()
    pool.callers.read(reader)
    for (const map of [pool.shared, pool.once])
      for (let left = reader.int(); left > 0; left--)
        map.set(reader.string(), {
          source: reader.number(),
          caller: reader.int(),
          isOfSeveral: reader.int() === 1,
        })
    return pool
  }

  private addOne(digest: string, seen: Seen): void {
    const known = this.shared.get(digest) ?? this.once.get(digest)
    if (known === undefined) {
      this.once.set(digest, seen)
      const [oldest] = this.once.keys()
      if (oldest !== undefined && this.once.size > MAX_EXAMPLES) this.once.delete(oldest)
      return
    }
    known.isOfSeveral ||= seen.isOfSeveral || areTwoCallers(known.caller, seen.caller)
    known.caller = knownOf(known.caller, seen.caller)
    if (known.source !== seen.source && this.once.has(digest)) this.share(digest, known)
  }

  private share(digest: string, seen: Seen): void {
    const known = this.shared.get(digest) ?? this.once.get(digest)
    this.once.delete(digest)
    const before = known ?? seen
    const isOfSeveral =
      seen.isOfSeveral || before.isOfSeveral || areTwoCallers(before.caller, seen.caller)
    const caller = knownOf(before.caller, seen.caller)
    if (this.shared.has(digest) || this.shared.size < MAX_EXAMPLES)
      this.shared.set(digest, { ...before, caller, isOfSeveral })
  }
}
