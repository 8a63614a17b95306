import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agree, normalForm, type Comparison } from '../../src/core/answer/agreement.ts'
import { fieldFigures, fieldsApart, MAX_FIELDS } from '../../src/core/answer/field-figures.ts'
import {
  checkedPath,
  checkedRule,
  pathWithin,
  type FieldKind,
} from '../../src/core/answer/field-rules.ts'
import { isMostlyJson } from '../../src/core/answer/response-type.ts'
import { cpuMsOf } from '../kit/linear.ts'
import { under } from '../kit/records/under-rules.ts'

const agrees = (rules: Record<string, FieldKind>, one: unknown, other: unknown): boolean =>
  agree(under(rules), JSON.stringify(one), JSON.stringify(other))

const FREE: FieldKind = { kind: 'free' }
const SET: FieldKind = { kind: 'set' }
const CENTS: FieldKind = { kind: 'rounded', to: 0.01 }

const own = (value: number) => `{"__proto__":${value},"a":1}`
const call = (id: number) => `[[call]] order {"id":${id}}`
const nested = (leaf: string) => `${'{"a":'.repeat(5_000)}${leaf}${'}'.repeat(5_000)}`
const apart = (one: unknown, other: unknown, rules: Record<string, FieldKind> = {}) =>
  fieldsApart(under(rules), JSON.stringify(one), JSON.stringify(other))

const row = (a: number, b: number, isAnswered: boolean) => ({
  adapted: JSON.stringify({ a, b }),
  upstream: '{"a":0,"b":0}',
  agrees: a === 0 && b === 0,
  isAnswered,
})

describe('a path', () => {
  it('is written in one way', () => {
    for (const path of [
      'id',
      'order.items[].sku',
      '[].id',
      '.',
      'größe',
      '["a.b"].c',
      'a["c d"][]',
    ])
      expect(checkedPath(path)).toBe(path)
    expect(checkedPath('["plain"].b')).toBe('plain.b')
  })

  it('is refused where it is none', () => {
    for (const path of [
      '',
      '.a',
      'a.',
      'a..b',
      'a[0]',
      'a[',
      '["a]',
      '["\\x"]',
      'a b',
      '[]x',
      '"a"',
    ])
      expect(() => checkedPath(path), path).toThrow('a path has at most 200 characters')
    expect(() => checkedPath('a'.repeat(201))).toThrow('200 characters')
  })

  it('reaches every name that it writes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), (name) => {
        const path = pathWithin('.', name)
        expect(checkedPath(path)).toBe(path)
        expect(
          agrees({ [path]: FREE }, { [name]: 1, b: { c: 1 } }, { [name]: 2, b: { c: 1 } })
        ).toBe(true)
      })
    )
  })

  it('of the whole answer cannot be free, and numbers are rounded to a number above 0', () => {
    expect(() => checkedRule('.', FREE)).toThrow('cannot be free')
    for (const to of [0, -1, NaN, Infinity])
      expect(() => checkedRule('a', { kind: 'rounded', to })).toThrow('above 0')
    expect(checkedRule('.', SET)).toEqual({ path: '.', rule: SET })
  })
})

describe('a free field', () => {
  it('may have any value, and must be there in both or in none', () => {
    expect(agrees({}, { id: 'a', n: 1 }, { id: 'b', n: 1 })).toBe(false)
    expect(agrees({ id: FREE }, { id: 'a', n: 1 }, { id: { deep: [1] }, n: 1 })).toBe(true)
    expect(agrees({ id: FREE }, { id: 'a', n: 1 }, { id: 'a', n: 2 })).toBe(false)
    expect(agrees({ id: FREE }, { id: 'a', n: 1 }, { n: 1 })).toBe(false)
  })

  it('stands in each item of a list', () => {
    const rules = { 'items[].id': FREE }
    const items = [
      { id: 1, sku: 'a' },
      { id: 2, sku: 'b' },
    ]
    expect(agrees(rules, { items }, { items: items.map(({ sku }) => ({ id: 9, sku })) })).toBe(true)
    expect(agrees(rules, { items }, { items: items.toReversed() })).toBe(false)
    expect(agrees(rules, { items }, { items: items.slice(1) })).toBe(false)
  })

  it('is no member that only the prototype has', () => {
    expect(agrees({ toString: FREE }, {}, { toString: 1 })).toBe(false)
    expect(agree(under({ __proto__: FREE }), own(1), own(1))).toBe(true)
    expect(agree(under({ ['__proto__']: FREE }), own(1), own(2))).toBe(true)
  })
})

