/** How sure a field head is of its answers, and what it keeps of the rows that it learned from. */
import { describe, expect, it } from 'vitest'
import type { Decoded } from '../../src/core/form/decode-targets.ts'
import {
  fieldConfidence,
  trainFieldAcceptor,
  type FilledForm,
  type JudgedFields,
} from '../../src/core/learn/field-acceptor.ts'
import {
  knownKinds,
  leastCosine,
  neighbourhoodOfKind,
} from '../../src/core/learn/head/known-kinds.ts'
import type { Neighbourhood } from '../../src/core/learn/head/neighbourhood.ts'
import { fieldAnswer } from '../../adapters/onnx/field-heads/field-answer.ts'
import type { RowScores } from '../../adapters/onnx/encoder/fields/field-model.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { withoutCopies, type Form } from '../../src/core/form/form.ts'
import { readTargets, type FormRow } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { seededRandom } from '../../src/random.ts'
import { soleSource } from '../kit/form-grammars.ts'

const decodedWith = (fieldLogProbs: number[]): Decoded => ({
  targets: { tags: new Int32Array(), choices: new Int32Array() },
  fieldLogProbs,
})

const filledWith = (fieldLogProbs: number[], near: Neighbourhood | null = null): FilledForm => ({
  decoded: decodedWith(fieldLogProbs),
  words: 10,
  near,
})

/** Right as often as the product of the probabilities says, halved: the tagger is too sure. */
const judgedRows = (count: number): JudgedFields[] => {
  const random = seededRandom(3)
  return Array.from({ length: count }, () => {
    const logProb = Math.log(random())
    const isRight = random() < Math.exp(2 * logProb)
    return { decoded: decodedWith([logProb, 0]), words: 10, near: null, isRight }
  })
}

describe('the confidence of a field head', () => {
  it('is how often such answers were right, and rises with their probability', () => {
    const acceptor = trainFieldAcceptor(judgedRows(2_000))
    const confidenceAt = (probability: number): number =>
      Math.exp(fieldConfidence(acceptor, filledWith([Math.log(probability), 0])))
    expect(confidenceAt(0.9)).toBeGreaterThan(0.75)
    expect(confidenceAt(0.9)).toBeLessThan(0.87)
    const rising = [0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1].map(confidenceAt)
    expect(rising).toEqual(rising.toSorted((a, b) => a - b))
    expect(rising.at(-1)).toBeLessThanOrEqual(1)
  })

  it('is the product of the probabilities where all judged answers were right, or none was judged', () => {
    const rows = judgedRows(50).map((row) => ({ ...row, isRight: true }))
    for (const acceptor of [trainFieldAcceptor(rows), trainFieldAcceptor([])]) {
      expect(acceptor).toBeNull()
      expect(fieldConfidence(acceptor, filledWith([-0.5, -0.25]))).toBe(-0.75)
    }
  })
})

const rowOf = (angle: number, tags: number[], choice = 0) => ({
  targets: { tags: Int32Array.from(tags), choices: Int32Array.of(choice) },
  embedding: Float32Array.of(Math.cos(angle), Math.sin(angle)),
})

const nearAt = (nearest: number): Neighbourhood => ({ nearest, same: 1, other: 0, agreeing: 1 })

const scoresAt = (angle: number): RowScores => ({
  tags: new Float32Array(),
  choices: [],
  cut: false,
  embedding: Float32Array.of(Math.cos(angle), Math.sin(angle)),
})

describe('the neighbours of a request', () => {
  // one field at small angles, two at large ones
  const kinds = knownKinds([
    ...[0, 0.1, 0.2].map((angle) => rowOf(angle, [0, 1, 2])),
    ...[1.4, 1.5, 1.6].map((angle) => rowOf(angle, [1, 0, 3, 4])),
  ])

  it('say how many of them have an answer of the same kind, whatever the values and their places', () => {
    const near = neighbourhoodOfKind(kinds, rowOf(0.1, [1, 0, 0, 0]))
    expect(near.nearest).toBeCloseTo(1, 3)
    expect(near.same).toBeCloseTo(1, 3)
    expect(near.other).toBeCloseTo(Math.cos(1.3), 2)
    expect(near.agreeing).toBe(3 / 5)
    expect(neighbourhoodOfKind(kinds, rowOf(1.5, [1, 0, 0, 0])).same).toBeCloseTo(Math.cos(1.3), 2)
  })

  it('have no answer of a kind that was never learned: another choice, or other fields', () => {
    for (const row of [rowOf(0, [0, 1, 2], 1), rowOf(0, [0, 3])])
      expect(neighbourhoodOfKind(kinds, row)).toMatchObject({ same: -1, agreeing: 0 })
  })

  it('are as near as those of nearly all known requests, or the answer is sure of nothing', () => {
    const judged = Array.from({ length: 400 }, (_, at) => nearAt(1 - at / 2_000))
    // one of 200 may be farther than 0.1985, and twice as far is near enough
    const least = leastCosine(judged)!
    expect(least).toBeCloseTo(1 - 2 * 0.1985, 6)
    expect(leastCosine(judged.map(() => nearAt(1)))).toBe(0.99)
    expect(leastCosine([])).toBeNull()
    const form: Form = { style: null, root: { kind: 'text', parts: ['sent'] } }
    const filler = { form, acceptor: null, known: null, leastCosine: least, kinds }
    expect(fieldAnswer(filler, soleSource(''), scoresAt(0.7))).toEqual({ text: 'sent', logprob: 0 })
    for (const angle of [Math.PI, -1.2])
      expect(fieldAnswer(filler, soleSource(''), scoresAt(angle)).logprob).toBe(-100)
  })

  it('lower the confidence where they have other answers, as far as such answers were wrong', () => {
    const random = seededRandom(5)
    const rows = Array.from({ length: 1_000 }, (): JudgedFields => {
      const agreeing = Math.floor(random() * 6) / 5
      const near = { nearest: 0.9, same: agreeing, other: 1 - agreeing, agreeing }
      return { ...filledWith([-0.1], near), isRight: random() < 0.5 + agreeing / 2 }
    })
    const acceptor = trainFieldAcceptor(rows)
    const [few, all] = [0.2, 1].map((agreeing) =>
      Math.exp(
        fieldConfidence(
          acceptor,
          filledWith([-0.1], { nearest: 0.9, same: agreeing, other: 1 - agreeing, agreeing })
        )
      )
    )
    expect(few).toBeLessThan(0.7)
    expect(all).toBeGreaterThan(0.9)
  })
})

describe('a form that is stored', () => {
  const rows = Array.from({ length: 60 }, (_unused, at): FormRow => {
    const name = `Zor${'abcdefghij'[at % 10]}${'klmnopqrst'[Math.floor(at / 10)]}`
    const kind = at % 3 === 0 ? 'refund' : 'booking'
    return {
      sources: [{ name: 'query', text: `please, ${kind} for ${name} today` }],
      answer: JSON.stringify({ name, kind }),
    }
  })

  it('has nothing of single messages, and renders the same answers', () => {
    const { form, explained } = findForm(rows)!
    expect(explained).toBe(1)
    const stored = withoutCopies(form)
    expect(JSON.stringify(form)).toContain('Zor')
    expect(JSON.stringify(stored)).not.toContain('Zor')
    expect(JSON.stringify(stored)).not.toContain('please')
    for (const row of rows)
      expect(renderAnswer(stored, row.sources, readTargets(form, row)!)).toBe(row.answer)
  })
})
