import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findForm } from '../../src/core/form/find-form.ts'
import { sizesOf } from '../../src/core/form/form.ts'
import { readTargets, type FormRow } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { seededRandom } from '../../src/random.ts'
import { grammarRows, ODD_VALUES, rowOf } from '../kit/form-grammars.ts'
import { cpuMsOf } from '../kit/linear.ts'

/** Answers of many members, each with a value of its own. */
const wideRows = (fields: number): FormRow[] =>
  Array.from({ length: 24 }, (_, at) => {
    const entries = Array.from({ length: fields }, (_entry, field) => [
      `f${field}`,
      `V${at}x${field}`,
    ])
    return rowOf(
      entries.map(([name, value]) => `${name}=${value}`).join(' '),
      Object.fromEntries(entries)
    )
  })

/** Labels that no message has, beside a number that each has. */
const labelled = (labels: number, rows: number): FormRow[] =>
  Array.from({ length: rows }, (_, at) =>
    rowOf(`question ${(at * 7) % 613} about ${at}`, { label: `intent_${at % labels}`, about: at })
  )

describe('odd values', () => {
  it('are copied byte for byte', () => {
    const rows = ODD_VALUES.flatMap((value, at) =>
      [0, 1, 2].map((place) => rowOf(`The ${place} name: ${value} (${at})`, { name: value, at }))
    )
    expect(findForm(rows)?.unexplained).toEqual([])
  })

  it('are empty, blank, or names of members', () => {
    const rows = Array.from({ length: 60 }, (_, at) => {
      const name = ['', `N${at * 3}`, 'null'][at % 3]!
      return rowOf(`name ${name}!`, { '': name, __proto__x: at % 2 === 0, 'a.b': at * 7 })
    }).map((row, at) => ({
      ...row,
      sources: [{ name: 'query', text: `${row.sources[0]!.text} ${at * 7}` }],
    }))
    expect(findForm(rows)?.explained).toBe(1)
  })

  it('give the same bytes or are not explained, whatever they are', () => {
    const value = fc.string({ unit: 'binary', maxLength: 8 })
    const row = fc.record({ a: value, b: value, flag: fc.boolean() })
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 20, maxLength: 30 }),
        fc.boolean(),
        (values, isText) => {
          const rows = values.map((one): FormRow => {
            const answer = isText ? `Dear ${one.a}, take ${one.b} now.` : JSON.stringify(one)
            return {
              sources: [{ name: 'query', text: `${one.b} and ${one.a} ${one.flag}` }],
              answer,
            }
          })
          const found = findForm(rows, { minExplained: 0 })
          if (found === null) return
          let explained = 0
          for (const one of rows) {
            const targets = readTargets(found.form, one)
            if (targets === null) continue
            explained++
            expect(renderAnswer(found.form, one.sources, targets)).toBe(one.answer)
          }
          expect(found.explained).toBeCloseTo(explained / rows.length)
        }
      ),
      { numRuns: 25 }
    )
  })

  it('are targets of a row that the form does not know', () => {
    const { form } = findForm(grammarRows('order', 200))!
    expect(readTargets(form, rowOf('x', { product: 'tractors', quantity: 1 }))).toBeNull()
    expect(readTargets(form, { sources: [], answer: 'no JSON' })).toBeNull()
    expect(readTargets(form, rowOf('x', { product: 'pens', quantity: 1, more: true }))).toBeNull()
    const sources = [{ name: 'query', text: 'some pens' }]
    const choices = new Int32Array(1)
    expect(renderAnswer(form, sources, { tags: new Int32Array(1), choices })).toBeNull()
    expect(renderAnswer(form, sources, { tags: Int32Array.of(0, 1), choices })).toBeNull()
    expect(
      renderAnswer(form, sources, { tags: new Int32Array(2), choices: Int32Array.of(99) })
    ).toBeNull()
  })
})

describe('large logs', () => {
  it('have forms of 200 fields, and none of more', () => {
    const found = findForm(wideRows(200))
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form).fields).toBe(200)
    expect(findForm(wideRows(201))).toBeNull()
  })

  it('have a choice of up to 512 labels, and none of more', () => {
    let found: ReturnType<typeof findForm> = null
    const ms = cpuMsOf(() => {
      found = findForm(labelled(512, 4 * 512))
    })
    expect(found).toMatchObject({ explained: 1 })
    expect(sizesOf(found!.form)).toEqual({ fields: 1, choices: [512] })
    // under a second on a slow core
    expect(ms).toBeLessThan(10_000)
    expect(findForm(labelled(640, 4 * 640))).toBeNull()
  })

  it('have labels that were seen once, which are the only ones that are not learned', () => {
    const rare = Array.from({ length: 40 }, (_, at) =>
      rowOf(`question about ${9_000 + at}`, { label: `rare_${at}`, about: 9_000 + at })
    )
    const found = findForm([...labelled(77, 400), ...rare])!
    expect(found.explained).toBeGreaterThan(0.9)
    expect(sizesOf(found.form).choices[0]).toBeGreaterThanOrEqual(77)
  })

  it('are read in a few seconds also with long messages', () => {
    const filler = 'and we would like to tell you that in May one of the 2 boxes was a bit late, '
    const rows = grammarRows('invoice', 300).map((row) => ({
      ...row,
      sources: [{ name: 'query', text: filler.repeat(150) + row.sources[0]!.text }],
    }))
    expect(rows[0]!.sources[0]!.text.length).toBeGreaterThan(11_000)
    let explained = 0
    const ms = cpuMsOf(() => {
      explained = findForm(rows)?.explained ?? 0
    })
    expect(explained).toBeGreaterThan(0.99)
    // about a second on a slow core
    expect(ms).toBeLessThan(10_000)
  })

  it('are given up soon where answers are free texts', () => {
    const random = seededRandom(2)
    const words = Array.from({ length: 3000 }, (_, at) => `w${at.toString(36)}`)
    const text = (count: number): string =>
      Array.from({ length: count }, () => words[Math.floor(random() ** 2 * 3000)]!).join(' ')
    const rows = Array.from({ length: 500 }, () => ({
      sources: [{ name: 'query', text: text(100) }],
      answer: text(150),
    }))
    let found: unknown = null
    const ms = cpuMsOf(() => {
      found = findForm(rows)
    })
    expect(found).toBeNull()
    expect(ms).toBeLessThan(10_000)
  })

  it('are given up soon where names of people are members', () => {
    const random = seededRandom(1)
    const rows = Array.from({ length: 1000 }, () => {
      const names = Array.from({ length: 8 }, () => `name${Math.floor(random() * 1000)}`)
      const counts = Object.fromEntries(names.map((name) => [name, Math.floor(random() * 100)]))
      return rowOf(names.map((name) => `${name} has ${counts[name]}`).join(', '), counts)
    })
    // about a second on a slow core; with each pair of members compared for each place, twenty
    expect(cpuMsOf(() => findForm(rows))).toBeLessThan(10_000)
  })

  it('keep their time with one word a thousand times', () => {
    const rows = Array.from({ length: 60 }, (_, at) => {
      const [one, other] = [`${at % 7}`, `${at % 5}`]
      return rowOf(`${'1 2 3 4 5 6 0 '.repeat(400)} so ${one} then ${other}`, {
        one,
        other,
        list: [one, other],
      })
    })
    const ms = cpuMsOf(() => findForm(rows))
    expect(ms).toBeLessThan(10_000)
  })
})
