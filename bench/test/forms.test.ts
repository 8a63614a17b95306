/** The forms of `bench:forms` are found in their rows, and only where requests have the values. */
import { describe, expect, it } from 'vitest'
import { findForm } from '../../src/core/form/find-form.ts'
import { readTargets } from '../../src/core/form/read-targets.ts'
import { Draw, type Grammar } from '../../test/kit/form-grammars.ts'
import { FORMS, unseenReply, WITHOUT_FORM, type FormName } from '../forms/grammars.ts'

const drawn = (grammar: Grammar, count: number, seed: number) => {
  const draw = new Draw(seed)
  return Array.from({ length: count }, () => grammar(draw))
}

const WITH_FORM = (Object.keys(FORMS) as FormName[]).filter((name) => name !== WITHOUT_FORM)

describe('rows of a form', () => {
  it.each(WITH_FORM)('%s: have it, hardly ever twice the same message', (name) => {
    const rows = drawn(FORMS[name], 300, 3)
    const found = findForm(rows)!
    expect(found.explained).toBeGreaterThan(0.98)
    const fresh = drawn(FORMS[name], 100, 4)
    expect(fresh.filter((row) => readTargets(found.form, row) === null).length).toBeLessThan(3)
    const seen = new Set(rows.map(({ sources }) => sources[0]!.text))
    expect(fresh.filter(({ sources }) => seen.has(sources[0]!.text)).length).toBeLessThan(3)
  })

  it('have none where the values are in no request, nor for a reply that no row had', () => {
    expect(findForm(drawn(FORMS[WITHOUT_FORM], 300, 3))).toBeNull()
    const { form } = findForm(drawn(FORMS.reply, 300, 3))!
    const unseen = drawn(unseenReply, 20, 4)
    expect(unseen.filter((row) => readTargets(form, row) !== null)).toEqual([])
  })
})
