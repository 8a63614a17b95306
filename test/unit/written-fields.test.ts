import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agree } from '../../src/core/answer/agreement.ts'
import { fieldFigures, fieldsApart } from '../../src/core/answer/field-figures.ts'
import { checkedRule, type FieldKind } from '../../src/core/answer/field-rules.ts'
import {
  judgedText,
  judgedTexts,
  MAX_WRITTEN_TEXTS,
  splitAnswer,
  supportOf,
  textPairs,
  writtenText,
} from '../../src/core/answer/written-fields.ts'
import { factorOfTenfold } from '../kit/linear.ts'
import { under } from '../kit/records/under-rules.ts'

const WRITTEN: FieldKind = { kind: 'written' }

const SUMMARY = under({ summary: WRITTEN })

const split = (answer: unknown, comparison = SUMMARY) =>
  splitAnswer(comparison, typeof answer === 'string' ? answer : JSON.stringify(answer))

const pairsOf = (one: unknown, other: unknown, comparison = SUMMARY) =>
  textPairs(split(one, comparison), split(other, comparison))?.map((pair) => Object.values(pair)) ??
  null

const textsOf = (answer: unknown, comparison = SUMMARY) =>
  split(answer, comparison).texts.map(({ path, text }) => `${path}=${text}`)

const long = (last: number): string => `{"summary":12345678901234567890${last}}`

