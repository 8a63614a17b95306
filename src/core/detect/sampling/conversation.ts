/**
 * Which requests continue an earlier one. Holds the chain hash of each request's messages with the
 * hash of our answer to it, in a table of fixed size; the oldest entry of a set gives way. So the
 * history of a chat is never taken for few-shot examples, and a loop of 400 calls is one session.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

const WAYS = 8

export interface Turn {
  /** hash of the session, below 2^53 */
  session: number
  /** messages of the session's first request */
  rootMessages: number
}

export interface ConversationTable {
  /**
   * The turn whose messages hash to the given chain, when it was answered with `answer` (a hash) or
   * when its answer was never seen.
   */
  find(hi: number, lo: number, answer: number): Turn | null
  remember(hi: number, lo: number, answer: number, turn: Turn): void
  entries(): Iterable<{ hi: number; lo: number; answer: number; turn: Turn }>
  write(writer: ByteWriter): void
  read(reader: ByteReader): void
  readonly bytes: number
}

class SetAssociativeConversations implements ConversationTable {
  readonly #hi: Int32Array
  readonly #lo: Int32Array
  readonly #answer: Int32Array
  readonly #root: Uint16Array
  readonly #session: Float64Array
  readonly #stamp: Float64Array
  readonly #mask: number
  #clock = 0

  constructor(capacity: number) {
    const sets = 2 ** Math.max(0, Math.ceil(Math.log2(capacity / WAYS)))
    const size = sets * WAYS
    this.#mask = sets - 1
    this.#hi = new Int32Array(size)
    this.#lo = new Int32Array(size)
    this.#answer = new Int32Array(size)
    this.#root = new Uint16Array(size)
    this.#session = new Float64Array(size)
    this.#stamp = new Float64Array(size)
  }

  get bytes(): number {
    return this.#hi.length * 30
  }

  find(hi: number, lo: number, answer: number): Turn | null {
    const first = (lo & this.#mask) * WAYS
    for (let way = first; way < first + WAYS; way++) {
      if (this.#hi[way] !== hi || this.#lo[way] !== lo || this.#stamp[way] === 0) continue
      const known = this.#answer[way]!
      if (known !== 0 && known !== answer) continue
      return { session: this.#session[way]!, rootMessages: this.#root[way]! }
    }
    return null
  }

  remember(hi: number, lo: number, answer: number, turn: Turn): void {
    const first = (lo & this.#mask) * WAYS
    let way = first
    for (let other = first; other < first + WAYS; other++) {
      const same = this.#hi[other] === hi && this.#lo[other] === lo
      if (same && this.#answer[other] === answer) {
        way = other
        break
      }
      if (this.#stamp[other]! < this.#stamp[way]!) way = other
    }
    this.#hi[way] = hi
    this.#lo[way] = lo
    this.#answer[way] = answer
    this.#root[way] = turn.rootMessages
    this.#session[way] = turn.session
    this.#stamp[way] = ++this.#clock
  }

  /** Oldest first, so that replaying them keeps the order of age. */
  *entries(): Iterable<{ hi: number; lo: number; answer: number; turn: Turn }> {
    const ways = [...this.#stamp.keys()].filter((way) => this.#stamp[way]! > 0)
    ways.sort((left, right) => this.#stamp[left]! - this.#stamp[right]!)
    for (const way of ways) {
      yield {
        hi: this.#hi[way]!,
        lo: this.#lo[way]!,
        answer: this.#answer[way]!,
        turn: { session: this.#session[way]!, rootMessages: this.#root[way]! },
      }
    }
  }

  write(writer: ByteWriter): void {
    const entries = [...this.entries()]
    writer.number(entries.length)
    for (const { hi, lo, answer, turn } of entries) {
      writer.int(hi)
      writer.int(lo)
      writer.int(answer)
      writer.int(turn.rootMessages)
      writer.number(turn.session)
    }
  }

  read(reader: ByteReader): void {
    const length = reader.number()
    for (let index = 0; index < length; index++) {
      const hi = reader.int()
      const lo = reader.int()
      const answer = reader.int()
      const rootMessages = reader.int()
      this.remember(hi, lo, answer, { session: reader.number(), rootMessages })
    }
  }
}

/** @param capacity requests remembered, rounded up to a power of two; 30 bytes each */
export const createConversationTable = (capacity: number): ConversationTable =>
  new SetAssociativeConversations(capacity)
