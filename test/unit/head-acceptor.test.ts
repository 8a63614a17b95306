import { describe, expect, it } from 'vitest'
import { acceptance, mostLikely, trainAcceptor } from '../../src/core/learn/acceptor.ts'
import { neighbourhoodOf } from '../../src/core/learn/head/neighbourhood.ts'
import { crossValidated, probabilities, trainHead } from '../../src/core/learn/softmax-head.ts'
import { seededRandom } from '../../src/random.ts'

const unit = (values: number[]): number[] => {
  const length = Math.hypot(...values)
  return values.map((value) => value / length)
}

const DIMS = 8

/** Cosine of a query and the row at a place, both of length 1. */
const cosineTo =
  (query: ArrayLike<number>, features: Float32Array, from = 0, dims = query.length) =>
  (place: number): number =>
    Array.from({ length: dims }, (_, k) => query[from + k]! * features[place * dims + k]!).reduce(
      (sum, product) => sum + product,
      0
    )

describe('the neighbourhood of a query', () => {
  const rows = {
    features: Float32Array.from(
      [
        [1, 0],
        [0.8, 0.6],
        [0, 1],
        [-1, 0],
      ].flat()
    ),
    dims: 2,
    labels: Int32Array.from([0, 1, 1, 0]),
  }

  const around = (query: number[], answer: number, isLeftOut?: (place: number) => boolean) =>
    neighbourhoodOf(rows.labels, cosineTo(query, rows.features), answer, isLeftOut)

  it('has the cosines of the nearest rows, with the answer and with others', () => {
    const near = around([0.6, 0.8], 1)
    expect(near.nearest).toBeCloseTo(0.96, 6)
    expect(near.same).toBeCloseTo(0.96, 6)
    expect(near.other).toBeCloseTo(0.6, 6)
    expect(near.agreeing).toBe(2 / 4)
  })

  it('has neither rows that are left out nor more than five', () => {
    expect(around([1, 0], 0, (place) => place === 0).nearest).toBeCloseTo(0.8, 6)
    expect(around([1, 0], 2).same).toBe(-1)
    const many = Int32Array.from([0, 0, 0, 1, 1, 1, 1, 1, 1])
    expect(neighbourhoodOf(many, () => 1, 0).agreeing).toBe(3 / 5)
    expect(around([1, 0], 0, () => true)).toEqual({
      nearest: -1,
      same: -1,
      other: -1,
      agreeing: 0,
    })
  })
})

describe('an acceptor', () => {
  const CLASSES = 3
  const random = seededRandom(5)
  const noise = () => random() + random() + random() - 1.5

  /** Three directions with noise; a stranger has none of them. */
  const point = (label: number | null): number[] =>
    unit(
      Array.from({ length: DIMS }, (_, k) => {
        if (label === null) return k >= CLASSES ? 2 * noise() : 0.3 * noise()
        return Number(k === label) + 0.5 * noise()
      })
    )

  const labels = Int32Array.from({ length: 240 }, (_, place) => place % CLASSES)
  const rows = {
    features: Float32Array.from([...labels].flatMap(point)),
    dims: DIMS,
    labels,
    classes: CLASSES,
  }
  const groups = [...labels.keys()].map(String)
  const folded = crossValidated({ ...rows, groups })
  const similarity = (place: number, other: number) =>
    cosineTo(rows.features, rows.features, place * DIMS, DIMS)(other)
  const judged = { ...rows, ...folded, similarity }
  const acceptor = trainAcceptor(judged)
  const head = { ...trainHead({ ...rows, l2: folded.l2 }), temperature: folded.temperature }

  const asked = (label: number | null) => {
    const query = Float32Array.from(point(label))
    const row = probabilities(head, query)
    const answer = mostLikely(row, 0, CLASSES)
    const near = neighbourhoodOf(labels, cosineTo(query, rows.features), answer)
    return { right: answer === label, accepted: acceptance(acceptor, row, answer, near), answer }
  }

  it('is as sure as it is right on new queries', () => {
    const seen = Array.from({ length: 900 }, (_, place) => asked(place % CLASSES))
    const right = seen.filter(({ right: isRight }) => isRight).length / seen.length
    const accepted = seen.reduce((sum, { accepted: share }) => sum + share, 0) / seen.length
    expect(Math.abs(accepted - right)).toBeLessThan(0.04)
    // surer where it is right
    const mean = (isRight: boolean) => {
      const of = seen.filter((one) => one.right === isRight)
      return of.reduce((sum, one) => sum + one.accepted, 0) / of.length
    }
    expect(mean(true) - mean(false)).toBeGreaterThan(0.1)
  })

  it('is less sure of queries that are unlike all that was trained', () => {
    const mean = [null, 0].map((label) =>
      Array.from({ length: 300 }, () => asked(label).accepted / 300).reduce((a, b) => a + b, 0)
    )
    expect(mean[0]).toBeLessThan(mean[1]! - 0.1)
  })

  it('rises with each signal, whatever few rows say', () => {
    // wrong where it is sure, right where it is not
    const inverted = new Float32Array(labels.length * CLASSES)
    labels.forEach((label, place) => {
      const isSure = place % 2 === 0
      const answer = isSure ? (label + 1) % CLASSES : label
      const share = isSure ? 0.9 + 0.05 * random() : 0.4 + 0.05 * random()
      for (let c = 0; c < CLASSES; c++)
        inverted[place * CLASSES + c] = c === answer ? share : (1 - share) / (CLASSES - 1)
    })
    const { head: odds } = trainAcceptor({ ...judged, probabilities: inverted })
    const { weights, dims } = odds
    const slopes = Array.from({ length: dims }, (_, i) => weights[dims + i]! - weights[i]!)
    expect(slopes.every((slope) => slope >= 0)).toBe(true)
    expect(slopes.some((slope) => slope > 0)).toBe(true)
  })

  it('is less sure of a label whose answers were often wrong, at the same probability', () => {
    // every second row of label 0 gets the answer 1
    const confused = new Float32Array(labels.length * CLASSES).fill(0.1)
    labels.forEach((label, place) => {
      const answer = label === 0 && place % 2 === 0 ? 1 : label
      confused[place * CLASSES + answer] = 0.8
    })
    const wary = trainAcceptor({ ...judged, probabilities: confused, similarity: () => 0.5 })
    const near = { nearest: 0.5, same: 0.5, other: 0.5, agreeing: 1 }
    const sureOf = (answer: number) =>
      acceptance(
        wary,
        new Float32Array(CLASSES).fill(0.1).fill(0.8, answer, answer + 1),
        answer,
        near
      )
    expect(wary.precisions[1]).toBeCloseTo(80 / 120, 1)
    expect(sureOf(2) - sureOf(1)).toBeGreaterThan(0.15)
  })

  it('is trained where every answer was right', () => {
    const certain = new Float32Array(labels.length * CLASSES).fill(0.001)
    labels.forEach((label, place) => (certain[place * CLASSES + label] = 0.998))
    const sure = trainAcceptor({ ...judged, probabilities: certain })
    const near = { nearest: 0.9, same: 0.9, other: 0.1, agreeing: 1 }
    expect(acceptance(sure, certain.subarray(0, CLASSES), 0, near)).toBeGreaterThan(0.9)
  })
})
