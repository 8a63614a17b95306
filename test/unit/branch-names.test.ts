/** The branches of a form that an answer takes, by names: parts of a route that can be withheld. */
import { describe, expect, it } from 'vitest'
import { answerFault, partNamesOf, type AnswerRules } from '../../src/core/answer/answer-rules.ts'
import { createAnswerFormats } from '../../src/core/answer/schema/answer-schema.ts'
import { branchNames } from '../../src/core/form/branch-names.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { withoutCopies, type Form } from '../../src/core/form/form.ts'
import { ANSWERS } from '../kit/records/route-rules.ts'

const INTENTS = ['book', 'cancel', 'move'] as const

/** @param answerOf the number of the row, and the values that its request has */
const formOf = (answerOf: (number: number, day: string, name: string) => string): Form => {
  const rows = Array.from({ length: 240 }, (_, number) => {
    const day = `2026-03-${10 + ((number * 7) % 18)}`
    const name = `guest${(number * 31) % 97}`
    const text = `Please ${INTENTS[number % 3]} a table for ${name} on ${day}`
    return { sources: [{ name: 'query', text }], answer: answerOf(number, day, name) }
  })
  return withoutCopies(findForm(rows)!.form)
}

describe('answers in JSON', () => {
  const form = formOf((number, day, name) =>
    JSON.stringify({
      intent: INTENTS[number % 3],
      guest: name,
      ...(number % 3 === 1 ? {} : { day }),
      tags: number % 2 === 0 ? ['urgent'] : ['urgent', 'paid'],
    })
  )

  it('have a branch of each choice', () => {
    const names = branchNames(
      form,
      '{"intent":"cancel","guest":"somebody else","tags":["urgent","paid"]}'
    )
    expect(names).toContain('intent="cancel"')
    expect(names).toContain('day absent')
    expect(names).not.toContain('guest="somebody else"')
    const booked = branchNames(
      form,
      '{"intent":"book","guest":"x","day":"2026-03-11","tags":["urgent"]}'
    )
    expect(booked).toContain('intent="book"')
    expect(booked).toContain('day copied')
  })

  it('of another form have none', () => {
    for (const answer of ['', 'no JSON', '{"intent":"other","guest":"x"}', '[]'])
      expect(branchNames(form, answer)).toEqual([])
  })

  it('are refused where they have a branch that is withheld', () => {
    const answers: AnswerRules = { ...ANSWERS, responseType: 'json', form }
    const faultOf = (answer: string, ...withheld: string[]) =>
      answerFault(
        answer,
        { model: 'm', messages: [] },
        { answers: { ...answers, withheld }, template: { responseFormat: '', tools: '' } },
        createAnswerFormats()
      )
    const cancelled = '{"intent":"cancel","guest":"x","tags":["urgent"]}'
    expect(faultOf(cancelled, 'intent="cancel"')).toBe('withheld')
    expect(faultOf(cancelled, 'intent="book"')).toBeNull()
    expect(partNamesOf({ ...answers, labels: ['a'] }, 'a')).toEqual(['a'])
  })
})

describe('templated replies', () => {
  const form = formOf((number, day, name) =>
    number % 3 === 0
      ? `Thank you, ${name}. Your table is booked for ${day}, and we look forward to it.`
      : `Sorry ${name}, we have no table left on ${day}. Another day may suit you better.`
  )

  it('have a skeleton, whatever its values are', () => {
    const [first, second] = [
      'Thank you, Ada. Your table is booked for 2027-01-01, and we look forward to it.',
      'Sorry Grace, we have no table left on 2027-01-01. Another day may suit you better.',
    ].map((answer) => branchNames(form, answer))
    expect(first).toHaveLength(1)
    expect(first![0]).toMatch(/^#\d: Thank you, …\. Your table/)
    expect(second).toHaveLength(1)
    expect(second![0]).toMatch(/^#\d: Sorry …, we have/)
  })
})
