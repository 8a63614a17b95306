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

const sentence = (at: number) => `We have put item ${item(at)} aside for ${who(at)}.`
const two = (at: number) =>
  at % 2 ? sentence(at) : `Sorry, ${who(at)}, that item ${item(at)} is sold out today.`
const other = (at: number) =>
  at % 2 ? sentence(at) : `Please call us again tomorrow about ${item(at)}, ${who(at)}.`

describe('a change of the form', () => {
  it('is none between two logs of one form', () => {
    expect(
      formChanges(
        PLAIN,
        fieldsOf((at) => ({ item: item(at + 0), who: who(at) }))
      )
    ).toEqual([])
  })

  it('names members that came and went, and another order', () => {
    const fresh = fieldsOf((at) => ({ who: who(at), item: item(at), ok: true, n: at % 2 }))
    expect(formChanges(PLAIN, fresh)).toEqual(['added: "ok", "n"', 'another order of members'])
    expect(formChanges(fresh, PLAIN)).toEqual(['removed: "ok", "n"', 'another order of members'])
    expect(
      formChanges(
        PLAIN,
        fieldsOf((at) => ({ nested: { item: item(at) }, who: who(at) }))
      )
    ).toEqual(['added: "nested.item"', 'removed: "item"'])
  })

  it('names a value that comes about in another way', () => {
    const [asWritten, asIso] = [
      fieldsOf((at) => ({ item: item(at), day: `${1 + (at % 28)}/5/2026` })),
      fieldsOf((at) => ({
        item: item(at),
        day: `2026-05-${String(1 + (at % 28)).padStart(2, '0')}`,
      })),
    ]
    expect(formChanges(asWritten, asIso)).toEqual([
      '"day": copied (date-day-first) instead of copied (identity)',
    ])
  })

  it('counts skeletons, of the whole answer and of a member', () => {
    expect(formChanges(fieldsOf(sentence), fieldsOf(two))).toEqual(['2 skeletons instead of 1'])
    expect(formChanges(fieldsOf(two), fieldsOf(other))).toEqual(['1 of 2 skeletons are new'])
    const inside = (text: (at: number) => string) =>
      fieldsOf((at) => ({ item: item(at), text: text(at) }))
    expect(formChanges(inside(sentence), inside(two))).toEqual(['"text": 2 skeletons instead of 1'])
  })
})
