/**
 * The recipe of TRACER (Rida 2026, arXiv 2604.14531; facts from the package `tracer-llm` 0.1.1 and 0.3.3 and its
 * repository adrida/tracer, no code of it), for a comparison beside our label head:
 *
 * - Rows are split label by label: 60 % train, 20 % validate, 20 % calibrate. Nothing is trained again on all.
 * - Surrogates on standardized embeddings: logistic regression with C = 1 and C = 10; perceptrons with 256 and
 *   with 256 and 96 hidden units, Adam, L2 1e-4, at most 140 epochs, stopped by a tenth of the training rows. The
 *   best macro-F1 on the validation rows wins.
 * - The acceptor is a logistic regression on the winner's probabilities of the validation rows: the highest, the
 *   second, their difference, the entropy.
 * - The threshold is chosen on the calibration rows (`thresholds.ts`).
 *
 * What is different here: the random numbers; `trainHead` has a weak penalty of the bias, where scikit-learn has
 * none, and stops nearer to the minimum; the bounded rule splits its rows without regard to labels, and has no
 * other form for fewer than 40 of them. Left out are the linear classifier by stochastic gradients, which the
 * package itself never chose on our tasks; trees, which it does not try by default since 0.2; the cascade of two
 * surrogates, which has no single score that a gate could judge; and the filter of distant queries, which only
 * takes answers away.
 */
import type { HeadRows } from '../../../src/core/learn/softmax-head.ts'
import { trainScores } from './acceptor.ts'
import { rowsAt } from './rows-at.ts'
import { splitRows } from './splits.ts'
import { answersOf, bestSurrogate } from './surrogates.ts'
import type { ScoredRow } from './thresholds.ts'

export interface TracerAnswer {
  /** class */
  label: number
  /** how likely it agrees, 0 to 1 */
  score: number
}

export interface Tracer {
  /** name of the surrogate that won */
  surrogate: string
  /** its answers to the calibration rows, which choose a threshold; of no use where these rows trained */
  calibration: ScoredRow[]
  /** @param features `[rows, dims]` */
  answer(features: Float32Array): TracerAnswer[]
}

export interface TracerOptions {
  /**
   * Whether the calibration rows train the surrogate as well: another gate, with rows of its own, needs no
   * calibration. TRACER's own rules do.
   */
  trainsOnCalibration: boolean
  seed: number
}

/** @param rows the training rows; nothing else is read */
export const trainTracer = (
  rows: HeadRows,
  { trainsOnCalibration, seed }: TracerOptions
): Tracer => {
  const splits = splitRows(rows.labels, seed)
  const trained = trainsOnCalibration ? [...splits.train, ...splits.calibration] : splits.train
  const valid = rowsAt(rows, splits.valid)
  const calibration = rowsAt(rows, splits.calibration)
  const surrogate = bestSurrogate(rowsAt(rows, trained), valid, seed)
  const { classes } = rows
  const validated = surrogate.probabilities(valid.features)
  const answered = answersOf(validated, classes)
  const scoresOf = trainScores(
    validated,
    classes,
    Array.from(answered, (label, row) => label === valid.labels[row])
  )
  const answer = (features: Float32Array): TracerAnswer[] => {
    const all = surrogate.probabilities(features)
    const scores = scoresOf(all)
    return Array.from(answersOf(all, classes), (label, row) => ({ label, score: scores[row]! }))
  }
  return {
    surrogate: surrogate.name,
    calibration: answer(calibration.features).map(({ label, score }, row) => ({
      score,
      agrees: label === calibration.labels[row],
    })),
    answer,
  }
}