describe('a set', () => {
  it('has its items in any order, each as often as the other', () => {
    expect(agrees({}, { tags: ['a', 'b'] }, { tags: ['b', 'a'] })).toBe(false)
    expect(agrees({ tags: SET }, { tags: ['a', 'b'] }, { tags: ['b', 'a'] })).toBe(true)
    expect(agrees({ tags: SET }, { tags: ['a', 'b'] }, { tags: ['b', 'a', 'a'] })).toBe(false)
    expect(agrees({ '.': SET }, [1, 2], [2, 1])).toBe(true)
  })

  it('is sorted by what is compared of its items', () => {
    const rules = { items: SET, 'items[].id': FREE, 'items[].tags': SET }
    const one = [
      { id: 1, tags: ['x', 'y'] },
      { id: 2, tags: ['z'] },
    ]
    const other = [
      { id: 3, tags: ['z'] },
      { id: 4, tags: ['y', 'x'] },
    ]
    expect(agrees(rules, { items: one }, { items: other })).toBe(true)
  })
})

describe('a rounded number', () => {
  it('agrees with those that have the same nearest multiple', () => {
    expect(agrees({ total: CENTS }, { total: 12.004 }, { total: 11.996 })).toBe(true)
    expect(agrees({ total: CENTS }, { total: 12.004 }, { total: 12.006 })).toBe(false)
    expect(agrees({ total: { kind: 'rounded', to: 1 } }, { total: -0.2 }, { total: 0.2 })).toBe(
      true
    )
  })

  it('agrees with no text that is written as what stands for it', () => {
    const one: FieldKind = { kind: 'rounded', to: 1 }
    for (const forged of ['\ud8015', '\ud8005e0'])
      expect(agrees({ total: one }, { total: 5 }, { total: forged })).toBe(false)
  })

  it('is compared with all its digits where a double cannot count the multiples', () => {
    const tiny: FieldKind = { kind: 'rounded', to: 1e-300 }
    expect(agrees({ n: tiny }, { n: 1 }, { n: 2 })).toBe(false)
    expect(agrees({ n: { kind: 'rounded', to: 1e-320 } }, { n: 1e308 }, { n: 1e307 })).toBe(false)
  })

  it('may have more digits than a double', () => {
    const long = '{"n":0.123456789012345678901}'
    expect(agree(under({ n: CENTS }), long, '{"n":0.12}')).toBe(true)
    expect(agree(under({}), long, '{"n":0.12}')).toBe(false)
  })
})

