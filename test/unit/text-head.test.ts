/** Heads on embeddings and on hashed words, and both as one. */
import { describe, expect, it } from 'vitest'
import {
  mixtureOf,
  textProbabilities,
  trainTextHead,
  validateTextHead,
  type TextHead,
} from '../../src/core/learn/text-head.ts'
import { sparseRows } from '../../src/core/learn/algebra/sparse-rows.ts'
import { crossValidated, probabilities, trainHead } from '../../src/core/learn/softmax-head.ts'
import { selectTexts, type TextRows } from '../../src/core/learn/head/text-rows.ts'
import { seededRandom } from '../../src/random.ts'

const pick = <Item>(items: readonly Item[], random: () => number): Item =>
  items[Math.floor(random() * items.length)]!

describe('a head on sparse features', () => {
  const random = seededRandom(1)
  const DIMS = 12
  const labels = Int32Array.from({ length: 80 }, (_, place) => place % 3)
  const rows = Array.from(
    labels,
    (label) =>
      new Map([
        [label, 1],
        [3 + Math.floor(random() * 9), random() - 0.5],
      ])
  )
  const dense = new Float32Array(labels.length * DIMS)
  for (const [row, entries] of rows.entries())
    for (const [place, value] of entries) dense[row * DIMS + place] = value
  const shared = {
    dims: DIMS,
    labels,
    classes: 3,
    weights: Float32Array.from(labels, (_, place) => 1 + (place % 2)),
  }
  const sparse = { ...shared, features: sparseRows(rows) }

  it('is the head on the same features with their zeros', () => {
    const one = trainHead({ ...sparse, l2: 0.3, tolerance: 1e-6 })
    const other = trainHead({ ...shared, features: dense, l2: 0.3, tolerance: 1e-6 })
    for (const [at, weight] of other.weights.entries())
      expect(one.weights[at]).toBeCloseTo(weight, 4)
    for (const [at, bias] of other.bias.entries()) expect(one.bias[at]).toBeCloseTo(bias, 4)
    expect(Math.hypot(...one.weights)).toBeGreaterThan(1)
    const [a, b] = [probabilities(one, sparse.features), probabilities(other, dense)]
    for (const [at, probability] of b.entries()) expect(a[at]).toBeCloseTo(probability, 4)
  })

  it('is validated in the same folds', () => {
    const groups = [...labels.keys()].map(String)
    const one = crossValidated({ ...sparse, groups, strengths: [0.1] })
    const other = crossValidated({ ...shared, features: dense, groups, strengths: [0.1] })
    expect(one.fold).toEqual(other.fold)
    expect(one.loss).toBeCloseTo(other.loss, 2)
  })

  it('is refused where rows and labels differ in number', () => {
    expect(() => trainHead({ ...sparse, labels: labels.slice(1), l2: 1 })).toThrow(
      expect.objectContaining({ code: 'invalid-request' })
    )
  })
})

describe('a mixture of two heads', () => {
  const random = seededRandom(2)
  const labels = Int32Array.from({ length: 400 }, () => Math.floor(random() * 2))
  /** Right in the share of rows, where it has probability 0.8; else it has 0.2. */
  const head = (share: number) =>
    Float32Array.from(
      [...labels].flatMap((label) => {
        const first = random() < share === (label === 0) ? 0.8 : 0.2
        return [first, 1 - first]
      })
    )

  it('leaves out a head that knows nothing', () => {
    expect(mixtureOf(head(0.8), head(0.5), labels, 2).share).toBeLessThanOrEqual(0.1)
  })

  it('has less loss than each of two heads that know different things', () => {
    const [one, other] = [head(0.8), head(0.8)]
    const alone = mixtureOf(one, one, labels, 2).loss
    const { share, loss, logits } = mixtureOf(one, other, labels, 2)
    expect(share).toBeGreaterThan(0.3)
    expect(share).toBeLessThan(0.7)
    expect(loss).toBeLessThan(0.85 * alone)
    const nats = [...labels].map((label, row) => {
      const lead = logits[2 * row + label]! - logits[2 * row + 1 - label]!
      return Math.log1p(Math.exp(-lead))
    })
    expect(nats.reduce((a, b) => a + b, 0) / labels.length).toBeCloseTo(loss, 5)
  })
})

/** Endings of names that tell labels apart. */
const ENDINGS = ['doc', 'dev', 'perl', 'data']
const STEMS = [
  'alpha',
  'beta',
  'gamma',
  'delta',
  'omega',
  'sigma',
  'kappa',
  'theta',
  'zeta',
  'iota',
]
const ROWS = 240
const TEST_ROWS = 200
const DIMS = 6

