import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findForm, type FoundForm } from '../../src/core/form/find-form.ts'
import { describeForm } from '../../src/core/form/describe-form.ts'
import { sizesOf } from '../../src/core/form/form.ts'
import { readTargets, type FormRow } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { seededRandom } from '../../src/random.ts'
import { GRAMMAR_NAMES, grammarRows, rowOf } from '../kit/form-grammars.ts'

const rowsOf = (count: number, row: (at: number, random: () => number) => FormRow): FormRow[] => {
  const random = seededRandom(7)
  return Array.from({ length: count }, (_, at) => row(at, random))
}

/** A hundred answers, some of which are no JSON. */
const partlyJson = (bad: number): FormRow[] =>
  rowsOf(100, (at) =>
    at < bad
      ? rowOf(`what ${at}`, `Sorry, ${'very '.repeat(at)}unclear.`)
      : rowOf(`order ${at * 7919}`, { order: String(at * 7919) })
  )

/** `path: kind rules` of each field. */
const fieldsOf = (found: FoundForm | null): string[] =>
  describeForm(found!.form).map(({ path, kind, rules, isOptional, isList }) =>
    [
      `${path}:`,
      kind,
      ...rules,
      ...(isOptional ? ['optional'] : []),
      ...(isList ? ['list'] : []),
    ].join(' ')
  )