describe('rules', () => {
  it('change nothing where a place is of another type, or the answer is no JSON', () => {
    const rules = { tags: SET, total: CENTS, 'a.b': FREE, 'a[]': FREE }
    const comparison = under(rules)
    for (const answer of ['{"tags":"ba","total":"1.001","a":1}', 'no JSON', '[1]', '{"a":null}']) {
      expect(agree(comparison, answer, answer)).toBe(true)
      expect(normalForm(comparison, answer)).toBe(normalForm(under({}), answer))
    }
  })

  it('leave calls of functions as they are', () => {
    expect(agree(under({ id: FREE }), call(1), call(2))).toBe(false)
  })

  it('hold for JSON that is a closed list of labels, too', () => {
    const labels: Comparison = { ...under({ tags: SET }), responseType: 'label' }
    expect(agree(labels, '{"tags":["a","b"]}', '{"tags":["b","a"]}')).toBe(true)
    expect(agree(labels, 'a text', 'a text.')).toBe(true)
  })

  it('suit answers of which nine in ten are JSON, beside any number of calls', () => {
    const calls = Array.from({ length: 50 }, (_, id) => call(id))
    const json = Array.from({ length: 9 }, (_, id) => `{"id":${id}}`)
    expect(isMostlyJson([...json, 'a text', ...calls])).toBe(true)
    expect(isMostlyJson([...json.slice(1), 'a text', ...calls])).toBe(false)
    expect(isMostlyJson(calls)).toBe(false)
  })

  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(0, 0.004, 0.006, 1, 'x', null),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b'), tie('any'))
    ),
  })).any
  const path = fc.constantFrom('.', 'a', 'b', 'a[]', 'a.b', '[]', '[].a', 'a[].b')
  const rule = fc.constantFrom(FREE, SET, CENTS)

  it('keep agreement an equivalence, and say which fields differ exactly where answers disagree', () => {
    const rules = fc.dictionary(path, rule, { maxKeys: 4 })
    fc.assert(
      fc.property(rules, value, value, value, (given, ...values) => {
        const [a, b, c] = values.map((each) => JSON.stringify(each))
        const comparison = under(given)
        expect(agree(comparison, a!, a!)).toBe(true)
        expect(agree(comparison, a!, b!)).toBe(agree(comparison, b!, a!))
        if (agree(comparison, a!, b!) && agree(comparison, b!, c!))
          expect(agree(comparison, a!, c!)).toBe(true)
        // a rule never makes two answers disagree
        if (agree(under({}), a!, b!)) expect(agree(comparison, a!, b!)).toBe(true)
        expect(fieldsApart(comparison, a!, b!).length === 0).toBe(agree(comparison, a!, b!))
      })
    )
  })

  it('take time that grows with the answer alone', () => {
    const deep = `${'['.repeat(20_000)}1${']'.repeat(20_000)}`
    const wide = JSON.stringify({
      items: Array.from({ length: 50_000 }, (_, id) => ({ id, n: 1 })),
    })
    const rules = under({ '.': SET, [`${'[]'.repeat(100)}`]: SET, items: SET, 'items[].id': FREE })
    for (const answer of [deep, wide]) {
      const ms = cpuMsOf(() => {
        expect(agree(rules, answer, answer)).toBe(true)
        expect(fieldsApart(rules, answer, '{}')).toHaveLength(1)
      })
      expect(ms).toBeLessThan(5_000)
    }
  })
})

describe('fields that disagree', () => {
  it('are named by their paths', () => {
    expect(apart({ a: 1, b: { c: [1, 2] } }, { a: 2, b: { c: [1, 3] } })).toEqual(['a', 'b.c[]'])
    expect(apart({ a: [1] }, { a: [1, 2] })).toEqual(['a'])
    expect(apart({ a: 1 }, { b: 1 })).toEqual(['a', 'b'])
    expect(
      apart({ tags: ['a', 'b'], id: 1 }, { tags: ['a', 'c'], id: 2 }, { tags: SET, id: FREE })
    ).toEqual(['tags'])
    expect(fieldsApart(under({}), '{}', 'no JSON')).toEqual(['.'])
    expect(fieldsApart(under({}), '[[call]] f {"a":1}', '{"a":1}')).toEqual(['.'])
    expect(apart({ constructor: 1 }, {})).toEqual(['constructor'])
  })

  it('are bounded, whatever the names are', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field ${i}`, i]))
    expect(apart(many, {})).toHaveLength(MAX_FIELDS)
    expect(apart({ a: { ['x'.repeat(1_000)]: 1 } }, { a: { ['x'.repeat(1_000)]: 2 } })).toEqual([
      'a',
    ])
    expect(fieldsApart(under({}), nested('1'), nested('2'))[0]!.length).toBeLessThanOrEqual(200)
  })

  it('are counted, those that a route would answer first', () => {
    const figures = fieldFigures(under({}), [
      row(0, 0, true),
      row(0, 1, true),
      row(1, 0, false),
      row(1, 1, false),
      { adapted: '{}', upstream: null, agrees: false, isAnswered: false },
    ])
    expect(figures).toEqual({
      rows: 5,
      answered: 2,
      fields: [
        { path: 'b', rows: 2, answered: 1 },
        { path: 'a', rows: 2, answered: 0 },
        { path: '.', rows: 1, answered: 0 },
      ],
      others: 0,
    })
    const hostile = Array.from({ length: MAX_FIELDS + 7 }, (_, i) => ({
      adapted: JSON.stringify({ [`n${i}`]: 1 }),
      upstream: '{}',
      agrees: false,
      isAnswered: true,
    }))
    expect(fieldFigures(under({}), hostile)).toMatchObject({ others: 7, rows: MAX_FIELDS + 7 })
  })
})
