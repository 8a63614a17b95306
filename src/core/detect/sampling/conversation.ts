/**
 * Which requests continue an earlier one. Holds the chain hash of each request's messages with the
 * hash of our answer to it, in a table of fixed size; the oldest entry of a set gives way. So the
 * history of a chat is never taken for few-shot examples, and a loop of 400 calls is one session.
 */
import { itemAt } from '../../lists.ts'
import type { HashPair } from '../../request/request-scan.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'

const WAYS = 8
const ENTRY_BYTES = 30

export interface SessionStart {
  /** hash of the session, below 2^53 */
  session: number
  /** messages of the session's first request */
  rootMessages: number
}

export class ConversationTable {
  private readonly hi: Int32Array
  private readonly lo: Int32Array
  private readonly answer: Int32Array
  private readonly root: Uint16Array
  private readonly session: Float64Array
  private readonly stamp: Float64Array
  private readonly mask: number
  private clock = 0

  /** @param capacity requests remembered, rounded up to a power of two */
  constructor(capacity: number) {
    const sets = 2 ** Math.max(0, Math.ceil(Math.log2(capacity / WAYS)))
    const size = sets * WAYS
    this.mask = sets - 1
    this.hi = new Int32Array(size)
    this.lo = new Int32Array(size)
    this.answer = new Int32Array(size)
    this.root = new Uint16Array(size)
    this.session = new Float64Array(size)
    this.stamp = new Float64Array(size)
  }

  get bytes(): number {
    return this.hi.length * ENTRY_BYTES
  }

  /**
   * The session of the request whose messages hash to the given chain, when it was answered with
   * `answer` (a hash) or when its answer was never seen.
   */
  find({ hi, lo }: HashPair, answer: number): SessionStart | null {
    const first = (lo & this.mask) * WAYS
    for (let way = first; way < first + WAYS; way++) {
      if (this.hi[way] !== hi || this.lo[way] !== lo || this.stamp[way] === 0) continue
      const known = this.answer[way]
      if (known !== 0 && known !== answer) continue
      return { session: itemAt(this.session, way), rootMessages: itemAt(this.root, way) }
    }
    return null
  }

  remember({ hi, lo }: HashPair, answer: number, start: SessionStart): void {
    const first = (lo & this.mask) * WAYS
    let way = first
    let oldest = Infinity
    for (let other = first; other < first + WAYS; other++) {
      if (this.hi[other] === hi && this.lo[other] === lo && this.answer[other] === answer) {
        way = other
        break
      }
      const stamp = this.stampOf(other)
      if (stamp < oldest) {
        oldest = stamp
        way = other
      }
    }
    this.hi[way] = hi
    this.lo[way] = lo
    this.answer[way] = answer
    this.root[way] = start.rootMessages
    this.session[way] = start.session
    this.stamp[way] = ++this.clock
  }

  /** Oldest first, so that reading keeps the order of age. */
  write(writer: ByteWriter): void {
    const ways = [...this.stamp.keys()].filter((way) => this.stampOf(way) > 0)
    ways.sort((left, right) => this.stampOf(left) - this.stampOf(right))
    writer.number(ways.length)
    for (const way of ways) {
      writer.int(itemAt(this.hi, way))
      writer.int(itemAt(this.lo, way))
      writer.int(itemAt(this.answer, way))
      writer.int(itemAt(this.root, way))
      writer.number(itemAt(this.session, way))
    }
  }

  read(reader: ByteReader): void {
    const length = reader.number()
    for (let index = 0; index < length; index++) {
      const [hi, lo, answer, rootMessages] = [
        reader.int(),
        reader.int(),
        reader.int(),
        reader.int(),
      ]
      this.remember({ hi, lo }, answer, { session: reader.number(), rootMessages })
    }
  }

  /** 0 where the way is free. */
  private stampOf(way: number): number {
    return this.stamp[way]!
  }
}
