/**
 * Recent bodies that others may be stored as a difference to, with an index that finds a similar one.
 * Bounded in bytes. Bounded in age too: a base stays in the database as long as differences to it do,
 * which is longer than its own record. Knows nothing of the database.
 */
import { LRUCache } from 'lru-cache'
import { overlapOf, type Difference, type Overlap } from './body-codec.ts'
import { ownBytes, ownText } from './own-copy.ts'

export interface Base {
  digest: Buffer
  /** the digest as a string, for maps */
  key: string
  body: Buffer
  /** its compressed size as a share of its length */
  ratio: number
  createdAt: number
  /** overlap with the last body that resembled it */
  overlap?: Overlap
}

interface Candidate {
  body: Buffer
  /** different bodies whose ends it shares, with itself */
  count: number
}

/** A base and its overlap with a body. */
export interface Relative extends Overlap {
  base: Base
}

/** a difference over this share of the body's own compressed size is not worth the reference */
const MAX_DIFFERENCE_SHARE = 0.5
/** pieces of a body under which the index has it */
const PIECES = 8
const MAX_PIECE_CHARS = 128
/** offsets that are compared first, the farthest first: most prompts recur from their start on */
const PROBE_OFFSETS = [16_384, 4096, 1024, 256]
const PROBE_BYTES = 64
/** a base that a probe finds is taken without a further search if its ends share this much of the body */
const MIN_SHARED = 0.5
const DEFAULT_CACHE_BYTES = 32 * 2 ** 20
const MAX_BASE_BYTES = 2 ** 20
/** what a base and each key take beside their own bytes, measured by `process.memoryUsage` */
const ENTRY_BYTES = 400
const KEY_BYTES = 150
const MAX_BASE_AGE_MS = 24 * 60 * 60 * 1000
/** A body without a probe here is short, and split in little time. */
const MIN_KIND_OFFSET = 4096
/** So many different bodies of a kind without a base make the next one a base. */
const MIN_KIND_BODIES = 2
const MAX_CANDIDATE_BYTES = 4 * 2 ** 20

const probeOffsets = (body: Buffer): number[] =>
  PROBE_OFFSETS.filter((offset) => body.length >= offset + PROBE_BYTES)

const probeAt = (offset: number, scope: string, body: Buffer): string =>
  `${scope}\n@${offset}\n${body.toString('latin1', offset, offset + PROBE_BYTES)}`

const sharesEnough = ({ prefixBytes, suffixBytes }: Overlap, body: Buffer): boolean =>
  prefixBytes + suffixBytes >= MIN_SHARED * body.length

/** The longest of the texts, longest first. To sort a million of them would take a second. */
const longestOf = (texts: string[]): string[] => {
  const longest: string[] = []
  for (const text of texts) {
    const shortest = longest[PIECES - 1]
    if (shortest !== undefined && text.length <= shortest.length) continue
    const place = longest.findIndex(({ length }) => length < text.length)
    longest.splice(place < 0 ? longest.length : place, 0, text)
    if (longest.length > PIECES) longest.pop()
  }
  return longest
}

/**
 * The longest lines and strings of a JSON text: similar bodies probably share some of them. None of a body that
 * is too large to be a base.
 */
