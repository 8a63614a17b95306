/** The form of logged answers, as the worker and a scan look for it. */
import { describe, expect, it } from 'vitest'
import { findAnswerForm, typeOfForm } from '../../src/core/answer/answer-form.ts'
import type { Outcome } from '../../src/core/answer/outcome.ts'
import type { Match } from '../../src/core/template/template.ts'
import { exampleTemplate } from '../kit/records/examples.ts'

const exchange = (number: number, outcome: Outcome) => {
  const match: Match = {
    template: exampleTemplate(),
    slots: {},
    examples: {},
    query: `parcel ${number} is lost`,
    turns: [],
  }
  return { number, match, outcome }
}

const answered = (number: number) =>
  exchange(number, { kind: 'text', text: JSON.stringify({ parcel: number }) })

const unlike = (number: number) =>
  exchange(number, { kind: 'text', text: `ask clerk ${(number * 7_919) % 100_003}` })

describe('the form of answers', () => {
  it('has the share that it reproduces, no copied text, and the newest answers that it does not', () => {
    const rows = Array.from({ length: 60 }, (_, at) => (at % 20 === 0 ? unlike(at) : answered(at)))
    const found = findAnswerForm(rows)!
    expect(found.explained).toBe(0.95)
    expect(found.fields).toMatchObject([{ path: 'parcel', kind: 'copied', examples: [] }])
    expect(found.unexplained.map(({ number }) => number)).toEqual([40, 20, 0])
  })

  it('is looked for in the newest thousand', () => {
    const rows = Array.from({ length: 1_200 }, (_, at) => (at < 200 ? unlike(at) : answered(at)))
    expect(findAnswerForm(rows)!.explained).toBe(1)
    expect(findAnswerForm(rows.toReversed())).toBeNull()
  })

  it('is none where an answer is no text, and without exchanges', () => {
    const rows = Array.from({ length: 60 }, (_, at) => answered(at))
    expect(findAnswerForm([...rows, exchange(60, { kind: 'refusal' })])).toBeNull()
    expect(findAnswerForm([])).toBeNull()
  })

  it('makes long texts comparable', () => {
    expect(typeOfForm('free-text')).toBe('short-text')
    expect(typeOfForm('json')).toBe('json')
  })
})
