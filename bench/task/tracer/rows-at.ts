import type { HeadRows } from '../../../src/core/learn/softmax-head.ts'

/** The rows at some places, in the order of the places. */
export const rowsAt = (
  { features, dims, labels, classes }: HeadRows,
  places: readonly number[]
): HeadRows => {
  const chosen = new Float32Array(places.length * dims)
  for (const [at, place] of places.entries())
    chosen.set(features.subarray(place * dims, (place + 1) * dims), at * dims)
  return {
    features: chosen,
    dims,
    labels: Int32Array.from(places, (place) => labels[place]!),
    classes,
  }
}
