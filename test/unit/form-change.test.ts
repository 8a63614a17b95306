import { describe, expect, it } from 'vitest'
import {
  describeForm,
  formChanges,
  type FieldDescription,
} from '../../src/core/form/describe-form.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { withoutCopies } from '../../src/core/form/form.ts'

/** As a plan keeps them. */
const fieldsOf = (answerOf: (at: number) => unknown): FieldDescription[] => {
  const rows = Array.from({ length: 120 }, (_, at) => {
    const answer = answerOf(at)
    return {
      sources: [
        { name: 'query', text: `item ${at * 31} for K${at * 17} on ${1 + (at % 28)}/5/2026` },
      ],
      answer: typeof answer === 'string' ? answer : JSON.stringify(answer),
    }
  })
  return describeForm(withoutCopies(findForm(rows)!.form))
}

const item = (at: number) => String(at * 31)
const who = (at: number) => `K${at * 17}`

const PLAIN = fieldsOf((at) => ({ item: item(at), who: who(at) }))

const day = (at: number) => `2026-05-${String(1 + (at % 28)).padStart(2, '0')}`
const sentence = (at: number) => `We have put item ${item(at)} aside.`
const two = (at: number) => (at % 2 ? sentence(at) : `Sorry, ${item(at)} is sold out.`)

describe('a change of the form', () => {
  it('is none between two logs of one form', () => {
    expect(
      formChanges(
        PLAIN,
        fieldsOf((at) => ({ item: item(at + 0), who: who(at) }))
      )
    ).toEqual([])
  })

  it('names places that came and went', () => {
    const fresh = fieldsOf((at) => ({ item: item(at), who: who(at), ok: true, n: at % 2 }))
    expect(formChanges(PLAIN, fresh)).toEqual(['added "ok": constant, "n": choice'])
    expect(formChanges(fresh, PLAIN)).toEqual(['removed "ok": constant, "n": choice'])
  })

  it('names a value that comes about in another way, and another skeleton', () => {
    const [asWritten, asIso] = [
      fieldsOf((at) => ({ item: item(at), day: `${1 + (at % 28)}/5/2026` })),
      fieldsOf((at) => ({ item: item(at), day: day(at) })),
    ]
    expect(formChanges(asWritten, asIso)).toEqual([
      'added "day": copied (date-day-first)',
      'removed "day": copied (identity)',
    ])
    const inside = (text: (at: number) => string) =>
      fieldsOf((at) => ({ who: who(at), text: text(at) }))
    expect(formChanges(inside(sentence), inside(two)).join()).toContain('"text#2{1}": copied')
  })
})
