import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import { describeForm } from '../../src/core/form/describe-form.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { sizesOf } from '../../src/core/form/form.ts'
import { matchParts } from '../../src/core/form/match-parts.ts'
import type { FormRow } from '../../src/core/form/read-targets.ts'
import { seededRandom } from '../../src/random.ts'
import { rowOf } from '../kit/form-grammars.ts'

const rowsOf = (
  count: number,
  row: (at: number, below: (n: number) => number) => FormRow
): FormRow[] => {
  const random = seededRandom(3)
  const below = (n: number): number => Math.floor(random() * n)
  return Array.from({ length: count }, (_, at) => row(at, below))
}

const STATES = ['approved', 'denied', 'sent to review']

describe('templated answers', () => {
  it('are skeletons with copied and chosen values', () => {
    const rows = rowsOf(300, (_, below) => {
      const amount = `$${below(900)}.${10 + below(90)}`
      const date = `2026-0${1 + below(9)}-${10 + below(18)}`
      const state = STATES[below(3)]
      const text = `I paid ${amount}, it should be here on ${date}, my mood is ${state}`
      return rowOf(text, `Your refund of ${amount} was ${state} and arrives by ${date}.`)
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form)).toEqual({ fields: 2, choices: [3] })
  })

  it('are told apart by a choice of skeletons, and rare ones are left out', () => {
    const rows = rowsOf(400, (at, below) => {
      const id = String(10_000 + below(90_000))
      if (at === 7) return rowOf(`odd ${id}`, `Something else entirely happened with ${id}, sorry!`)
      return rowOf(
        `order ${id}`,
        [
          `I found order ${id}. It is on its way to you.`,
          `There is no order ${id}, please check the number.`,
          'Please write to our support team.',
        ][at % 3]!
      )
    })
    const found = findForm(rows)
    expect(found?.unexplained).toEqual([7])
    expect(sizesOf(found!.form).choices).toEqual([3])
    expect(describeForm(found!.form)[0]?.examples).toContain(
      'There is no order …, please check the number.'
    )
  })

  it('are found within JSON, too', () => {
    const rows = rowsOf(200, (at, below) => {
      const id = String(10_000 + below(90_000))
      const reply =
        at % 2 ? `Order ${id} was cancelled for you.` : `I cannot cancel ${id} any more.`
      return rowOf(`please cancel ${id}`, JSON.stringify({ id, done: at % 2 === 1, reply }))
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    // the id and the one in the replies are one span
    expect(describeForm(found!.form).map(({ path }) => path)).toEqual([
      'id',
      'done',
      'reply',
      'reply#1{1}',
      'reply#2{1}',
    ])
  })

  it('are lines of names and values', () => {
    const rows = rowsOf(200, (_, below) => {
      const [name, id] = [`Ann${'abcdefgh'[below(8)]}${'ijklmnop'[below(8)]}`, String(below(1e6))]
      return rowOf(
        `${name} here, number ${id}`,
        `Name: ${name}\nNumber: ${id}\nLevel: ${['low', 'high'][below(2)]}\n`
      )
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form)).toEqual({ fields: 2, choices: [2] })
  })

  it('share fields that stand at the same places of the message', () => {
    const rows = rowsOf(300, (at, below) => {
      const [name, id] = [`${'ABCDEFG'[below(7)]}na${below(99)}`, String(10_000 + below(90_000))]
      const answer = [
        `Hello ${name}, order ${id} is on its way to you.`,
        `Sorry, there is no ${id} in our books, dear ${name}.`,
      ][at % 2]!
      return rowOf(`My name is ${name} and my order number: ${id}`, answer)
    })
    const found = findForm(rows)
    expect(found?.explained).toBe(1)
    expect(sizesOf(found!.form)).toEqual({ fields: 2, choices: [2] })
  })

  it('may be a closed set of sentences', () => {
    const rows = rowsOf(60, (at) =>
      rowOf(`text ${at}`, ['Yes, we do.', 'No.', 'Ask Bob!'][at % 3]!)
    )
    expect(sizesOf(findForm(rows)!.form)).toEqual({ fields: 0, choices: [3] })
  })
})

describe('taking a text apart', () => {
  it.each([
    [['a', null, 'c'], 'abc', ['b']],
    [['a', null, 'c'], 'ac', ['']],
    [['a', null, 'c'], 'abcxc', ['bcx']],
    [[null, ' and ', null], 'x and y and z', ['x', 'y and z']],
    [['a'], 'a', []],
    [['a'], 'ab', null],
    [['a', null, 'aa'], 'aa', null],
    [[null], 'any', ['any']],
  ])('%j of %j is %j', (parts, text, holes) => {
    expect(matchParts(parts, text)?.map((one) => one.text) ?? null).toEqual(holes)
  })

  it('finds holes wherever there are some, and they give the text again', () => {
    const parts = fc.array(
      fc.string({ minLength: 1, maxLength: 2, unit: fc.constantFrom('a', 'b') }),
      {
        minLength: 1,
        maxLength: 4,
      }
    )
    fc.assert(
      fc.property(
        parts,
        fc.array(fc.constantFrom('', 'a', 'b', 'ab'), { minLength: 4 }),
        (texts, values) => {
          const skeleton = texts.flatMap((text) => [text, null])
          const text = texts.map((part, at) => part + values[at % values.length]!).join('')
          const holes = matchParts(skeleton, text)
          expect(holes).not.toBeNull()
          let hole = 0
          expect(skeleton.map((part) => part ?? holes![hole++]!.text).join('')).toBe(text)
        }
      )
    )
  })
})
