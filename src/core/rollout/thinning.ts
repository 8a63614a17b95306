/**
 * Makes audits that were drawn with different probabilities a sample at an even rate. Audits are fewer while
 * their money is short or the engine is busy, so the mean of all pairs would be that of the hours with many.
 * Knows nothing of losses.
 */
import { DAY_MS } from '../days.ts'

const UINT32 = 2 ** 32

/** Uniform in [0, 1), and always the same for a number (the finalizer of MurmurHash3). */
const hashedShare = (place: number): number => {
  let mixed = (place % UINT32) ^ Math.floor(place / UINT32)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return ((mixed ^ (mixed >>> 16)) >>> 0) / UINT32
}

interface Drawn {
  place: number
  /** milliseconds since the epoch */
  at: number
  /** part of its stage's audits that were made then, in (0, 1] */
  drawn: number
}

/**
 * A request that was audited at the part p is kept with probability r/p, where r is the smallest part of the
 * day before it, or p if that is smaller. So it is kept with probability r whatever p was. Both are known
 * before the pair is, so the evidence stays valid. A weight of r/p would give the same mean evidence, but
 * conversations would not be counted in whole numbers (docs/decisions.md#steady-audits).
 */
export class Thinning {
  /** when each part was seen last; there are few, because parts are powers of two */
  private readonly lastSeen = new Map<number, number>()

  /** @param pair behind those before it, of any outcome @returns whether it is kept */
  keeps({ place, at, drawn }: Drawn): boolean {
    this.lastSeen.set(drawn, at)
    let least = drawn
    for (const [part, seen] of this.lastSeen) if (at - seen <= DAY_MS) least = Math.min(least, part)
    return hashedShare(place) < least / drawn
  }
}
