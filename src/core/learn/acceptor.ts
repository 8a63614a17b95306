/**
 * How likely a head's answer is right: from its probabilities, and from the training rows that are nearest to
 * the query. A softmax is as sure of a query that is unlike all it has seen as of others; its neighbours tell
 * them apart. A logistic regression, trained on rows that the probabilities are out-of-fold for
 * (docs/experiments.md#label-head).
 */
import { itemAt, largestOf, valueIn } from '../lists.ts'
import { addAt, divideEach } from './algebra/vectors.ts'
import { neighbourhoodOf, type Neighbourhood } from './head/neighbourhood.ts'
import {
  LEAST,
  logOdds,
  standardized,
  trainRegression,
  type RisingRegression,
} from './rising-regression.ts'
import { probabilities } from './softmax-head.ts'

/** Place of the largest of `classes` numbers from `from` on; the first one at a tie. */
export const mostLikely = (values: Float32Array, from: number, classes: number): number =>
  largestOf(values.subarray(from, from + classes)).place

/**
 * @param row `[classes]`
 * @param precision share of right answers among those with this label, 0 to 1
 */
const signalsOf = (
  row: Float32Array,
  answer: number,
  near: Neighbourhood,
  precision: number
): number[] => {
  const best = itemAt(row, answer)
  const second = row.reduce((most, value, c) => (c === answer ? most : Math.max(most, value)), 0)
  const lead = Math.log(Math.max(LEAST, best) / Math.max(LEAST, second))
  const { nearest, agreeing, same, other } = near
  return [logOdds(best), lead, nearest, agreeing, same - other, logOdds(precision)]
}

/** Over six signals. */
export interface Acceptor extends RisingRegression {
  /** of each label's answers */
  precisions: Float32Array
}

/** Rows that the head is trained on, each answered by a head that was trained without its fold. */
export interface JudgedRows {
  /** `[rows, classes]` */
  probabilities: Float32Array
  classes: number
  labels: Int32Array
  /** of each row: rows of one fold are no neighbours */
  fold: Int32Array
  /** cosine of two rows, by place */
  similarity: (place: number, other: number) => number
}

interface JudgedAnswer {
  answer: number
  isRight: boolean
  fold: number
}

/**
 * How often answers with each label are right, `[classes]`. One more answer than there are is counted for each
 * label, right as often as all answers are; so a label with few answers is taken for nearly as good as all.
 */
const precisionsOf = (answers: readonly JudgedAnswer[], classes: number): Float32Array => {
  // a right and a wrong answer more, so that none is certain
  const all = (answers.filter(({ isRight }) => isRight).length + 1) / (answers.length + 2)
  const right = new Float32Array(classes).fill(all)
  const counts = new Float32Array(classes).fill(1)
  for (const { answer, isRight } of answers) {
    addAt(counts, answer, 1)
    if (isRight) addAt(right, answer, 1)
  }
  return divideEach(right, counts)
}

/** The same for each fold from the answers of all other folds, so that no row tells of itself. */
const precisionsWithout = (
  answers: readonly JudgedAnswer[],
  classes: number
): Map<number, Float32Array> =>
  new Map(
    [...new Set(answers.map(({ fold }) => fold))].map((left) => [
      left,
      precisionsOf(
        answers.filter(({ fold }) => fold !== left),
        classes
      ),
    ])
  )

/** Signals of each row, `[rows, 6]`. */
const judgedSignals = (
  { probabilities: all, classes, labels, fold, similarity }: JudgedRows,
  answers: readonly JudgedAnswer[]
): number[][] => {
  const precisions = precisionsWithout(answers, classes)
  return answers.map(({ answer, fold: own }, place) => {
    const row = all.subarray(place * classes, (place + 1) * classes)
    const near = neighbourhoodOf(
      labels,
      (other) => similarity(place, other),
      answer,
      (other) => fold[other] === own
    )
    return signalsOf(row, answer, near, itemAt(valueIn(precisions, own), answer))
  })
}

export const trainAcceptor = (rows: JudgedRows): Acceptor => {
  const { probabilities: all, classes } = rows
  const answers = Array.from(rows.labels, (label, place) => {
    const answer = mostLikely(all, place * classes, classes)
    return { answer, isRight: answer === label, fold: itemAt(rows.fold, place) }
  })
  const isRight = Int32Array.from(answers, (answer) => Number(answer.isRight))
  const regression = trainRegression(judgedSignals(rows, answers), isRight)
  return { ...regression, precisions: precisionsOf(answers, classes) }
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
): number => {
  const signals = signalsOf(row, answer, near, itemAt(acceptor.precisions, answer))
  return itemAt(probabilities(acceptor.head, standardized(signals, acceptor)), 1)
}
