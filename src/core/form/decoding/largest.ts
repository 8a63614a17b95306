/** The largest of some scores, the first among equals. */
export interface Largest {
  place: number
  score: number
}

/** @param count of the scores that are looked at, from the first */
export const largestOf = (scores: Float32Array | Float64Array, count = scores.length): Largest => {
  let place = 0
  let score = -Infinity
  for (let at = 0; at < count; at++) {
    const own = scores[at]!
    if (own > score) {
      place = at
      score = own
    }
  }
  return { place, score }
}
