/**
 * How likely a head's answer is right: from its probabilities, and from the training rows that are nearest to
 * the query. A softmax is as sure of a query that is unlike all it has seen as of others; its neighbours tell
 * them apart. A logistic regression, trained on rows that the probabilities are out-of-fold for
 * (docs/experiments/label-head.md).
 */
import { probabilities, trainHead, type Head } from '../softmax-head.ts'
import type { HeadRows } from './softmax-loss.ts'

/** The training rows around a query, by cosine similarity, −1 to 1. */
export interface Neighbourhood {
  /** of the nearest row */
  nearest: number
  /** of the nearest row with the answer, and of the nearest with another label; −1 without one */
  same: number
  other: number
  /** share of the nearest rows that have the answer, 0 to 1 */
  agreeing: number
}

/** Rows that vote. */
const NEAREST = 5

/**
 * @param query `[dims]`; of length 1, like the rows
 * @param answer class of the head's answer
 * @param isLeftOut rows that do not count, by place
 */
export const neighbourhoodOf = (
  query: Float32Array,
  { features, dims, labels }: Pick<HeadRows, 'features' | 'dims' | 'labels'>,
  answer: number,
  isLeftOut: (place: number) => boolean = () => false
): Neighbourhood => {
  let [same, other] = [-1, -1]
  // nearest first
  const nearest: { similarity: number; label: number }[] = []
  for (let place = 0; place < labels.length; place++) {
    if (isLeftOut(place)) continue
    let similarity = 0
    for (let k = 0, at = place * dims; k < dims; k++) similarity += query[k]! * features[at + k]!
    const label = labels[place]!
    if (label === answer) same = Math.max(same, similarity)
    else other = Math.max(other, similarity)
    if (nearest.length === NEAREST && similarity <= nearest.at(-1)!.similarity) continue
    const before = nearest.findIndex((row) => similarity > row.similarity)
    nearest.splice(before < 0 ? nearest.length : before, 0, { similarity, label })
    nearest.length = Math.min(nearest.length, NEAREST)
  }
  const agreeing = nearest.filter(({ label }) => label === answer).length
  return {
    nearest: nearest[0]?.similarity ?? -1,
    same,
    other,
    agreeing: nearest.length === 0 ? 0 : agreeing / nearest.length,
  }
}

/** Place of the largest of `classes` numbers from `from` on; the first one at a tie. */
export const mostLikely = (values: Float32Array, from: number, classes: number): number => {
  let best = 0
  for (let c = 1; c < classes; c++) if (values[from + c]! > values[from + best]!) best = c
  return best
}

/** Keeps logarithms finite. */
const LEAST = 1e-9

const logOdds = (probability: number): number => {
  const inside = Math.min(1 - LEAST, Math.max(LEAST, probability))
  return Math.log(inside / (1 - inside))
}

const SIGNALS = 5

/** @param row `[classes]` */
const signalsOf = (row: Float32Array, answer: number, near: Neighbourhood): number[] => {
  const best = row[answer]!
  const second = row.reduce((most, value, c) => (c === answer ? most : Math.max(most, value)), 0)
  const lead = Math.log(Math.max(LEAST, best) / Math.max(LEAST, second))
  return [logOdds(best), lead, near.nearest, near.agreeing, near.same - near.other]
}

export interface Acceptor {
  /** of the signals, `[5]` */
  means: Float32Array
  deviations: Float32Array
  /** two classes: wrong and right */
  head: Head
}

const standardized = (
  signals: number[],
  { means, deviations }: Pick<Acceptor, 'means' | 'deviations'>
): Float32Array => Float32Array.from(signals, (value, i) => (value - means[i]!) / deviations[i]!)

const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Of the logistic regression on standardized signals: weak, since there are five weights for all rows. */
const L2 = 1

/**
 * @param rows that the head is trained on, with features of length 1
 * @param outOfFold `[rows, classes]`, and the fold of each row: rows of one fold are no neighbours
 */
export const trainAcceptor = (
  rows: HeadRows,
  outOfFold: { probabilities: Float32Array; fold: Int32Array }
): Acceptor => {
  const { features, dims, classes, labels } = rows
  const { fold } = outOfFold
  const seen = Array.from(labels, (label, place) => {
    const row = outOfFold.probabilities.subarray(place * classes, (place + 1) * classes)
    const answer = mostLikely(row, 0, classes)
    const query = features.subarray(place * dims, (place + 1) * dims)
    const near = neighbourhoodOf(query, rows, answer, (other) => fold[other] === fold[place])
    return { signals: signalsOf(row, answer, near), isRight: answer === label }
  })
  const column = (i: number) => seen.map(({ signals }) => signals[i]!)
  const places = [...Array(SIGNALS).keys()]
  const means = Float32Array.from(places, (i) => mean(column(i)))
  const deviations = Float32Array.from(
    places,
    (i) => Math.sqrt(mean(column(i).map((value) => (value - means[i]!) ** 2))) || 1
  )
  const scaled = new Float32Array(seen.length * SIGNALS)
  for (const [place, { signals }] of seen.entries())
    scaled.set(standardized(signals, { means, deviations }), place * SIGNALS)
  const head = trainHead({
    features: scaled,
    dims: SIGNALS,
    labels: Int32Array.from(seen, ({ isRight }) => Number(isRight)),
    classes: 2,
    l2: L2,
  })
  return { means, deviations, head }
}

/**
 * Probability that an answer is right, 0 to 1.
 * @param row the head's probabilities, `[classes]`
 */
export const acceptance = (
  acceptor: Acceptor,
  row: Float32Array,
  answer: number,
  near: Neighbourhood
): number => probabilities(acceptor.head, standardized(signalsOf(row, answer, near), acceptor))[1]!
