/**
 * Under which recurring features a request is filed. Two indices: counts of segments wherever they
 * stand, and a counted trie of 64-character prefix blocks. Segments of one template rise together,
 * so those of equal count (within a factor of two) are one level, and the one with the smallest
 * hash names it: the same name for all requests of an application, another for what an edited
 * version has of its own. Knows nothing of samples.
 */
import { maskText } from './building/mask.ts'
import { combine, hashText, toInteger, type HashPair, type Scan } from '../request/request-scan.ts'
import { createCountSketch, type CountSketch } from './sampling/sketch.ts'

export interface Filing {
  /**
   * Counts the first `messages` messages of a scanned request (or only looks them up).
   * @returns ids below 2^53, most text first, at most three
   */
  file(scan: Scan, texts: string[], messages: number, context: HashPair, count: boolean): number[]
  readonly segments: CountSketch
  readonly trie: CountSketch
}

const MIN_SEGMENT_CHARS = 8
const MIN_LEVEL_CHARS = 40
/** certain count that makes a segment or a trie node recurring */
const RECURRING = 4
/** a level beside the main one must have recurred more often: pools of examples make many */
const RECURRING_BESIDE = 16
const MAX_FILES = 3
const LEVELS = 33
const MAX_MASKED = 8
const MAX_MASKED_CHARS = 400
const MAY_BE_TYPED = /[\d@]/
/** prefix blocks name a request only where they tell clearly more than its segments */
const PREFIX_ADVANTAGE = 1.1

interface Levels {
  chars: Float64Array
  hi: Int32Array
  lo: Int32Array
  total: number
}

const enter = (levels: Levels, count: number, chars: number, hi: number, lo: number): void => {
  const level = 32 - Math.clz32(count)
  const smaller = levels.chars[level] === 0 || hi >>> 0 < levels.hi[level]! >>> 0
  if (smaller) {
    levels.hi[level] = hi
    levels.lo[level] = lo
  }
  levels.chars[level]! += chars
  levels.total += chars
}

class TwoIndexFiling implements Filing {
  readonly segments: CountSketch
  readonly trie: CountSketch
  readonly #seed: number
  readonly #levels: Levels = {
    chars: new Float64Array(LEVELS),
    hi: new Int32Array(LEVELS),
    lo: new Int32Array(LEVELS),
    total: 0,
  }

  constructor(maxSegments: number, maxNodes: number, seed: number) {
    this.segments = createCountSketch(maxSegments)
    this.trie = createCountSketch(maxNodes)
    this.#seed = seed
  }

  file(scan: Scan, texts: string[], messages: number, context: HashPair, count: boolean): number[] {
    this.#fillLevels(scan, texts, messages, context, count)
    const files = this.#levelFiles(context)
    const prefix = this.#walk(scan, messages, count)
    if (prefix && prefix.chars > this.#levels.total * PREFIX_ADVANTAGE) {
      files.unshift(toInteger(combine(context, prefix)))
    }
    return files.slice(0, MAX_FILES)
  }

  #fillLevels(
    scan: Scan,
    texts: string[],
    messages: number,
    context: HashPair,
    count: boolean
  ): void {
    const levels = this.#levels
    levels.chars.fill(0)
    levels.total = 0
    let masked = 0
    for (let index = 0; index < scan.segments; index++) {
      const message = scan.segmentMessage[index]!
      if (message >= messages) break
      const chars = scan.segmentEnd[index]! - scan.segmentStart[index]!
      if (chars < MIN_SEGMENT_CHARS) continue
      const hi = scan.segmentHi[index]! ^ context.hi
      const lo = scan.segmentLo[index]! ^ context.lo
      const seen = count ? this.segments.add(hi, lo) : this.segments.certain(hi, lo)
      if (seen >= RECURRING) {
        enter(levels, seen, chars, hi, lo)
      } else if (chars <= MAX_MASKED_CHARS && masked < MAX_MASKED) {
        const start = scan.segmentStart[index]!
        const line = texts[message]!.slice(start, start + chars)
        if (MAY_BE_TYPED.test(line)) {
          masked++
          this.#enterMasked(line, message, context, count)
        }
      }
    }
  }

  /** A line that holds a date or an identifier recurs once those are masked. */
  #enterMasked(line: string, message: number, context: HashPair, count: boolean): void {
    const text = maskText(line)
    if (text === line) return
    const hash = hashText(text, this.#seed ^ message)
    const hi = hash.hi ^ context.hi
    const lo = hash.lo ^ context.lo
    const seen = count ? this.segments.add(hi, lo) : this.segments.certain(hi, lo)
    if (seen >= RECURRING) enter(this.#levels, seen, text.length, hi, lo)
  }

  /** The main level (most text) and up to two others that recur often. */
  #levelFiles(context: HashPair): number[] {
    const { chars, hi, lo } = this.#levels
    const order: number[] = []
    for (let level = 0; level < LEVELS; level++) {
      if (chars[level]! >= MIN_LEVEL_CHARS) order.push(level)
    }
    order.sort((left, right) => chars[right]! - chars[left]!)
    const least = 32 - Math.clz32(RECURRING_BESIDE)
    return order
      .filter((level, rank) => rank === 0 || level >= least)
      .slice(0, MAX_FILES)
      .map((level) => toInteger(combine(context, { hi: hi[level]!, lo: lo[level]! })))
  }

  /**
   * Walks the trie and adds at most one node, under a parent that recurs, so that noise leaves one
   * node a request.
   * @returns the deepest recurring node that the majority of its parent's requests goes through
   */
  #walk(scan: Scan, messages: number, count: boolean): (HashPair & { chars: number }) | null {
    let parent = Infinity
    let found: (HashPair & { chars: number }) | null = null
    let majority = true
    for (let index = 0; index < scan.blocks; index++) {
      if (scan.blockMessage[index]! >= messages) break
      const hi = scan.blockHi[index]!
      const lo = scan.blockLo[index]!
      const known = this.trie.certain(hi, lo)
      if (known === 0) {
        if (count && parent >= RECURRING) this.trie.add(hi, lo)
        break
      }
      const seen = count ? this.trie.add(hi, lo) : known
      majority &&= seen * 2 > parent || parent === Infinity
      if (seen < RECURRING || !majority) break
      found = { hi, lo, chars: scan.blockChars[index]! }
      parent = seen
    }
    return found
  }
}

/** Fixed memory: 16 bytes for each of the segments and trie nodes. */
export const createFiling = (maxSegments: number, maxNodes: number, seed: number): Filing =>
  new TwoIndexFiling(maxSegments, maxNodes, seed)
