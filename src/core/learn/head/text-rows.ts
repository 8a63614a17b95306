/** Labelled texts, which a head learns. */
import { itemAt } from '../../lists.ts'

export interface TextRows {
  texts: readonly string[]
  /** `[texts, dims]` by a sentence encoder; null without one */
  vectors: Float32Array | null
  /** the right class of each text, 0 to `classes` − 1 */
  labels: Int32Array
  classes: number
  /** multiplies a row's loss; 1 where absent */
  weights?: Float32Array
}

/** The vectors `[dims]` at `places`, in that order. */
export const selectVectors = (
  vectors: Float32Array,
  dims: number,
  places: readonly number[]
): Float32Array => {
  const selected = new Float32Array(places.length * dims)
  for (const [at, place] of places.entries())
    selected.set(vectors.subarray(place * dims, (place + 1) * dims), at * dims)
  return selected
}

/** Labels and weights of the rows at `places`, in that order. */
export const selectLabels = (
  { labels, weights }: Pick<TextRows, 'labels' | 'weights'>,
  places: readonly number[]
): Pick<TextRows, 'labels' | 'weights'> => ({
  labels: Int32Array.from(places, (place) => itemAt(labels, place)),
  ...(weights && { weights: Float32Array.from(places, (place) => itemAt(weights, place)) }),
})

/** The rows at `places`, in that order. */
export const selectTexts = (rows: TextRows, places: readonly number[]): TextRows => {
  const { texts, vectors } = rows
  return {
    ...rows,
    texts: places.map((place) => itemAt(texts, place)),
    vectors: vectors && selectVectors(vectors, vectors.length / texts.length, places),
    ...selectLabels(rows, places),
  }
}