describe('a written field', () => {
  it('is a place within the answer', () => {
    expect(() => checkedRule('.', WRITTEN)).toThrow('name its path')
    expect(checkedRule('a[].b', WRITTEN)).toEqual({ path: 'a[].b', rule: WRITTEN })
  })

  it('agrees where it is equal, as without the rule', () => {
    const [one, other] = ['{"id":1,"summary":"A refund."}', '{"summary":"Money back.","id":1}']
    expect(agree(SUMMARY, one, other)).toBe(false)
    expect(agree(SUMMARY, one, '{"summary":"A refund.", "id":1.0}')).toBe(true)
  })

  it('is the text that a judge is asked about, where all else is equal', () => {
    const one = { id: 1, summary: 'A refund.' }
    expect(pairsOf(one, { summary: 'Money back.', id: 1 })).toEqual([
      ['summary', 'A refund.', 'Money back.'],
    ])
    expect(pairsOf(one, { id: 2, summary: 'A refund.' })).toBeNull()
    expect(pairsOf(one, { summary: 'A refund.' })).toBeNull()
    expect(pairsOf(one, one)).toEqual([])
  })

  it('is compared as it is where it is no text, blank or missing', () => {
    const one = { id: 1, summary: 'A refund.' }
    for (const summary of [null, 7, true, '', ' \n', ['A refund.'], { text: 'A refund.' }]) {
      expect(split({ id: 1, summary }).texts).toEqual([])
      expect(pairsOf(one, { id: 1, summary })).toBeNull()
      expect(pairsOf({ id: 1, summary }, { id: 1, summary })).toEqual([])
    }
    expect(pairsOf(one, { id: 1 })).toBeNull()
    expect(pairsOf({ summary: '' }, { summary: ' ' })).toBeNull()
    // more digits than a double has: kept as a text, and no text
    expect(split(long(1)).texts).toEqual([])
    expect(pairsOf(long(1), long(2))).toBeNull()
  })

  it('stands in objects, in lists and in each item of a list', () => {
    const comparison = under({ 'a.b': WRITTEN, 'items[].note': WRITTEN, 'tags[]': WRITTEN })
    const answer = {
      items: [{ sku: 1, note: 'x' }, { sku: 2 }, { note: 'y', sku: 3 }, 'no object'],
      tags: ['t', 5, 'u'],
      a: { b: 'z' },
    }
    expect(textsOf(answer, comparison)).toEqual([
      'a.b=z',
      'items[].note=x',
      'items[].note=y',
      'tags[]=t',
      'tags[]=u',
    ])
    const items = answer.items.toReversed()
    expect(pairsOf(answer, { ...answer, items }, comparison)).toBeNull()
    expect(pairsOf(answer, { ...answer, tags: ['t', 6, 'u'] }, comparison)).toBeNull()
    expect(pairsOf(answer, { ...answer, tags: ['t', 5] }, comparison)).toBeNull()
    expect(pairsOf(answer, { ...answer, tags: ['s', 5, 'v'] }, comparison)).toEqual([
      ['tags[]', 't', 's'],
      ['tags[]', 'u', 'v'],
    ])
  })

  it('belongs to its item in a set, whatever the order is', () => {
    const comparison = under({ items: { kind: 'set' }, 'items[].note': WRITTEN })
    const one = [
      { note: 'first', sku: 1 },
      { note: 'second', sku: 2 },
    ]
    const other = [
      { note: 'a second one', sku: 2 },
      { note: 'a first one', sku: 1 },
    ]
    expect(pairsOf({ items: one }, { items: other }, comparison)).toEqual([
      ['items[].note', 'first', 'a first one'],
      ['items[].note', 'second', 'a second one'],
    ])
    const swapped = [
      { note: 'first', sku: 2 },
      { note: 'second', sku: 1 },
    ]
    expect(pairsOf({ items: one }, { items: swapped }, comparison)).toEqual([
      ['items[].note', 'first', 'second'],
      ['items[].note', 'second', 'first'],
    ])
  })

  it('is no list where its items are written, too', () => {
    const comparison = under({ a: WRITTEN, 'a[]': WRITTEN, b: WRITTEN, 'b[]': WRITTEN })
    expect(textsOf({ a: 'x', b: ['y'] }, comparison)).toEqual(['a=x', 'b[]=y'])
    expect(pairsOf({ a: 'x', b: ['y'] }, { a: ['x'], b: 'y' }, comparison)).toBeNull()
    expect(pairsOf({ a: 'x', b: ['y'] }, { a: 'z', b: ['y'] }, comparison)).toEqual([
      ['a', 'x', 'z'],
    ])
  })

  it('within a free one is no text', () => {
    const comparison = under({ meta: { kind: 'free' }, 'meta.note': WRITTEN, summary: WRITTEN })
    const one = { meta: { note: 'x' }, summary: 'A refund.' }
    expect(textsOf(one, comparison)).toEqual(['summary=A refund.'])
    expect(pairsOf(one, { ...one, meta: {} }, comparison)).toEqual([])
  })

  it('stands beside fields with other rules', () => {
    const comparison = under({
      id: { kind: 'free' },
      total: { kind: 'rounded', to: 0.01 },
      summary: WRITTEN,
    })
    const one = { id: 'a', total: 1.001, summary: 'x' }
    const pair = ['summary', 'x', 'y']
    expect(pairsOf(one, { id: 'b', total: 1.002, summary: 'y' }, comparison)).toEqual([pair])
    expect(pairsOf(one, { id: 'b', total: 1.01, summary: 'y' }, comparison)).toBeNull()
  })

  it('may be JSON, a call, or what a rule puts in its place', () => {
    for (const text of ['{"summary":"x"}', '[[call]] f {}', '🙂', '"', 'a\u2028b', '0'])
      expect(pairsOf({ summary: text }, { summary: 'y' })).toEqual([['summary', text, 'y']])
    // in the answer itself
    expect(pairsOf('{"summary":"\\ud83d\\ude42"}', { summary: 'y' })).toEqual([
      ['summary', '🙂', 'y'],
    ])
    for (const forged of ['"\\ud801"', '["\\ud801"]', '{"\\ud801":""}', '["\ud801","x"]'])
      expect(pairsOf(`{"summary":${forged}}`, { summary: 'y' })).toBeNull()
  })

  it('is not moved to another place by what a rule puts there', () => {
    const comparison = under({ a: WRITTEN, b: WRITTEN })
    const [one, other] = [
      { a: 'text', b: ['\ud801'] },
      { a: ['\ud801'], b: 'text' },
    ]
    expect(pairsOf(one, other, comparison)).toBeNull()
  })

  it('may have a name of the prototype', () => {
    const comparison = under({ ['__proto__']: WRITTEN, constructor: WRITTEN, toString: WRITTEN })
    const own = '{"__proto__":"x","constructor":"c"}'
    expect(textsOf(own, comparison)).toEqual(['__proto__=x', 'constructor=c'])
    expect(textsOf({}, comparison)).toEqual([])
    expect(pairsOf(own, '{"__proto__":"y","constructor":"c"}', comparison)).toEqual([
      ['__proto__', 'x', 'y'],
    ])
    expect(pairsOf(own, '{"constructor":"c"}', comparison)).toBeNull()
  })

  it('is one of 50 at most; further texts are compared as they are', () => {
    const comparison = under({ '[]': WRITTEN })
    const answer = Array.from({ length: MAX_WRITTEN_TEXTS + 1 }, (_, at) => `text ${at}`)
    expect(split(answer, comparison).texts).toHaveLength(MAX_WRITTEN_TEXTS)
    expect(pairsOf(answer, answer.with(0, 'another'), comparison)).toHaveLength(1)
    expect(pairsOf(answer, answer.with(MAX_WRITTEN_TEXTS, 'another'), comparison)).toBeNull()
  })
})

