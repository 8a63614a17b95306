/** An answer that is mostly wrong is withheld, and the others stay. */
import { describe, expect, it } from 'vitest'
import { AnswerReader } from '../../src/core/rollout/withheld.ts'
import type { PairOutcome } from '../../src/core/rollout/pair.ts'
import { seededRandom } from '../../src/random.ts'

const LABELS = Array.from({ length: 77 }, (_, i) => `label ${i}`)
const CAPITAL = 300

const readerOf = (outcomes: readonly PairOutcome[], answer = LABELS[0]!) => {
  const reader = new AnswerReader(LABELS)
  for (const outcome of outcomes) reader.read({ answer, outcome, rating: null })
  return reader
}

const times = (count: number, outcome: PairOutcome): PairOutcome[] =>
  Array.from({ length: count }, () => outcome)

describe('an answer', () => {
  it('is withheld after some twenty wrong ones, also after many right ones', () => {
    expect(readerOf(times(5, 'disagreed')).wrong(CAPITAL, 0)).toEqual([])
    const [wrong] = readerOf(times(20, 'disagreed')).wrong(CAPITAL, 0)
    expect(wrong).toMatchObject({ answer: 'label 0', pairs: 20, losses: 20, credits: 0 })
    expect(wrong!.capital).toBeGreaterThanOrEqual(Math.log(CAPITAL * LABELS.length))
    const later = [...times(60, 'agreed'), ...times(60, 'disagreed')] as const
    expect(readerOf(later).wrong(CAPITAL, 0)).toHaveLength(1)
  })

  it('is not withheld for drafts that were not sent, and not where it is no label', () => {
    expect(readerOf(times(200, 'draft-disagreed')).wrong(CAPITAL, 0)).toEqual([])
    expect(readerOf(times(200, 'disagreed'), 'another text').wrong(CAPITAL, 0)).toEqual([])
    const open = new AnswerReader(null)
    for (let i = 0; i < 200; i++)
      open.read({ answer: 'label 0', outcome: 'disagreed', rating: null })
    expect(open.wrong(CAPITAL, 0)).toEqual([])
  })

  it('is not withheld where a person says that it is right', () => {
    const reader = new AnswerReader(LABELS)
    for (let i = 0; i < 50; i++)
      reader.read({ answer: 'label 0', outcome: 'disagreed', rating: 'lora' })
    expect(reader.wrong(CAPITAL, 0)).toEqual([])
  })

  it('that is wrong in a quarter of the cases is seldom withheld, of all labels together', () => {
    const random = seededRandom(7)
    let withheld = 0
    const ROUTES = 60
    for (let route = 0; route < ROUTES; route++) {
      const reader = new AnswerReader(LABELS)
      for (let i = 0; i < 77 * 60; i++)
        reader.read({
          answer: LABELS[i % 77]!,
          outcome: random() < 0.25 ? 'disagreed' : 'agreed',
          rating: null,
        })
      if (reader.wrong(CAPITAL, 0).length > 0) withheld++
    }
    expect(withheld).toBeLessThanOrEqual(1)
  })
})
