/** The training rows around a request: an answer that the nearest ones share is more likely right than its probability says. */
import { cosineTo, type Directions } from './directions.ts'

/** By cosine similarity, −1 to 1. */
export interface Neighbourhood {
  /** of the nearest row */
  nearest: number
  /** of the nearest row with the answer, and of the nearest with another one; −1 without one */
  same: number
  other: number
  /** share of the nearest rows that have the answer, 0 to 1 */
  agreeing: number
}

/** Training rows of a head, which a request is compared with. */
export interface Neighbours {
  directions: Directions
  /** class of each row's answer */
  classes: Int32Array
}

/** Rows that vote. */
const NEAREST = 5

/**
 * @param classes of each row
 * @param similarity cosine of the query and the row at a place
 * @param answer class of the head's answer
 * @param isLeftOut rows that do not count, by place
 */
export const neighbourhoodOf = (
  classes: Int32Array,
  similarity: (place: number) => number,
  answer: number,
  isLeftOut: (place: number) => boolean = () => false
): Neighbourhood => {
  let [same, other] = [-1, -1]
  // nearest first
  const nearest: { cosine: number; label: number }[] = []
  for (const [place, label] of classes.entries()) {
    if (isLeftOut(place)) continue
    const cosine = similarity(place)
    if (label === answer) same = Math.max(same, cosine)
    else other = Math.max(other, cosine)
    const farthest = nearest[NEAREST - 1]
    if (farthest !== undefined && cosine <= farthest.cosine) continue
    const before = nearest.findIndex((row) => cosine > row.cosine)
    nearest.splice(before < 0 ? nearest.length : before, 0, { cosine, label })
    nearest.length = Math.min(nearest.length, NEAREST)
  }
  const agreeing = nearest.filter(({ label }) => label === answer).length
  return {
    nearest: nearest[0]?.cosine ?? -1,
    same,
    other,
    agreeing: nearest.length === 0 ? 0 : agreeing / nearest.length,
  }
}

/** @param vector `[dims]` of any length */
export const neighbourhoodIn = (
  { directions, classes }: Neighbours,
  vector: Float32Array,
  answer: number
): Neighbourhood => neighbourhoodOf(classes, cosineTo(directions, vector), answer)
