import { describe, expect, it } from 'vitest'
import {
  acceptance,
  mostLikely,
  neighbourhoodOf,
  trainAcceptor,
} from '../../src/core/learn/head/acceptor.ts'
import { crossValidated, probabilities, trainHead } from '../../src/core/learn/softmax-head.ts'
import { seededRandom } from '../../src/random.ts'

const unit = (values: number[]): number[] => {
  const length = Math.hypot(...values)
  return values.map((value) => value / length)
}

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

  it('has the cosines of the nearest rows, with the answer and with others', () => {
    const near = neighbourhoodOf(Float32Array.from([0.6, 0.8]), rows, 1)
    expect(near.nearest).toBeCloseTo(0.96, 6)
    expect(near.same).toBeCloseTo(0.96, 6)
    expect(near.other).toBeCloseTo(0.6, 6)
    expect(near.agreeing).toBe(2 / 4)
  })

  it('has neither rows that are left out nor more than five', () => {
    const query = Float32Array.from([1, 0])
    expect(neighbourhoodOf(query, rows, 0, (place) => place === 0).nearest).toBeCloseTo(0.8, 6)
    expect(neighbourhoodOf(query, rows, 2).same).toBe(-1)
    const many = {
      features: Float32Array.from(Array.from({ length: 9 }, () => [1, 0]).flat()),
      dims: 2,
      labels: Int32Array.from([0, 0, 0, 1, 1, 1, 1, 1, 1]),
    }
    expect(neighbourhoodOf(query, many, 0).agreeing).toBe(3 / 5)
    expect(neighbourhoodOf(query, rows, 0, () => true)).toEqual({
      nearest: -1,
      same: -1,
      other: -1,
      agreeing: 0,
    })
  })
})

describe('an acceptor', () => {
  const CLASSES = 3
  const DIMS = 8
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
  const acceptor = trainAcceptor(rows, folded)
  const head = { ...trainHead({ ...rows, l2: folded.l2 }), temperature: folded.temperature }

  const asked = (label: number | null) => {
    const query = Float32Array.from(point(label))
    const row = probabilities(head, query)
    const answer = mostLikely(row, 0, CLASSES)
    const near = neighbourhoodOf(query, rows, answer)
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
    const mean = (label: number | null) =>
      Array.from({ length: 300 }, () => asked(label).accepted).reduce((a, b) => a + b, 0) / 300
    expect(mean(null)).toBeLessThan(mean(0) - 0.1)
  })

  it('is trained where every answer was right', () => {
    const certain = new Float32Array(labels.length * CLASSES).fill(0.001)
    labels.forEach((label, place) => (certain[place * CLASSES + label] = 0.998))
    const sure = trainAcceptor(rows, { probabilities: certain, fold: folded.fold })
    const near = { nearest: 0.9, same: 0.9, other: 0.1, agreeing: 1 }
    expect(acceptance(sure, certain.subarray(0, CLASSES), 0, near)).toBeGreaterThan(0.9)
  })
})
