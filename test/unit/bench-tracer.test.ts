import { describe, expect, it } from 'vitest'
import { trainScores } from '../../bench/task/tracer/acceptor.ts'
import { tracerFigures } from '../../bench/task/tracer/compare.ts'
import { perceptronProbabilities, trainPerceptron } from '../../bench/task/tracer/perceptron.ts'
import type { TracerRows } from '../../bench/task/tracer/read-rows.ts'
import { trainTracer } from '../../bench/task/tracer/recipe.ts'
import { rowsAt } from '../../bench/task/tracer/rows-at.ts'
import { splitRows } from '../../bench/task/tracer/splits.ts'
import { scaled, standardScale } from '../../bench/task/tracer/standard-scale.ts'
import { answersOf, bestSurrogate, macroF1 } from '../../bench/task/tracer/surrogates.ts'
import {
  boundedThreshold,
  uncorrectedThreshold,
  type ScoredRow,
} from '../../bench/task/tracer/thresholds.ts'
import { checkTracer } from '../../bench/task/tracer/tracer-arm.ts'
import { probabilities, trainHead, type HeadRows } from '../../src/core/learn/softmax-head.ts'
import type { InternalizationPlan } from '../../src/core/lifecycle/internalization.ts'
import type { Template } from '../../src/core/template/template.ts'
import { seededRandom } from '../../src/random.ts'
import type { MatchedExchange } from '../../src/worker/exchanges/exchanges.ts'

const rowsOf = (points: number[][], labels: number[]): HeadRows => ({
  features: Float32Array.from(points.flat()),
  dims: points[0]!.length,
  labels: Int32Array.from(labels),
  classes: Math.max(...labels) + 1,
})

/** Points of a square; the class says whether their signs are equal. */
const checkerboard = (count: number, seed: number): HeadRows => {
  const random = seededRandom(seed)
  const points = Array.from({ length: count }, () => [2 * random() - 1, 2 * random() - 1])
  return rowsOf(
    points,
    points.map(([x, y]) => Number(x! * y! > 0))
  )
}

const accuracyOf = (all: Float32Array, { labels, classes }: HeadRows): number =>
  answersOf(all, classes).filter((answer, row) => answer === labels[row]).length / labels.length

describe("TRACER's splits", () => {
  const labels = Int32Array.from({ length: 500 }, (_, place) => place % 5)

  it('put each training row into one part, three fifths of each label to train on', () => {
    const { train, valid, calibration } = splitRows(labels, 1)
    const places = [...train, ...valid, ...calibration].toSorted((a, b) => a - b)
    expect(places).toEqual([...labels.keys()])
    const withLabel = (part: number[], label: number) =>
      part.filter((place) => labels[place] === label).length
    for (let label = 0; label < 5; label++)
      expect([train, valid, calibration].map((part) => withLabel(part, label))).toEqual([
        60, 20, 20,
      ])
  })

  it('train on a single row of a label, calibrate with the second, validate with the third', () => {
    const sizes = ([1, 2, 3] as const).map((count) => {
      const { train, valid, calibration } = splitRows(new Int32Array(count), 1)
      return [train.length, valid.length, calibration.length]
    })
    expect(sizes).toEqual([
      [1, 0, 0],
      [1, 0, 1],
      [1, 1, 1],
    ])
  })

  it('are others with another seed, and the same with the same one', () => {
    expect(splitRows(labels, 1)).toEqual(splitRows(labels, 1))
    expect(splitRows(labels, 1).train).not.toEqual(splitRows(labels, 2).train)
  })
})

describe("TRACER's surrogates", () => {
  const [train, fresh] = [checkerboard(800, 1), checkerboard(400, 2)]
  const options = { hidden: [32], maxEpochs: 140, seed: 1 }

  it('a perceptron learns classes that no line divides', () => {
    const line = probabilities(trainHead({ ...train, l2: 1 }), fresh.features)
    const perceptron = perceptronProbabilities(trainPerceptron(train, options), fresh.features)
    expect(accuracyOf(line, fresh)).toBeLessThan(0.65)
    expect(accuracyOf(perceptron, fresh)).toBeGreaterThan(0.85)
  })

  it('a perceptron with two hidden layers learns them too', () => {
    const trained = trainPerceptron(train, { ...options, hidden: [32, 16] })
    expect(accuracyOf(perceptronProbabilities(trained, fresh.features), fresh)).toBeGreaterThan(
      0.85
    )
  })

  it('the same rows and seed give the same perceptron', () => {
    const short = { ...options, maxEpochs: 3 }
    expect(trainPerceptron(train, short)).toEqual(trainPerceptron(train, short))
    expect(trainPerceptron(train, short)).not.toEqual(trainPerceptron(train, { ...short, seed: 2 }))
  })

  it('the best on the validation rows is chosen: no line here', () => {
    const few = rowsAt(train, [...Array(400).keys()])
    expect(bestSurrogate(few, fresh, 1).name).toMatch(/^mlp/)
  })

  it('macro F1 counts each label alike, also one that was never answered', () => {
    // label 0: 2·2/(3+2), label 1: 2·1/(1+2), label 2 without an answer: 0
    const right = Int32Array.from([0, 0, 0, 1, 2])
    const answers = Int32Array.from([0, 0, 1, 1, 3])
    expect(macroF1(right, answers)).toBeCloseTo((4 / 5 + 2 / 3 + 0 + 0) / 4, 12)
  })

  it('columns get mean 0 and deviation 1; a constant one becomes 0', () => {
    const features = Float32Array.from([1, 5, 3, 5])
    expect([...scaled(standardScale(features, 2), features)]).toEqual([-1, 0, 1, 0])
  })
})

