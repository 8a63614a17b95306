import { describe, expect, it } from 'vitest'
import {
  assignFolds,
  crossValidated,
  probabilities,
  trainHead,
  type Head,
  type HeadRows,
} from '../../src/core/learn/softmax-head.ts'
import { seededRandom } from '../../src/random.ts'

/** Two independent normals with mean 0 and variance 1 (Box and Muller 1958), the first one. */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

interface Draw {
  rows: number
  dims: number
  classes: number
  /** distance between the classes' centres, in standard deviations of a feature */
  distance: number
  seed: number
}

/** Rows around one centre for each class; the centres are the same for every seed. */
const gaussianRows = ({ rows, dims, classes, distance, seed }: Draw): HeadRows => {
  const forCentres = seededRandom(99)
  const centres = Array.from({ length: classes * dims }, () => normal(forCentres) * distance)
  const random = seededRandom(seed)
  const labels = Int32Array.from({ length: rows }, () => Math.floor(random() * classes))
  const features = Float32Array.from(
    { length: rows * dims },
    (_, at) => centres[labels[Math.floor(at / dims)]! * dims + (at % dims)]! + normal(random)
  )
  return { features, dims, labels, classes }
}

const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length

const eachItsOwn = ({ labels }: HeadRows) => Array.from(labels, (_, at) => `g${at}`)

/** −ln p(label) of each row, written plainly; independent of the code under test. */
const lossesOf = (weights: number[], bias: number[], { features, dims, labels }: HeadRows) =>
  Array.from(labels, (label, row) => {
    const logits = bias.map((b, c) => {
      let sum = b
      for (let k = 0; k < dims; k++) sum += weights[c * dims + k]! * features[row * dims + k]!
      return sum
    })
    const highest = Math.max(...logits)
    return (
      highest +
      Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0)) -
      logits[label]!
    )
  })

const objective = (weights: number[], bias: number[], rows: HeadRows, l2: number) =>
  lossesOf(weights, bias, rows).reduce(
    (sum, loss, at) => sum + loss * (rows.weights?.[at] ?? 1),
    0
  ) +
  (l2 / 2) * weights.reduce((sum, w) => sum + w * w, 0) +
  0.005 * bias.reduce((sum, b) => sum + b * b, 0)

const bestOf = (all: Float32Array, row: number, classes: number) => {
  const own = all.subarray(row * classes, (row + 1) * classes)
  const probability = Math.max(...own)
  return { label: own.indexOf(probability), probability }
}

const shareRight = (head: Head, rows: HeadRows) => {
  const all = probabilities(head, rows.features)
  const right = rows.labels.filter((label, row) => bestOf(all, row, rows.classes).label === label)
  return right.length / rows.labels.length
}

