/**
 * Recent texts that others may be stored as a difference to, and how a text finds the one it
 * resembles. Bounded in bytes; and in age, because a base stays in the database while differences
 * to it do, longer than its own record. Knows nothing of the database.
 */
import { LRUCache } from 'lru-cache'
import { overlapOf, type EncodedBody, type Overlap } from './body-codec.ts'

export interface Base {
  digest: Buffer
  /** the digest as a string to look up by */
  key: string
  text: Buffer
  /** what it takes up without a base, as a share of its length */
  ratio: number
  createdAt: number
  /** what the last text that resembled it had in common with it */
  overlap?: Overlap
}

/** A base and what a text shares with it. */
export interface Relative extends Overlap {
  base: Base
}

/** a difference over this share of the text's own compressed size is not worth the reference */
const MAX_DIFFERENCE_SHARE = 0.5
/** pieces of a text by which its relatives are found */
const PIECES = 8
const MAX_PIECE_CHARS = 128
/** where a text is compared first, the farthest first: prompts mostly recur from their start on */
const PROBE_OFFSETS = [16_384, 4096, 1024, 256]
const PROBE_BYTES = 64
/** what a probe finds is taken without looking further if it shares so much */
const MIN_SHARED = 0.5
const DEFAULT_CACHE_BYTES = 32 * 2 ** 20
const MAX_BASE_BYTES = 2 ** 20
const MAX_BASE_AGE_MS = 24 * 60 * 60 * 1000

const probeOffsets = (text: Buffer): number[] =>
  PROBE_OFFSETS.filter((offset) => text.length >= offset + PROBE_BYTES)

const probeAt = (offset: number, scope: string, text: Buffer): string =>
  `${scope}\n@${offset}\n${text.toString('latin1', offset, offset + PROBE_BYTES)}`

/** The longest lines and strings of a JSON text: what relatives share is likely among them. */
const piecesOf = (scope: string, text: Buffer): string[] =>
  text
    .toString('latin1')
    .split(/\\n|"/)
    .sort((a, b) => b.length - a.length)
    .slice(0, PIECES)
    .map((piece) => `${scope}\n${piece.length}\n${piece.slice(0, MAX_PIECE_CHARS)}`)

export class BaseCache {
  /** probes and pieces → the newest base that has them */
  private readonly byKey = new Map<string, Base>()
  private readonly bases: LRUCache<string, { base: Base; keys: string[] }>
  private readonly now: () => number

  constructor(now: () => number, maxBytes = DEFAULT_CACHE_BYTES) {
    this.now = now
    this.bases = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: Math.min(MAX_BASE_BYTES, maxBytes),
      sizeCalculation: ({ base, keys }) =>
        keys.reduce((sum, key) => sum + key.length, base.text.length),
      dispose: ({ base, keys }) => {
        for (const key of keys) if (this.byKey.get(key) === base) this.byKey.delete(key)
      },
    })
  }

  /** A base that shares much of the text. @param scope keeps tenants apart */
  find(scope: string, text: Buffer): Relative | null {
    return this.findByProbe(scope, text) ?? this.findByPieces(scope, text)
  }

  add(scope: string, { digest, key, text, ratio }: Omit<Base, 'createdAt' | 'overlap'>): void {
    // a copy: the text is a view of its whole batch
    const base: Base = { digest, key, text: Buffer.from(text), ratio, createdAt: this.now() }
    const probes = probeOffsets(text).map((offset) => probeAt(offset, scope, text))
    const keys = [...probes, ...piecesOf(scope, text)]
    this.bases.set(key, { base, keys })
    // too large a text is not taken
    if (this.bases.has(key)) for (const each of keys) this.byKey.set(each, base)
  }

  clear(): void {
    this.bases.clear()
  }

  /** In constant time, where splitting a text takes as long as writing its record. */
  private findByProbe(scope: string, text: Buffer): Relative | null {
    for (const offset of probeOffsets(text)) {
      const base = this.byKey.get(probeAt(offset, scope, text))
      if (base === undefined || !this.touch(base)) continue
      const overlap = overlapOf(text, base.text, base.overlap)
      base.overlap = overlap
      const { prefixBytes, suffixBytes } = overlap
      if (prefixBytes + suffixBytes >= MIN_SHARED * text.length)
        return { base, prefixBytes, suffixBytes }
    }
    return null
  }

  /** The base that shares the most pieces. */
  private findByPieces(scope: string, text: Buffer): Relative | null {
    const votes = new Map<Base, number>()
    for (const piece of piecesOf(scope, text)) {
      const base = this.byKey.get(piece)
      if (base !== undefined) votes.set(base, (votes.get(base) ?? 0) + 1)
    }
    let best: Base | null = null
    for (const [base, count] of votes) {
      if (best === null || count > votes.get(best)!) best = base
    }
    if (best === null || !this.touch(best)) return null
    return { base: best, ...overlapOf(text, best.text) }
  }

  /** @returns false for one that is too old, which is gone then */
  private touch(base: Base): boolean {
    if (this.now() - base.createdAt > MAX_BASE_AGE_MS) {
      this.bases.delete(base.key)
      return false
    }
    this.bases.get(base.key)
    return true
  }
}

/** Whether the difference saves enough; if not, the text is stored whole and becomes a base. */
export const isWorthwhile = (difference: EncodedBody, text: Buffer, base: Base): boolean =>
  difference.data.length <= MAX_DIFFERENCE_SHARE * base.ratio * text.length
