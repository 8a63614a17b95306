/**
 * What a label says as a row to learn from: with a few rows a label, its name tells as much as two of them
 * (docs/experiments.md#label-head).
 */
import type { TextRows } from './text-rows.ts'

/** So many rows count as much as a label's name. */
const NAME_WEIGHT = 2

/** `card_arrival`, `CardArrival` and `card-arrival` are "card arrival"; a label without words stays as it is. */
export const nameText = (label: string): string => {
  const words = label
    .replace(/(?<=[\p{Ll}\p{Nd}])(?=\p{Lu})/gu, ' ')
    .replace(/[\p{P}\p{S}\s]+/gu, ' ')
    .trim()
    .toLowerCase()
  return words === '' ? label : words
}

const joined = (first: Float32Array, second: Float32Array): Float32Array => {
  const all = new Float32Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}

/**
 * The rows with those of the labels' names behind them.
 * @param vectors of the names, `[classes, dims]`; null without an encoder
 */
export const withLabelNames = (
  rows: TextRows,
  labels: readonly string[],
  vectors: Float32Array | null
): TextRows => {
  const count = rows.labels.length
  const weights = new Float32Array(count + labels.length).fill(NAME_WEIGHT)
  weights.set(rows.weights ?? new Float32Array(count).fill(1))
  return {
    texts: [...rows.texts, ...labels.map(nameText)],
    vectors: rows.vectors && vectors && joined(rows.vectors, vectors),
    labels: Int32Array.from([...rows.labels, ...labels.keys()]),
    classes: rows.classes,
    weights,
  }
}