describe('trainHead', () => {
  it('ends where finite differences of the objective are zero', () => {
    const rows = {
      ...gaussianRows({ rows: 90, dims: 5, classes: 4, distance: 0.7, seed: 1 }),
      weights: Float32Array.from({ length: 90 }, (_, at) => 0.5 + (at % 3)),
    }
    const l2 = 0.2
    const head = trainHead({ ...rows, l2 })
    const [weights, bias] = [Array.from(head.weights), Array.from(head.bias)]
    const h = 1e-3
    const slopes = (list: number[]) =>
      list.map((value, at) => {
        list[at] = value + h
        const above = objective(weights, bias, rows, l2)
        list[at] = value - h
        const below = objective(weights, bias, rows, l2)
        list[at] = value
        return (above - below) / (2 * h)
      })
    const start = objective(
      weights.map(() => 0),
      bias.map(() => 0),
      rows,
      l2
    )
    expect(objective(weights, bias, rows, l2)).toBeLessThan(0.8 * start)
    for (const slope of [...slopes(weights), ...slopes(bias)]) {
      // at zero weights they are up to 30
      expect(Math.abs(slope)).toBeLessThan(0.05)
    }
  })

  it('reaches the minimum of a problem with one weight that a grid finds, too', () => {
    const rows: HeadRows = {
      features: new Float32Array([-2, -1, -0.5, 0.5, 1, 2]),
      dims: 1,
      labels: new Int32Array([0, 0, 1, 0, 1, 1]),
      classes: 2,
    }
    const head = trainHead({ ...rows, l2: 0.5 })
    let best = { w: 0, value: Infinity }
    // by symmetry the two classes have opposite weights and no bias
    for (let w = 0; w < 3; w += 1e-4) {
      const value = objective([-w, w], [0, 0], rows, 0.5)
      if (value < best.value) best = { w, value }
    }
    expect(head.weights[1]).toBeCloseTo(best.w, 3)
    expect(head.weights[0]).toBeCloseTo(-best.w, 3)
    expect(head.bias[0]).toBeCloseTo(0, 3)
  })

  it('gives the shares of the labels where features say nothing', () => {
    const labels = new Int32Array(100).map((_, at) => (at < 70 ? 0 : at < 90 ? 1 : 2))
    const head = trainHead({ features: new Float32Array(200), dims: 2, labels, classes: 3, l2: 1 })
    const [a, b, c] = probabilities(head, new Float32Array(2))
    expect(a).toBeCloseTo(0.7, 2)
    expect(b).toBeCloseTo(0.2, 2)
    expect(c).toBeCloseTo(0.1, 2)
  })

  it('counts a row of weight 2 as two rows, and one of weight 0 not at all', () => {
    const rows = gaussianRows({ rows: 40, dims: 3, classes: 3, distance: 1, seed: 2 })
    const weighted = trainHead({
      ...rows,
      weights: new Float32Array(40).fill(1).fill(2, 0, 1).fill(0, 39),
      l2: 0.3,
    })
    const repeated = trainHead({
      ...rows,
      features: Float32Array.of(
        ...rows.features.subarray(0, 3),
        ...rows.features.subarray(0, 39 * 3)
      ),
      labels: Int32Array.of(rows.labels[0]!, ...rows.labels.subarray(0, 39)),
      l2: 0.3,
    })
    for (const [at, weight] of repeated.weights.entries()) {
      expect(weighted.weights[at]).toBeCloseTo(weight, 3)
    }
  })

  it('separates separable classes with finite weights', () => {
    const draw = { dims: 8, classes: 5, distance: 6 }
    const head = trainHead({ ...gaussianRows({ ...draw, rows: 200, seed: 3 }), l2: 0.01 })
    expect(head.weights.every(Number.isFinite)).toBe(true)
    expect(shareRight(head, gaussianRows({ ...draw, rows: 200, seed: 4 }))).toBeGreaterThan(0.99)
  })

  it('comes near the best possible rule on overlapping classes', () => {
    const draw = { dims: 6, classes: 3, distance: 0.8 }
    const test = gaussianRows({ ...draw, rows: 4000, seed: 6 })
    const head = trainHead({ ...gaussianRows({ ...draw, rows: 2000, seed: 5 }), l2: 1 })
    // equal spheres: the nearest centre is the best rule (Fisher 1936)
    const forCentres = seededRandom(99)
    const centres = Array.from({ length: 18 }, () => normal(forCentres) * 0.8)
    const nearest = (row: number) => {
      const distances = [0, 1, 2].map((c) =>
        Array.from({ length: 6 }, (_, k) => test.features[row * 6 + k]! - centres[c * 6 + k]!)
          .map((difference) => difference ** 2)
          .reduce((sum, square) => sum + square, 0)
      )
      return distances.indexOf(Math.min(...distances))
    }
    const bestPossible = test.labels.filter((label, row) => nearest(row) === label).length / 4000
    expect(bestPossible).toBeLessThan(0.95)
    expect(shareRight(head, test)).toBeGreaterThan(bestPossible - 0.015)
  })

  it('is the same for the same rows', () => {
    const rows = gaussianRows({ rows: 60, dims: 4, classes: 3, distance: 1, seed: 7 })
    expect(trainHead({ ...rows, l2: 0.1 })).toEqual(trainHead({ ...rows, l2: 0.1 }))
  })

  it('trains 500 labels with three rows each', () => {
    const random = seededRandom(8)
    const labels = Int32Array.from({ length: 1500 }, (_, at) => at % 500)
    const centres = Float32Array.from({ length: 500 * 16 }, () => normal(random))
    const features = Float32Array.from(
      { length: 1500 * 16 },
      (_, at) => centres[(at % (500 * 16)) as number]! + 0.1 * normal(random)
    )
    const rows = { features, dims: 16, labels, classes: 500 }
    expect(shareRight(trainHead({ ...rows, l2: 0.01 }), rows)).toBeGreaterThan(0.99)
  })

  it.each([
    ['one label', { labels: new Int32Array(2), classes: 1 }, /at least two labels/],
    ['sizes that do not fit', { labels: new Int32Array(3), classes: 2 }, /4 features are not 3/],
    ['a label out of range', { labels: new Int32Array([0, 2]), classes: 2 }, /out of range/],
    [
      'a feature that is not finite',
      { labels: new Int32Array([0, 1]), classes: 2, features: new Float32Array([0, NaN, 1, 1]) },
      /not a number/,
    ],
    [
      'no rows',
      { labels: new Int32Array(0), classes: 2, features: new Float32Array(0) },
      /no rows/,
    ],
  ])('refuses %s', (_, rows, message) => {
    expect(() => trainHead({ features: new Float32Array(4), dims: 2, l2: 1, ...rows })).toThrow(
      expect.objectContaining({
        code: 'invalid-request',
        message: expect.stringMatching(message) as string,
      })
    )
  })
})

