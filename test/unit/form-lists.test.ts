import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findForm } from '../../src/core/form/find-form.ts'
import { sizesOf } from '../../src/core/form/form.ts'
import { readTargets } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { rowOf } from '../kit/form-grammars.ts'

const thing = (at: number): string => `${'ABCDEFGHIJ'[at % 10]!}mo${'abcde'[at % 5]!}`

describe('lists', () => {
  it('of objects are grouped in the order of the text, with optional members', () => {
    const rows = Array.from({ length: 200 }, (_, at) => {
      const items = Array.from({ length: at % 4 }, (_item, place) => ({
        name: `Thing${String.fromCharCode(65 + ((at + place * 5) % 26))}`,
        ...(place % 2 ? {} : { size: `${20 + ((at * 3 + place) % 50)}` }),
        kind: 'part',
      }))
      const said = items.map(({ name, size }) => `${name}${size ? ` of ${size}` : ''}`)
      return rowOf(`I need: ${said.join('; ')}.`, { items })
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form)).toEqual({ fields: 2, choices: [] })
  })

  it('of objects begin an item with the value that stands first, where one has none', () => {
    // "send 2 pens, ink, 3 books": the 3 is not of the ink, which one order of twelve has
    const rows = Array.from({ length: 300 }, (_, at) => {
      const items = [0, 1, 2].map((place) => ({
        ...(at % 12 === 0 && place === 1 ? {} : { count: 1 + ((at * 7 + place) % 9) }),
        name: thing(at * 3 + place),
      }))
      const said = items.map(({ count, name }) => (count ? `${count} ${name}` : name))
      return rowOf(`send ${said.join(', ')}`, { items })
    })
    const { form, explained } = findForm(rows)!
    expect(explained).toBe(1)
    expect(sizesOf(form)).toEqual({ fields: 2, choices: [] })
    expect(renderAnswer(form, rows[0]!.sources, readTargets(form, rows[0]!)!)).toBe(rows[0]!.answer)
  })

  it('of values in another order than the text are not explained', () => {
    const rows = Array.from({ length: 100 }, (_, at) => {
      const names = [`A${at}x`, `B${at}y`]
      return rowOf(`${names.join(' and ')}`, {
        names: at % 10 === 0 ? [...names].reverse() : names,
      })
    })
    expect(findForm(rows)?.explained).toBeCloseTo(0.9)
  })

  it('of labels are a choice for each label', () => {
    const labels = ['spam', 'sales', 'legal']
    const rows = Array.from({ length: 100 }, (_, at) =>
      rowOf(`mail ${at}`, { labels: labels.filter((_label, place) => (at >> place) & 1) })
    )
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form)).toEqual({ fields: 0, choices: [2, 2, 2] })
  })

  it('may be null, left out, or empty', () => {
    const rows = Array.from({ length: 120 }, (_, at) => {
      const code = `C${at * 11}`
      if (at % 4 === 0) return rowOf('none', { codes: null })
      if (at % 4 === 1) return rowOf('nothing', {})
      if (at % 4 === 2) return rowOf('empty', { codes: [] })
      return rowOf(`codes ${code} and ${code}9`, { codes: [code, `${code}9`] })
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form)).toEqual({ fields: 1, choices: [3] })
  })

  it('give the same bytes for any values in the text', () => {
    const word = fc.stringMatching(/^[A-Z][a-z]{3,8}$/)
    fc.assert(
      fc.property(
        fc.array(fc.array(word, { maxLength: 5 }), { minLength: 40, maxLength: 40 }),
        (lists) => {
          const rows = lists.map((names) => rowOf(`Please invite ${names.join(', ')}!`, { names }))
          const found = findForm(rows, { minExplained: 0 })
          fc.pre(found !== null)
          for (const row of rows) {
            const targets = readTargets(found!.form, row)
            if (targets) expect(renderAnswer(found!.form, row.sources, targets)).toBe(row.answer)
          }
          expect(found!.explained).toBeGreaterThan(0.9)
        }
      ),
      { numRuns: 20 }
    )
  })
})