describe('the form of logged answers', () => {
  it.each(GRAMMAR_NAMES)('explains rows of the grammar "%s", and fresh ones', (name) => {
    fc.assert(
      fc.property(fc.nat(1e6), (seed) => {
        const found = findForm(grammarRows(name, 300, seed))
        expect(found?.explained).toBeGreaterThan(0.98)
        // stored and read again
        const form = JSON.parse(JSON.stringify(found!.form)) as FoundForm['form']
        const fresh = grammarRows(name, 100, seed + 1)
        const targets = fresh.map((row) => readTargets(form, row))
        for (const [at, row] of fresh.entries())
          if (targets[at]) expect(renderAnswer(form, row.sources, targets[at])).toBe(row.answer)
        expect(targets.filter((one) => one === null).length).toBeLessThan(5)
      }),
      { numRuns: 2 }
    )
  })

  it('has a field for each value, with the rule that explains it', () => {
    expect(fieldsOf(findForm(grammarRows('order', 400)))).toEqual([
      'product: choice',
      'quantity: copied plain-number optional',
      'note: copied identity optional',
    ])
    expect(fieldsOf(findForm(grammarRows('ticket', 400)))).toEqual([
      'intent: choice',
      'urgent: choice',
      'ticket: copied identity optional',
      'tags: set list',
    ])
    expect(fieldsOf(findForm(grammarRows('invoice', 400)))).toEqual([
      'issued: copied date-day-first',
      'due: copied date-day-first',
      'total.amount: copied number',
      'total.currency: choice',
      'parties.seller: copied upper',
      'parties.buyer: copied upper',
    ])
    expect(fieldsOf(findForm(grammarRows('basket', 400)))).toEqual([
      'items[].product: copied identity list',
      'items[].quantity: copied identity list',
      'guests[]: copied identity list',
    ])
    expect(fieldsOf(findForm(grammarRows('booking', 400)))).toEqual([
      'time: copied time',
      'name: copied identity',
      'contact: choice optional',
      'contact.phone: copied digits optional',
      'contact.email: copied lower optional',
    ])
  })

  it('is none where all answers are the same, or too few are explained', () => {
    expect(findForm([])).toBeNull()
    expect(findForm(rowsOf(50, (at) => rowOf(`text ${at}`, { ok: true })))).toBeNull()
    const free = rowsOf(200, (at, random) =>
      rowOf(`what is ${at}?`, `It is ${random()} of ${random()}, and ${random()} too.`)
    )
    expect(findForm(free)).toBeNull()
    const [first] = rowsOf(1, () => rowOf('a', { a: 1 }))
    expect(findForm([first!])).toBeNull()
  })

  it('is found where one of ten answers is no JSON, and not where more are', () => {
    const found = findForm(partlyJson(10))
    expect(found?.explained).toBeCloseTo(0.9)
    expect(found?.unexplained).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(findForm(partlyJson(20))).toBeNull()
  })

  it('keeps the order of members that is most used', () => {
    const rows = rowsOf(100, (at) => {
      const [a, b] = [String(at * 31), `X${at * 17}`]
      return rowOf(`${a} and ${b}`, at % 20 === 0 ? { b, a } : { a, b })
    })
    const { form, explained } = findForm(rows)!
    expect(explained).toBe(1)
    const [a, b] = ['620', 'X340']
    expect(rows[20]!.answer).toBe(JSON.stringify({ b, a }))
    const targets = readTargets(form, rows[20]!)!
    expect(renderAnswer(form, rows[20]!.sources, targets)).toBe(JSON.stringify({ a, b }))
  })

  it('is found where the upstream changes the order of members from answer to answer', () => {
    const rows = rowsOf(100, (at, random) => {
      const [a, b] = [String(at * 31), `X${at * 17}`]
      const inner = random() < 0.5 ? { a, n: null } : { n: null, a }
      return rowOf(`${a} and ${b}`, random() < 0.5 ? { inner, b } : { b, inner })
    })
    expect(findForm(rows)?.explained).toBe(1)
    // another value, another blank
    const { form } = findForm(rows)!
    const { sources } = rows[0]!
    expect(
      readTargets(form, { sources, answer: '{"b":"X1","inner":{"n":null,"a":"0"}}' })
    ).toBeNull()
    expect(
      readTargets(form, { sources, answer: '{"b": "X0","inner":{"n":null,"a":"0"}}' })
    ).toBeNull()
    expect(
      readTargets(form, { sources, answer: '{"b":"X0","inner":{"n":null,"a":"0"}}' })
    ).not.toBeNull()
  })

  it('keeps an order that follows from which members are present', () => {
    const rows = rowsOf(120, (at) => {
      const [a, b, c] = [String(at * 31), `X${at * 17}`, `Y${at * 13}`]
      const text = `${a} and ${b}`
      return at % 2 ? rowOf(`${text}, ${c}`, { a, b, c }) : rowOf(text, { b, a })
    })
    expect(findForm(rows)?.explained).toBe(1)
  })

  it('leaves an answer with a name twice unexplained', () => {
    const rows = rowsOf(60, (at) => rowOf(`number ${at * 31}`, { a: String(at * 31) }))
    rows[5] = rowOf('number 155', '{"a":"155","a":"155"}')
    expect(findForm(rows)?.unexplained).toEqual([5])
  })

  it('copies numbers beyond 2^53 by their digits, also as JSON numbers', () => {
    const rows = rowsOf(60, (at) => {
      const id = `9007199254740993${at + 100}`
      return rowOf(`the id is ${id}`, `{"id":${id}}`)
    })
    expect(findForm(rows)?.explained).toBe(1)
  })

  it('never takes a relative date for a value', () => {
    const days = ['2026-03-05', '2026-03-06', '2026-03-07']
    const rows = rowsOf(300, (at) => {
      const [day, isRelative] = [days[at % 3]!, at % 3 === 0]
      return rowOf(isRelative ? 'come tomorrow' : `come on ${day}`, {
        day: at < 5 ? '2026-04-01' : day,
      })
    })
    const found = findForm(rows, { minExplained: 0 })
    for (const field of describeForm(found!.form)) expect(field.kind).not.toBe('copied')
  })

  it('copies names of an open set, and chooses labels although their words are in the text', () => {
    const labels = ['refund', 'cancel', 'track']
    const rows = rowsOf(200, (at) => {
      const label = labels[at % 3]!
      const name = `Person${String.fromCharCode(65 + (at % 26))}${String.fromCharCode(97 + (at % 25))}`
      return rowOf(`I want to ${label}, ${name} here`, { label, name })
    })
    expect(fieldsOf(findForm(rows))).toEqual(['label: choice', 'name: copied identity'])
  })

  it('tells a copied value from words that stand for none', () => {
    const rows = rowsOf(200, (at) => {
      const code = `Q${at * 37}`
      if (at % 4 === 0) return rowOf('I have no code', { code: 'unknown' })
      if (at % 4 === 1) return rowOf('hello', { code: null })
      return rowOf(`My code: ${code}`, { code })
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(fieldsOf(found)).toEqual(['code: choice', 'code: copied identity optional'])
    expect(sizesOf(found!.form)).toEqual({ fields: 1, choices: [3] })
  })

  it('uses one field for values that are copied from one span', () => {
    const rows = rowsOf(100, (at) => {
      const date = `${1 + (at % 28)} March 20${10 + (at % 17)}`
      const iso = `20${10 + (at % 17)}-03-${String(1 + (at % 28)).padStart(2, '0')}`
      const number = String(1000 + at * 3)
      return rowOf(`Order ${number} of ${date}`, {
        date,
        iso,
        order: number,
        title: `Order ${number}`,
      })
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form).fields).toBe(2)
  })

  it('writes a value that contains others from these', () => {
    const first = ['Anna', 'Bela', 'Chidi', 'Dora', 'Emil', 'Fay', 'Gus']
    const last = ['Smith', 'Okafor', 'Rossi', 'Nowak', 'Dubois']
    const rows = rowsOf(200, (at) => {
      const name = { first: `${first[at % 7]}${at}`, last: last[at % 5]! }
      const street = `${at * 3} Main Road`
      const city = `${'ABCDE'[at % 5]}${'aeiou'[at % 3]}ville${at % 11}`
      const full = `${name.first} ${name.last}`
      return rowOf(`I am ${full}, from ${street}, ${city}.`, {
        ...name,
        full,
        address: { all: `${street}, ${city}`, city },
      })
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form)).toEqual({ fields: 4, choices: [] })
    expect(fieldsOf(found)).toContain('full{1}: copied identity')
  })

  // the code was written from two values side by side, and reading such a text threw
  it('is none where one value is the beginning of a code, with no mark behind it', () => {
    const rows = rowsOf(60, (at) => {
      const series = `${'ABCDE'[at % 5]}${'KLMNOPQ'[at % 7]}`
      const code = `${series}${1000 + at * 37}`
      return rowOf(`please look up ticket ${code} for me`, { code, series })
    })
    expect(findForm(rows)).toBeNull()
  })
})