describe('crossValidated', () => {
  it('calibrates: the mean probability of the best label is the share that is right', () => {
    const rows = gaussianRows({ rows: 1500, dims: 30, classes: 4, distance: 0.35, seed: 10 })
    const result = crossValidated({ ...rows, groups: eachItsOwn(rows) })
    const best = Array.from(rows.labels, (_, row) => bestOf(result.probabilities, row, 4))
    const right = best.map(({ label }, row) => (label === rows.labels[row] ? 1 : 0))
    const share = mean(right)
    expect(share).toBeGreaterThan(0.5)
    expect(share).toBeLessThan(0.95)
    const error = Math.sqrt((share * (1 - share)) / right.length)
    expect(Math.abs(mean(best.map(({ probability }) => probability)) - share)).toBeLessThan(
      3 * error
    )
    // and so it is for fresh rows, with a head that is trained on all
    const fresh = gaussianRows({ rows: 1500, dims: 30, classes: 4, distance: 0.35, seed: 11 })
    const head = { ...trainHead({ ...rows, l2: result.l2 }), temperature: result.temperature }
    const all = probabilities(head, fresh.features)
    const sure = mean(Array.from(fresh.labels, (_, row) => bestOf(all, row, 4).probability))
    expect(Math.abs(sure - shareRight(head, fresh))).toBeLessThan(4 * error)
  })

  it('reports the loss of its probabilities, lower than that of other strengths', () => {
    const rows = gaussianRows({ rows: 120, dims: 40, classes: 3, distance: 0.4, seed: 12 })
    const result = crossValidated({ ...rows, groups: eachItsOwn(rows) })
    const losses = Array.from(
      rows.labels,
      (label, row) => -Math.log(result.probabilities[row * 3 + label]!)
    )
    expect(result.loss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / 120, 4)
    // few rows, many features: the strongest penalties are best, and noise is no better than chance
    expect(result.loss).toBeLessThan(Math.log(3))
    const noise = { ...rows, labels: rows.labels.map((_, at) => (at * 7) % 3) }
    expect(crossValidated({ ...noise, groups: eachItsOwn(noise) }).loss).toBeGreaterThan(
      Math.log(3) - 0.05
    )
  })

  it('keeps a doubt where it gets all rows right', () => {
    const rows = gaussianRows({ rows: 98, dims: 8, classes: 3, distance: 8, seed: 17 })
    const { probabilities: all, loss } = crossValidated({ ...rows, groups: eachItsOwn(rows) })
    const best = Array.from(rows.labels, (_, row) => bestOf(all, row, 3))
    expect(best.map(({ label }) => label)).toEqual([...rows.labels])
    // a hundredth, as by Laplace's rule; the farthest rows are surer
    expect(mean(best.map(({ probability }) => probability))).toBeGreaterThan(0.97)
    expect(mean(best.map(({ probability }) => probability))).toBeLessThan(0.998)
    expect(loss).toBeGreaterThan(0.002)
  })

  it('never learns from the group that it predicts', () => {
    // each conversation has features of its own, and its label is drawn by chance
    const random = seededRandom(13)
    const labels: number[] = []
    const groups: string[] = []
    const features: number[] = []
    for (let group = 0; group < 60; group++) {
      const label = Math.floor(random() * 2)
      const own = Array.from({ length: 80 }, () => normal(random) * 3)
      for (let turn = 0; turn < 5; turn++) {
        labels.push(label)
        groups.push(`conversation ${group}`)
        features.push(...own)
      }
    }
    const rows = {
      features: Float32Array.from(features),
      dims: 80,
      labels: Int32Array.from(labels),
      classes: 2,
    }
    const grouped = crossValidated({ ...rows, groups })
    const split = crossValidated({ ...rows, groups: eachItsOwn(rows) })
    expect(grouped.loss).toBeGreaterThan(Math.log(2) - 0.05)
    expect(split.loss).toBeLessThan(0.3)
  })

  it('works when the training part of a fold lacks a label', () => {
    const rows = gaussianRows({ rows: 60, dims: 4, classes: 3, distance: 3, seed: 14 })
    const labels = rows.labels.map((label) => (label === 2 ? 0 : label))
    labels[7] = 2
    const result = crossValidated({ ...rows, labels, groups: eachItsOwn(rows) })
    expect(result.probabilities.every(Number.isFinite)).toBe(true)
    expect(Number.isFinite(result.loss)).toBe(true)
    expect(result.probabilities[7 * 3 + 2]).toBeLessThan(0.1)
  })

  it('does not depend on the scale of the features', () => {
    const rows = gaussianRows({ rows: 150, dims: 10, classes: 3, distance: 0.7, seed: 15 })
    const scaled = { ...rows, features: rows.features.map((value) => value * 1000) }
    const groups = eachItsOwn(rows)
    expect(crossValidated({ ...scaled, groups }).loss).toBeCloseTo(
      crossValidated({ ...rows, groups }).loss,
      2
    )
  })

  it('refuses rows of a single group', () => {
    const rows = gaussianRows({ rows: 10, dims: 2, classes: 2, distance: 1, seed: 16 })
    expect(() =>
      crossValidated({
        ...rows,
        groups: Array.from({ length: 10 }, () => 'a'),
      })
    ).toThrow(expect.objectContaining({ code: 'invalid-request' }))
  })
})

describe('assignFolds', () => {
  it('keeps groups whole, spreads labels, and uses each fold', () => {
    const labels = Int32Array.from({ length: 200 }, (_, at) => (at % 10 === 0 ? 1 : 0))
    const groups = Array.from({ length: 200 }, (_, at) => `g${Math.floor(at / 2)}`)
    const { fold, folds } = assignFolds(groups, labels, 2, { folds: 5, seed: 1 })
    expect(folds).toBe(5)
    const rowsOf = [0, 0, 0, 0, 0]
    const rareOf = [0, 0, 0, 0, 0]
    for (const [at, number] of fold.entries()) {
      rowsOf[number]! += 1
      rareOf[number]! += labels[at]!
      expect(fold[at - (at % 2)]).toBe(number)
    }
    expect(rareOf).toEqual([4, 4, 4, 4, 4])
    for (const rows of rowsOf) expect(rows).toBeGreaterThanOrEqual(36)
  })

  it('has at most one fold for each group', () => {
    const { folds } = assignFolds(['a', 'b', 'a'], new Int32Array(3), 1, { folds: 5, seed: 0 })
    expect(folds).toBe(2)
  })
})