describe('an answer without written texts', () => {
  it('is one text as a whole where there is no such rule', () => {
    for (const comparison of [under({}), under({ id: { kind: 'free' } })])
      expect(pairsOf('One.', 'Another.', comparison)).toEqual([['.', 'One.', 'Another.']])
  })

  it('is fixed as a whole where it is no JSON, or a call', () => {
    for (const answer of ['no JSON', '[[call]] f {"summary":"x"}', '{"summary":"x","summary":"y"}'])
      expect([split(answer).texts, pairsOf(answer, { summary: 'x' })]).toEqual([[], null])
  })
})

describe('any two answers', () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('x', 'y', ' ', 0, 0.004, null),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b'), tie('any'))
    ),
  })).any
  const path = fc.constantFrom('a', 'b', 'a[]', 'a.b', '[]', '[].a', 'a[].b')
  const rule = fc.constantFrom<FieldKind>(
    WRITTEN,
    WRITTEN,
    { kind: 'free' },
    { kind: 'set' },
    { kind: 'rounded', to: 0.01 }
  )
  const rules = fc.dictionary(path, rule, { maxKeys: 4 })

  it('have as many texts where their fixed parts are equal, and agree where these are, too', () => {
    fc.assert(
      fc.property(rules, value, value, (given, ...values) => {
        const comparison = under({ ...given, c: WRITTEN })
        const [one, other] = values.map((each) => JSON.stringify(each)) as [string, string]
        const pairs = pairsOf(one, other, comparison)
        if (split(one, comparison).fixed === split(other, comparison).fixed)
          expect(pairs).not.toBeNull()
        // without a text that differs nothing is left to a judge
        if (pairs?.length === 0) expect(agree(comparison, one, other)).toBe(true)
        if (agree(comparison, one, other)) expect(pairs).not.toBeNull()
        expect(fieldsApart(comparison, one, other).length === 0).toBe(agree(comparison, one, other))
      })
    )
  })

  it('are equivalent in their fixed parts, which a written rule never makes unequal', () => {
    fc.assert(
      fc.property(rules, value, value, (given, one, other) => {
        const strict = Object.fromEntries(
          Object.entries(given).filter(([, { kind }]) => kind !== 'written')
        )
        const answers = [one, other].map((each) => JSON.stringify(each)) as [string, string]
        if (agree(under(strict), ...answers))
          expect(pairsOf(...answers, under({ ...given, c: WRITTEN }))).not.toBeNull()
      })
    )
  })
})

describe('what a judge reads', () => {
  it('is one text as it is, and several below their paths', () => {
    const [a, b] = [
      { path: 'a', text: 'One.\nb:\n  Two.' },
      { path: 'b', text: 'Two.' },
    ] as const
    expect(judgedText([a])).toBe(a.text)
    expect(judgedText([a, b])).toBe('a:\n  One.\n  b:\n    Two.\n\nb:\n  Two.')
    for (const end of ['\n', '\r', '\r\n', '\v', '\f', '\u0085', '\u2028', '\u2029'])
      expect(judgedText([{ path: 'a', text: `One.${end}b:` }, b])).toBe(
        `a:\n  One.${end}  b:\n\nb:\n  Two.`
      )
  })

  it('is of both answers in the same places, without the texts that are equal', () => {
    const comparison = under({ a: WRITTEN, b: WRITTEN, c: WRITTEN })
    const pairs = textPairs(
      split({ a: '1', b: '2', c: '3' }, comparison),
      split({ a: 'one', b: '2', c: 'three' }, comparison)
    )!
    expect(judgedTexts(pairs)).toEqual({
      first: 'a:\n  1\n\nc:\n  3',
      other: 'a:\n  one\n\nc:\n  three',
    })
  })
})