const piecesOf = (scope: string, body: Buffer): string[] =>
  longestOf(body.length > MAX_BASE_BYTES ? [] : body.toString('latin1').split(/\\n|"/)).map(
    (piece) => `${scope}\n${piece.length}\n${ownText(piece.slice(0, MAX_PIECE_CHARS))}`
  )

export class BaseCache {
  /** probe or piece → the newest base that has it */
  private readonly byKey = new Map<string, Base>()
  private readonly bases: LRUCache<string, { base: Base; keys: string[] }>
  /** farthest probe → a body whose ends share little with any base */
  private readonly candidates = new LRUCache<string, Candidate>({
    maxSize: MAX_CANDIDATE_BYTES,
    maxEntrySize: MAX_BASE_BYTES,
    sizeCalculation: ({ body }) => ENTRY_BYTES + body.length,
  })
  private readonly now: () => number

  constructor(now: () => number, maxBytes = DEFAULT_CACHE_BYTES) {
    this.now = now
    this.bases = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: Math.min(MAX_BASE_BYTES, maxBytes),
      sizeCalculation: ({ base, keys }) =>
        keys.reduce((sum, key) => sum + KEY_BYTES + key.length, ENTRY_BYTES + base.body.length),
      dispose: ({ base, keys }) => {
        for (const key of keys) if (this.byKey.get(key) === base) this.byKey.delete(key)
      },
    })
  }

  /**
   * @param scope bodies of different scopes never find each other
   * @returns a similar base; null where the body should become one
   */
  find(scope: string, body: Buffer): Relative | null {
    const found = this.findByProbe(scope, body)
    if (found !== null) return found
    const relative = this.findByPieces(scope, body)
    const isOther = relative !== null && !sharesEnough(relative, body)
    return isOther && this.isOwnKind(scope, body) ? null : relative
  }

  add(scope: string, { digest, key, body, ratio }: Omit<Base, 'createdAt' | 'overlap'>): void {
    const copies = { digest: ownBytes(digest), body: ownBytes(body) }
    const base: Base = { ...copies, key, ratio, createdAt: this.now() }
    const probes = probeOffsets(body).map((offset) => probeAt(offset, scope, body))
    const keys = [...probes, ...piecesOf(scope, body)]
    this.bases.set(key, { base, keys })
    // the cache does not take a body over the maximal size
    if (this.bases.has(key)) for (const each of keys) this.byKey.set(each, base)
  }

  clear(): void {
    this.bases.clear()
    this.candidates.clear()
  }

  /** Takes constant time. Splitting a body into pieces takes as long as writing its record. */
  private findByProbe(scope: string, body: Buffer): Relative | null {
    for (const offset of probeOffsets(body)) {
      const base = this.byKey.get(probeAt(offset, scope, body))
      if (base === undefined || !this.touch(base)) continue
      const overlap = overlapOf(body, base.body, base.overlap)
      base.overlap = overlap
      if (sharesEnough(overlap, body)) return { base, ...overlap }
    }
    return null
  }

  /**
   * Whether earlier bodies share their ends with it, and no base does. A kind of body that resembles another one in its
   * pieces alone would never get a base, and each of its bodies would be split.
   */
  private isOwnKind(scope: string, body: Buffer): boolean {
    const [farthest] = probeOffsets(body)
    if (farthest === undefined || farthest < MIN_KIND_OFFSET) return false
    const probe = probeAt(farthest, scope, body)
    if (this.byKey.has(probe)) return false
    const candidate = this.candidates.get(probe)
    if (candidate === undefined || !sharesEnough(overlapOf(body, candidate.body), body)) {
      this.candidates.set(probe, { body: ownBytes(body), count: 1 })
      return false
    }
    // a request that is sent again tells of no kind
    if (candidate.body.equals(body)) return false
    if (candidate.count < MIN_KIND_BODIES) {
      candidate.count++
      return false
    }
    this.candidates.delete(probe)
    return true
  }

  /** @returns the base that shares the most pieces */
  private findByPieces(scope: string, body: Buffer): Relative | null {
    const votes = new Map<Base, number>()
    for (const piece of piecesOf(scope, body)) {
      const base = this.byKey.get(piece)
      if (base !== undefined) votes.set(base, (votes.get(base) ?? 0) + 1)
    }
    let [best, most]: [Base | null, number] = [null, 0]
    for (const [base, count] of votes) if (count > most) [best, most] = [base, count]
    if (best === null || !this.touch(best)) return null
    return { base: best, ...overlapOf(body, best.body) }
  }

  /** Marks the base as used, or removes it if it is too old. @returns whether it is still there */
  private touch(base: Base): boolean {
    if (this.now() - base.createdAt > MAX_BASE_AGE_MS) {
      this.bases.delete(base.key)
      return false
    }
    this.bases.get(base.key)
    return true
  }
}

/** Whether the difference saves enough. If it does not, the body is stored whole and becomes a base. */
export const isWorthwhile = (difference: Difference, body: Buffer, base: Base): boolean =>
  difference.data.length <= MAX_DIFFERENCE_SHARE * base.ratio * body.length
