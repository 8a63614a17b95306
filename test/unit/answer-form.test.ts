/** The form of logged answers, as the worker and a scan look for it. */
import { describe, expect, it } from 'vitest'
import { findAnswerForm, formRowOf, typeOfForm } from '../../src/core/answer/answer-form.ts'
import type { Outcome } from '../../src/core/answer/outcome.ts'
import { readTargets } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
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

const asked = (code: string) => {
  const { match, ...one } = exchange(0, { kind: 'text', text: JSON.stringify({ code }) })
  return { ...one, match: { ...match, query: `what does ${code} give?` } }
}

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

  it('has the values of the message, and not those of the text that a head reads', () => {
    const { form } = findAnswerForm(Array.from({ length: 60 }, (_, at) => asked(`f${at} + g`)))!
    const { sources, answer } = formRowOf(asked('f <| g'))!
    expect(sources[0]!.text).toBe('what does f <|| g give?')
    const targets = readTargets(form, { sources, answer })!
    expect(renderAnswer(form, sources, targets)).toBe(answer)
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