/**
 * Names of which the ending is the label, with embeddings.
 * @param tells whether the embeddings tell the label
 */
const namesOf = (
  count: number,
  tells: boolean,
  seed: number
): TextRows & { vectors: Float32Array } => {
  const random = seededRandom(seed)
  const labels = Int32Array.from({ length: count }, () => Math.floor(random() * ENDINGS.length))
  const texts = [...labels].map(
    (label) =>
      `${pick(STEMS, random)}${pick(STEMS, random)}-${ENDINGS[tells ? Math.floor(random() * 4) : label]!}`
  )
  const vectors = Float32Array.from({ length: count * DIMS }, (_, at) => {
    const isOwn = tells && at % DIMS === labels[Math.floor(at / DIMS)]
    return Number(isOwn) + 0.3 * (random() - 0.5)
  })
  return { texts, vectors, labels, classes: ENDINGS.length }
}

const shareRight = (head: TextHead, { texts, vectors, labels, classes }: TextRows): number => {
  const all = textProbabilities(head, texts, vectors)
  const right = labels.filter((label, row) => {
    const own = all.subarray(row * classes, (row + 1) * classes)
    return own.indexOf(Math.max(...own)) === label
  })
  return right.length / labels.length
}

const trained = (rows: TextRows) => {
  const validation = validateTextHead(rows, { groups: rows.texts })
  return { validation, head: trainTextHead(rows, validation) }
}

const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length

describe('a head on texts', () => {
  it('learns from words and parts of words what the embeddings do not tell', () => {
    const { validation, head } = trained(namesOf(ROWS, false, 3))
    expect(validation.hashed).not.toBeNull()
    expect(validation.loss).toBeLessThan(0.5)
    expect(shareRight(head, namesOf(TEST_ROWS, false, 4))).toBeGreaterThan(0.95)
    expect(shareRight({ ...head, hashed: null }, namesOf(TEST_ROWS, false, 4))).toBeLessThan(0.5)
  })

  it('is no worse for words that tell nothing', () => {
    const { head } = trained(namesOf(ROWS, true, 5))
    expect(shareRight(head, namesOf(TEST_ROWS, true, 6))).toBeGreaterThan(0.97)
  })

  it('has the probabilities of two heads over their temperatures', () => {
    const rows = namesOf(ROWS, false, 3)
    const { head, validation } = trained(rows)
    expect(head.embedded!.temperature).toBe(validation.embedded!.temperature)
    const all = textProbabilities(head, rows.texts, rows.vectors)
    const [first, second] = [
      textProbabilities({ ...head, hashed: null }, rows.texts, rows.vectors),
      textProbabilities({ ...head, embedded: null }, rows.texts, null),
    ]
    for (let row = 0; row < 20; row++) {
      const products = ENDINGS.map((_, c) => first[4 * row + c]! * second[4 * row + c]!)
      const sum = products.reduce((a, b) => a + b, 0)
      for (const [c, product] of products.entries())
        expect(all[4 * row + c]).toBeCloseTo(product / sum, 4)
    }
  })

  it('is calibrated on rows that it has not seen', () => {
    const rows = namesOf(ROWS, true, 7)
    const noisy = { ...rows, vectors: rows.vectors.map((value) => value * (value > 0.5 ? 0.2 : 1)) }
    const { validation } = trained(noisy)
    const best = [...rows.labels].map((label, row) => {
      const own = validation.probabilities.subarray(4 * row, 4 * (row + 1))
      const sure = Math.max(...own)
      return { sure, right: Number(own.indexOf(sure) === label) }
    })
    expect(mean(best.map(({ sure }) => sure))).toBeCloseTo(mean(best.map(({ right }) => right)), 1)
  })

  it('works without embeddings, on words alone', () => {
    const rows = { ...namesOf(ROWS, false, 8), vectors: null }
    const { head } = trained(rows)
    expect(head.embedded).toBeNull()
    expect(shareRight(head, { ...namesOf(TEST_ROWS, false, 9), vectors: null })).toBeGreaterThan(
      0.95
    )
  })

  it('takes some of the rows with all that belongs to them', () => {
    const rows = {
      ...namesOf(10, false, 10),
      weights: Float32Array.from({ length: 10 }, (_, at) => at),
    }
    const part = selectTexts(rows, [7, 2])
    expect(part.texts).toEqual([rows.texts[7], rows.texts[2]])
    expect([...part.labels]).toEqual([rows.labels[7], rows.labels[2]])
    expect([...part.weights!]).toEqual([7, 2])
    expect(part.vectors!.subarray(DIMS)).toEqual(rows.vectors.subarray(2 * DIMS, 3 * DIMS))
  })
})
