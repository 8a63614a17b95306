/** How sure a field head is of its answers, and what it keeps of the rows that it learned from. */
import { describe, expect, it } from 'vitest'
import type { Decoded } from '../../src/core/form/decode-targets.ts'
import {
  fieldConfidence,
  trainFieldAcceptor,
  type JudgedFields,
} from '../../src/core/learn/field-acceptor.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { withoutCopies } from '../../src/core/form/form.ts'
import { readTargets, type FormRow } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { seededRandom } from '../../src/random.ts'

const decodedWith = (fieldLogProbs: number[]): Decoded => ({
  targets: { tags: new Int32Array(), choices: new Int32Array() },
  fieldLogProbs,
})

/** Right as often as the product of the probabilities says, halved: the tagger is too sure. */
const judgedRows = (count: number): JudgedFields[] => {
  const random = seededRandom(3)
  return Array.from({ length: count }, () => {
    const logProb = Math.log(random())
    const isRight = random() < Math.exp(2 * logProb)
    return { decoded: decodedWith([logProb, 0]), words: 10, isRight }
  })
}

describe('the confidence of a field head', () => {
  it('is how often such answers were right, and rises with their probability', () => {
    const acceptor = trainFieldAcceptor(judgedRows(2_000))
    const confidenceAt = (probability: number): number =>
      Math.exp(fieldConfidence(acceptor, decodedWith([Math.log(probability), 0]), 10))
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
      expect(fieldConfidence(acceptor, decodedWith([-0.5, -0.25]), 4)).toBe(-0.75)
    }
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