describe('what is read for facts', () => {
  it('is what is written; the other fields support it, with the values that are free', () => {
    const comparison = under({ id: { kind: 'free' }, summary: WRITTEN })
    const answer = split({ id: 'A-17', total: 42.5, summary: 'See A-17.' }, comparison)
    expect(writtenText(answer)).toBe('See A-17.')
    const support = supportOf('The request.', answer)
    expect(support).toContain('The request.')
    expect(support).toContain('A-17')
    expect(support).toContain('42.5')
    expect(support).not.toContain('See')
    expect(supportOf('The request.', splitAnswer(under({}), 'An answer.'))).toBe('The request.')
  })

  it('has each value of the other fields alone, as a text', () => {
    const comparison = under({ summary: WRITTEN, 'notes[]': WRITTEN })
    const answer = '{"a":[10,[50]],"summary":"x","b":{"c":"One\\nTwo","d":true},"notes":["x",null]}'
    expect(split(answer, comparison).beside.split('\n\n')).toEqual([
      'a: ',
      '10',
      '50',
      'b: ',
      'c: One\nTwo',
      'd: true',
      'notes: ',
      'null',
    ])
    expect(split({ summary: 'x' }).beside).toBe('')
  })

  it('has no sentence that is free, at any depth', () => {
    const comparison = under({ why: { kind: 'free' }, meta: { kind: 'free' }, summary: WRITTEN })
    const meta = { at: '3 March 2031', notes: ['Due on 4 April 2032.'], 'On 5 May 2033 then': 7 }
    const answer = { why: 'It costs 99 EUR.', meta, total: 'It costs 88 EUR.', summary: 'x' }
    const { beside } = split(answer, comparison)
    for (const known of ['3 March 2031', '88 EUR', '7']) expect(beside).toContain(known)
    for (const hidden of ['99', '2032', '2033']) expect(beside).not.toContain(hidden)
  })

  it('has all digits of a number that a double cannot hold', () => {
    const numbers = ['12345678901234567891', '12345678901234567890000', '-0.12345678901234567891']
    expect(split(`{"ids":[${numbers.join()}]}`).beside.split('\n\n').slice(1)).toEqual([
      ...numbers.slice(0, 2),
      '-12345678901234567891e-20',
    ])
  })

  it('may be nested deeper than the stack', () => {
    const depth = 20_000
    expect(split(`{"a":${'['.repeat(depth)}1${']'.repeat(depth)}}`).beside).toContain('1')
  })
})

describe('fields that disagree', () => {
  const one = '{"id":1,"summary":"x"}'

  it('are the written ones only where all others agree', () => {
    expect(fieldsApart(SUMMARY, one, '{"id":1,"summary":"y"}')).toEqual(['summary'])
    expect(fieldsApart(SUMMARY, one, '{"id":2,"summary":"y"}')).toEqual(['id'])
    expect(fieldsApart(SUMMARY, one, '{"id":1,"summary":{"text":"x"}}')).toEqual(['summary'])
  })

  it('are none of an answer that a judge has accepted', () => {
    const upstream = '{"id":1,"summary":"y"}'
    const rows = [true, false].map((agrees) => ({
      adapted: one,
      upstream,
      agrees,
      isAnswered: true,
    }))
    expect(fieldFigures(SUMMARY, rows)).toMatchObject({
      rows: 2,
      fields: [{ path: 'summary', rows: 1, answered: 1 }],
    })
  })
})

const MANY = under({ 'items[].note': WRITTEN, items: { kind: 'set' }, summary: WRITTEN })
const ofItems = (size: number): string =>
  JSON.stringify({
    items: Array.from({ length: size / 32 }, (_, sku) => ({ sku, note: `note ${sku}` })),
  })
const ofText = (size: number): string => JSON.stringify({ summary: `${'\n'.repeat(size)}x` })
const read = (answer: string) => {
  const [one, two] = [answer, answer.replace(/note |x"/, 'y$&')].map((each) =>
    splitAnswer(MANY, each)
  )
  return judgedTexts(textPairs(one!, two!)!)
}

describe('time', () => {
  it.each([
    ['many items', ofItems],
    ['one long text', ofText],
  ])('grows with the answer alone: %s', (_name, make) => {
    expect(factorOfTenfold({ size: 32_768, make, run: read }, 25)).toBeLessThan(25)
  })
})