describe("TRACER's acceptor", () => {
  const clear = [0.9, 0.05, 0.05]
  const close = [0.4, 0.35, 0.25]
  const all = Float32Array.from([clear, clear, clear, close, close, close].flat())

  it('scores clear answers higher where these agreed', () => {
    const scores = trainScores(all, 3, [true, true, true, false, false, true])
    const [high, low] = scores(Float32Array.from([...clear, ...close]))
    expect(high).toBeGreaterThan(low! + 0.1)
  })

  it('is the highest probability where there is nothing to learn from', () => {
    const scores = trainScores(all, 3, Array(6).fill(true))
    expect([...scores(Float32Array.from(close))]).toEqual([Math.fround(0.4)])
  })
})

/** The most certain first. */
const scoredRows = (agrees: boolean[]): ScoredRow[] =>
  agrees.map((value, place) => ({ score: 1 - place / agrees.length, agrees: value }))

describe("TRACER's thresholds", () => {
  it('without correction the widest is taken that reaches the target', () => {
    // agreement from the top: 1, 1, 2/3, 3/4, 3/5
    const rows = scoredRows([true, true, false, true, false])
    expect(uncorrectedThreshold(rows, 0.75)).toBeCloseTo(0.4, 12)
    expect(uncorrectedThreshold(rows, 0.9)).toBeCloseTo(0.8, 12)
  })

  it('rows of one score are answered together', () => {
    const rows = [true, false, true].map((agrees) => ({ score: 0.5, agrees }))
    expect(uncorrectedThreshold(rows, 0.75)).toBeNull()
    expect(uncorrectedThreshold(rows, 0.6)).toBe(0.5)
  })

  it('the bounded rule refuses what few rows cannot show', () => {
    const rows = scoredRows(Array.from({ length: 40 }, (_, place) => place !== 39))
    expect(uncorrectedThreshold(rows, 0.95)).not.toBeNull()
    expect(boundedThreshold(rows, 0.95, 1)).toBeNull()
  })

  it('the bounded rule takes what many rows show, and less than without correction', () => {
    const rows = scoredRows(Array.from({ length: 400 }, (_, place) => place < 300))
    const bounded = boundedThreshold(rows, 0.9, 1)!
    expect(bounded).toBeGreaterThan(uncorrectedThreshold(rows, 0.9)!)
    expect(bounded).toBeLessThan(0.4)
  })
})

const DIMS = 6
const LABELS = 4

/** A cluster for each label. @param spread how far its points lie around it */
const clusters = (count: number, seed: number, spread: number): HeadRows => {
  const random = seededRandom(seed)
  const labels = Array.from({ length: count }, (_, place) => place % LABELS)
  const points = labels.map((label) =>
    Array.from({ length: DIMS }, (_, k) => Number(k === label) + spread * (random() - random()))
  )
  return rowsOf(points, labels)
}

describe('the recipe', () => {
  const rows = clusters(200, 1, 0.4)
  const fresh = clusters(100, 2, 0.4)

  it('reads the training rows alone, and calibrates on rows that trained nothing', () => {
    const tracer = trainTracer(rows, { trainsOnCalibration: false, seed: 1 })
    const { calibration } = splitRows(rows.labels, 1)
    const answers = tracer.answer(rowsAt(rows, calibration).features)
    expect(tracer.calibration).toEqual(
      answers.map(({ label, score }, at) => ({
        score,
        agrees: label === rows.labels[calibration[at]!],
      }))
    )
    // the same calibration rows with other answers: the surrogate does not notice
    const changed = {
      ...rows,
      features: rows.features.map((value, at) =>
        calibration.includes(Math.floor(at / DIMS)) ? -value : value
      ),
    }
    const other = trainTracer(changed, { trainsOnCalibration: false, seed: 1 })
    expect(other.answer(fresh.features)).toEqual(tracer.answer(fresh.features))
    const freed = trainTracer(changed, { trainsOnCalibration: true, seed: 1 })
    expect(freed.answer(fresh.features)).not.toEqual(tracer.answer(fresh.features))
  })
})

