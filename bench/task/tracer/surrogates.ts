/**
 * The classifiers that TRACER tries, and how it chooses one: the best macro-averaged F1 on the validation
 * rows. All read standardized features. Pure.
 */
import { mostLikely } from '../../../src/core/learn/acceptor.ts'
import { probabilities, trainHead, type HeadRows } from '../../../src/core/learn/softmax-head.ts'
import { perceptronProbabilities, trainPerceptron } from './perceptron.ts'
import { scaled, standardScale } from './standard-scale.ts'

export interface Surrogate {
  name: string
  classes: number
  /** `[rows, classes]` @param features `[rows, dims]`, not standardized */
  probabilities(features: Float32Array): Float32Array
}

const MAX_EPOCHS = 140

type Trainer = (rows: HeadRows, seed: number) => (features: Float32Array) => Float32Array

/** @param c scikit-learn's strength: the inverse of the penalty */
const regression =
  (c: number): Trainer =>
  (rows) => {
    const head = trainHead({ ...rows, l2: 1 / c })
    return (features) => probabilities(head, features)
  }

const perceptron =
  (...hidden: number[]): Trainer =>
  (rows, seed) => {
    const trained = trainPerceptron(rows, { hidden, maxEpochs: MAX_EPOCHS, seed })
    return (features) => perceptronProbabilities(trained, features)
  }

const CANDIDATES: Record<string, Trainer> = {
  logreg_c1: regression(1),
  logreg_c10: regression(10),
  mlp_1h: perceptron(256),
  mlp_2h: perceptron(256, 96),
}

/** The likeliest class of each row. */
export const answersOf = (all: Float32Array, classes: number): Int32Array =>
  Int32Array.from({ length: all.length / classes }, (_, row) =>
    mostLikely(all.subarray(row * classes, (row + 1) * classes), 0, classes)
  )

/** Mean F1 of the labels that are among the right ones or the answers. */
export const macroF1 = (right: Int32Array, answers: Int32Array): number => {
  const classes = [...new Set([...right, ...answers])]
  const scores = classes.map((label) => {
    const both = right.filter((value, row) => value === label && answers[row] === label).length
    const either = [right, answers].map(
      (values) => values.filter((value) => value === label).length
    )
    return (2 * both) / (either[0]! + either[1]!)
  })
  return scores.reduce((sum, score) => sum + score, 0) / scores.length
}

/** Trains all of them on `train`; the first of equal ones is taken. */
export const bestSurrogate = (train: HeadRows, valid: HeadRows, seed: number): Surrogate => {
  const { dims, classes } = train
  const scale = standardScale(train.features, dims)
  const rows = { ...train, features: scaled(scale, train.features) }
  const surrogates = Object.entries(CANDIDATES).map(([name, trainer]): Surrogate => {
    const predict = trainer(rows, seed)
    return { name, classes, probabilities: (features) => predict(scaled(scale, features)) }
  })
  const scores = surrogates.map((surrogate) =>
    macroF1(valid.labels, answersOf(surrogate.probabilities(valid.features), classes))
  )
  return surrogates[scores.indexOf(Math.max(...scores))]!
}
