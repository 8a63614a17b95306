/**
 * Recurring features of a request, under which it is filed. Two indices: counts of lines wherever they
 * stand, and a counted trie of 64-character prefix blocks. Lines of one template rise together, so those
 * of equal count (within a factor of two) are one level, and the one with the smallest hash names it:
 * the same name for all requests of an application, another for the text that only an edited version
 * has. Knows nothing of samples.
 */
import { itemAt } from '../lists.ts'
import { combine, hashText, toInteger, type HashPair, type Scan } from '../request/request-scan.ts'
import type { ByteReader, ByteWriter } from './sampling/bytes.ts'

/**
 * Counts of recurring hashes in fixed memory: Space-Saving (Metwally et al. 2005), with the table cut
 * into sets of eight, so that an update touches one cache line instead of a heap. The error of a count
 * is kept beside it. Reading a snapshot into a used table merges the two.
 */
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

class CountSketch {
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

const MIN_LINE_CHARS = 8
const MIN_LEVEL_CHARS = 40
/** certain count that makes a line or a trie node recurring */
const RECURRING = 4
/** of a level beside the main one: pools of examples make many levels with low counts */
const RECURRING_BESIDE = 16
const MAX_FILES = 3
const LEVELS = 33
const MAX_MASKED = 8
const MAX_MASKED_CHARS = 400
/** of a number, a date, an identifier or an address */
const MAY_BE_TYPED = /[\d@]|:\/\//u
/** coarser than the masks of `building/mask.ts`, and several times faster */
const maskWords = (line: string): string =>
  line.replace(/\S+/gu, (word) => (MAY_BE_TYPED.test(word) ? '\u0000' : word))
/** prefix blocks name a request only where they cover clearly more text than its lines */
const PREFIX_ADVANTAGE = 1.1

/** Lines of equal count, with the smallest of their hashes. */
interface Level extends HashPair {
  number: number
  chars: number
}

/** Number of a count's level. */
const levelOf = (count: number): number => 32 - Math.clz32(count)

const enter = (level: Level, chars: number, hi: number, lo: number): void => {
  if (level.chars === 0 || hi >>> 0 < level.hi >>> 0) {
    level.hi = hi
    level.lo = lo
  }
  level.chars += chars
}

/** The hash at a place of a scan. */
export const hashAt = (hi: Int32Array, lo: Int32Array, place: number): HashPair => ({
  hi: hi[place]!,
  lo: lo[place]!,
})

/** The messages of a request that are filed. */
interface Filed {
  scan: Scan
  texts: string[]
  /** how many of them */
  messages: number
  context: HashPair
  /** false: the request is only looked up */
  counts: boolean
}

/** Fixed memory: 16 bytes for each line and trie node. */
export class Filing {
  readonly lines: CountSketch
  readonly trie: CountSketch
  private readonly levels = Array.from({ length: LEVELS }, (_, number): Level => ({
    number,
    chars: 0,
    hi: 0,
    lo: 0,
  }))

  constructor(
    maxLines: number,
    maxNodes: number,
    private readonly seed: number
  ) {
    this.lines = new CountSketch(maxLines)
    this.trie = new CountSketch(maxNodes)
  }

  /** @returns ids below 2^53, most text first, at most three */
  file(filed: Filed): number[] {
    this.fillLevels(filed)
    const files = this.levelFiles(filed.context)
    const prefix = this.walk(filed)
    const total = this.levels.reduce((sum, { chars }) => sum + chars, 0)
    if (prefix && prefix.chars > total * PREFIX_ADVANTAGE)
      files.unshift(toInteger(combine(filed.context, prefix)))
    return files.slice(0, MAX_FILES)
  }

  private fillLevels(filed: Filed): void {
    const { scan, texts, messages } = filed
    for (const level of this.levels) level.chars = 0
    let masked = 0
    for (let index = 0; index < scan.lines; index++) {
      const message = scan.lineMessage[index]!
      if (message >= messages) break
      const start = scan.lineStart[index]!
      const chars = scan.lineEnd[index]! - start
      if (chars < MIN_LINE_CHARS) continue
      if (this.enterLine(filed, hashAt(scan.lineHi, scan.lineLo, index), chars)) continue
      if (chars > MAX_MASKED_CHARS || masked === MAX_MASKED) continue
      const line = itemAt(texts, message).slice(start, start + chars)
      if (!MAY_BE_TYPED.test(line)) continue
      masked++
      // a line that holds a date or an identifier recurs once those are masked
      const text = maskWords(line)
      this.enterLine(filed, hashText(text, this.seed ^ message), text.length)
    }
  }

  /** @returns whether the line recurs */
  private enterLine({ context, counts }: Filed, hash: HashPair, chars: number): boolean {
    const hi = hash.hi ^ context.hi
    const lo = hash.lo ^ context.lo
    const seen = counts ? this.lines.add(hi, lo) : this.lines.certain(hi, lo)
    if (seen >= RECURRING) enter(this.levels[levelOf(seen)]!, chars, hi, lo)
    return seen >= RECURRING
  }

  /** The main level (most text) and up to two others that recur often. */
  private levelFiles(context: HashPair): number[] {
    const least = levelOf(RECURRING_BESIDE)
    return this.levels
      .filter(({ chars }) => chars >= MIN_LEVEL_CHARS)
      .sort((left, right) => right.chars - left.chars)
      .filter(({ number }, rank) => rank === 0 || number >= least)
      .slice(0, MAX_FILES)
      .map((level) => toInteger(combine(context, level)))
  }

  /**
   * Walks the trie and adds at most one node, under a parent that recurs, so that noise leaves one
   * node a request.
   * @returns the deepest recurring node that the majority of its parent's requests goes through
   */
  private walk({ scan, messages, counts }: Filed): (HashPair & { chars: number }) | null {
    let parent = Infinity
    let deepest = -1
    for (let index = 0; index < scan.blocks; index++) {
      const message = scan.blockMessage[index]!
      if (message >= messages) break
      const hi = scan.blockHi[index]!
      const lo = scan.blockLo[index]!
      const known = this.trie.certain(hi, lo)
      if (known === 0) {
        if (counts && parent >= RECURRING) this.trie.add(hi, lo)
        break
      }
      const seen = counts ? this.trie.add(hi, lo) : known
      const isMajority = parent === Infinity || seen * 2 > parent
      if (seen < RECURRING || !isMajority) break
      deepest = index
      parent = seen
    }
    if (deepest < 0) return null
    return { ...hashAt(scan.blockHi, scan.blockLo, deepest), chars: scan.blockChars[deepest]! }
  }
}