const template: Template = {
  tenant: 't',
  model: 'm',
  tools: '',
  responseFormat: '',
  version: 'v',
  messages: [{ role: 'user', segments: [{ kind: 'query' }] }],
  maxTurnsAfter: 0,
}

const names = Array.from({ length: LABELS }, (_, label) => `label-${label}`)

const exchange = (label: number, place: number): MatchedExchange => ({
  id: String(place),
  at: place,
  conversation: String(place),
  query: 'q',
  outcome: { kind: 'text', text: names[label]! },
  match: { template, slots: {}, examples: {}, query: 'q', turns: [] },
  request: { model: 'm', messages: [] },
  fingerprint: null,
  upstreamModel: null,
  isSample: true,
  caller: '',
})

/** @param isAnswerable of a held-out or fresh row */
const comparedRows = (
  spread: number,
  isAnswerable: (place: number) => boolean = () => true
): TracerRows => {
  const [heldOut, fresh] = [clusters(600, 2, spread), clusters(200, 3, spread)]
  const places = [...heldOut.labels.keys()]
  return {
    names,
    train: clusters(200, 1, spread),
    heldOut: {
      exchanges: places.map((place) => exchange(heldOut.labels[place]!, place)),
      features: heldOut.features,
      isAnswerable: places.map(isAnswerable),
    },
    fresh: {
      answers: Array.from(fresh.labels, (label) => names[label]!),
      features: fresh.features,
      isAnswerable: [...fresh.labels.keys()].map(isAnswerable),
    },
  }
}

const ids = Array.from({ length: 600 }, (_, place) => String(place))
const plan = { burstMinutes: 0, holdoutRecordIds: ids, unseenRecordIds: ids } as InternalizationPlan

const valuesOf = (rows: TracerRows): Record<string, number | string> =>
  Object.fromEntries(
    Object.entries(tracerFigures(rows, plan, { margin: 0.05, alpha: 0.05, minCoverage: 0.2 })).map(
      ([name, { value }]) => [name, value]
    )
  )

describe('TRACER under our gate', () => {
  it('answers what the gate takes, and its threshold is tried on fresh rows', () => {
    const figures = valuesOf(comparedRows(0.6))
    expect(figures['tracer_verdict']).toMatch(/^arm label-head answers/)
    expect(figures['tracer_holdout_coverage']).toBeGreaterThan(0.6)
    const apart = Number(figures['tracer_coverage']) - Number(figures['tracer_holdout_coverage'])
    expect(Math.abs(apart)).toBeLessThan(0.1)
    expect(figures['tracer_agreement_answered']).toBeGreaterThan(0.9)
  })

  it('rows that our arms are not asked for are not answered either, and count in the coverage', () => {
    const figures = valuesOf(comparedRows(0.1, (place) => place % 2 === 0))
    expect(figures['tracer_answerable_rows']).toBe(100)
    expect(figures['tracer_holdout_coverage']).toBeCloseTo(0.5, 2)
    for (const name of [
      'tracer_coverage',
      'tracer_freed_coverage',
      'tracer_uncorrected_coverage',
    ]) {
      expect(figures[name]).toBeGreaterThan(0.45)
      expect(figures[name]).toBeLessThanOrEqual(0.5)
    }
  })

  it('a rejection has no coverage and says why', () => {
    const figures = valuesOf(comparedRows(2))
    expect(figures['tracer_verdict']).toMatch(/^no threshold with a coverage/)
    expect([figures['tracer_coverage'], figures['tracer_holdout_coverage']]).toEqual([0, 0])
    expect(figures['tracer_agreement_answered']).toBe(0)
    expect(figures['tracer_holdout_agreement']).toBeGreaterThan(0.25)
  })
})

describe('the options of --arms tracer', () => {
  const labels = Array.from({ length: 80 }, (_, place) => `label-${place % 4}`)

  it('an encoder is needed, and the message names the option', () => {
    expect(() => checkTracer(undefined, labels)).toThrow('--arms tracer needs --encoder')
  })

  it('answers that are no closed set are refused', () => {
    const texts = labels.map((_, place) => `a sentence of its own, number ${place}`)
    expect(() => checkTracer('encoder', texts)).toThrow(
      '--arms tracer needs a task with labels: the 80 training answers are no closed set'
    )
  })

  it('labels with an encoder pass', () => {
    expect(() => checkTracer('encoder', labels)).not.toThrow()
  })
})
