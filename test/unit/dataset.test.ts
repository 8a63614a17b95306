import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  normalizeQuery,
  repeatsOf,
  splitPopulation,
  trainingRow,
} from '../../src/core/learn/dataset.ts'
import { EMPTY_PROMPT } from '../../src/core/template/prompt.ts'
import type { Match, Segment } from '../../src/core/template/template.ts'
import { exampleTemplate } from '../fixtures/examples.ts'

const slot = (name: string, kept: boolean): Segment => ({
  kind: 'slot',
  name,
  type: 'short',
  maxChars: 40,
  multiline: false,
  kept,
})

const segments = [
  { kind: 'anchor' as const, text: 'Requested: ' },
  slot('requested', true),
  slot('plan', true),
  slot('date', false),
]

const matchOf = (slots: Record<string, string>, ...turns: string[]): Match => ({
  template: {
    ...exampleTemplate(),
    messages: [
      { role: 'system', segments },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
  },
  slots,
  examples: {},
  query: 'four',
  turns: turns.map((content) => ({ role: 'user', content })),
})

const exchange = (i: number, query = `question number ${i}`, conversation = `chat-${i}`) => ({
  id: `id-${String(i).padStart(4, '0')}`,
  at: 1000 + i,
  conversation,
  query,
})

const many = (count: number) => Array.from({ length: count }, (_, i) => exchange(i))

const frequent = (i: number) => exchange(i, `frequent ${i % 5}`)

const ids = (exchanges: { id: string }[]): string[] => exchanges.map(({ id }) => id)

describe('splitPopulation with exchanges that are not a random part of the traffic', () => {
  it('has none of them in a sample, and trains on those before it', () => {
    const mixed = many(100).map((one, i) => ({ ...one, isSample: i % 4 === 0 }))
    const { train, traffic, unseen } = splitPopulation(mixed, { trainRows: 40, holdoutRows: 10 })
    expect(ids(traffic)).toEqual(ids(mixed.filter(({ isSample }) => isSample).slice(-10)))
    expect([...traffic, ...unseen].every(({ isSample }) => isSample)).toBe(true)
    expect(ids(train)).toEqual(ids(mixed.slice(20, 60)))
  })

  it('holds out as many as there are', () => {
    const mixed = many(100).map((one, i) => ({ ...one, isSample: i >= 95 }))
    const { traffic } = splitPopulation(mixed, { trainRows: 40, holdoutRows: 10 })
    expect(ids(traffic)).toEqual(ids(mixed.slice(-5)))
    const none = splitPopulation(
      mixed.map((one) => ({ ...one, isSample: false })),
      { trainRows: 40, holdoutRows: 10 }
    )
    expect(none.traffic).toEqual([])
  })
})

describe('splitPopulation', () => {
  it('holds the newest out and trains on the ones just before', () => {
    const { train, traffic, unseen } = splitPopulation(many(100), {
      trainRows: 30,
      holdoutRows: 20,
    })
    expect(ids(train)).toEqual(ids(many(100).slice(50, 80)))
    expect(ids(traffic)).toEqual(ids(many(100).slice(80)))
    expect(ids(unseen)).toEqual(ids(traffic))
  })

  it('does not depend on the order in which the log is read', () => {
    const forward = splitPopulation(many(50), { trainRows: 30, holdoutRows: 20 })
    expect(splitPopulation(many(50).reverse(), { trainRows: 30, holdoutRows: 20 })).toEqual(forward)
  })

  it('holds repeats out as they come, also those of questions that train', () => {
    const rows = [...many(10), exchange(10, 'Question, number 3!'), exchange(11)]
    const { traffic, unseen } = splitPopulation(rows, { trainRows: 8, holdoutRows: 3 })
    expect(traffic.map(({ query }) => query)).toContain('Question, number 3!')
    expect(unseen.map(({ query }) => query)).not.toContain('Question, number 3!')
  })

  const asked = { requested: 'people', plan: 'pro', date: 'today' }
  it.each<[string, Match | undefined, Match | undefined, boolean]>([
    ['without templates', undefined, undefined, true],
    ['with equal slots', matchOf(asked), matchOf(asked), true],
    ['with another dropped slot', matchOf(asked), matchOf({ ...asked, date: 'later' }), true],
    ['with another kept slot', matchOf(asked), matchOf({ ...asked, plan: 'free' }), false],
    ['with exchanged values', matchOf(asked), matchOf({ requested: 'pro', plan: 'people' }), false],
    ['with an empty slot', matchOf({ ...asked, plan: '' }), matchOf({ requested: 'people' }), true],
    ['with another turn', matchOf(asked, 'why?'), matchOf(asked, 'how?'), false],
    ['with equal turns', matchOf(asked, 'why?'), matchOf(asked, 'why?'), true],
  ])('trains one query %s once, with its newest answer, or twice', (_, first, second, isSame) => {
    const rows = [
      { ...exchange(0, 'hours?'), match: first },
      { ...exchange(1, 'Hours'), match: second },
      ...many(40).slice(2),
    ]
    const { train } = splitPopulation(rows, { trainRows: 30, holdoutRows: 10 })
    expect(ids(train).slice(0, 2)).toEqual(isSame ? ['id-0001', 'id-0002'] : ['id-0000', 'id-0001'])
  })

  it('tells queries without letters apart', () => {
    const { train } = splitPopulation([exchange(0, '?'), exchange(1, '!'), exchange(2, '!')], {
      trainRows: 3,
      holdoutRows: 0,
    })
    expect(ids(train)).toEqual(['id-0000', 'id-0002'])
  })

  it('orders conversations by their first exchange, and exchanges of one time by id', () => {
    const rows = [
      { ...exchange(3, 'c', 'late'), at: 5 },
      { ...exchange(1, 'b', 'early'), at: 5 },
      { ...exchange(2, 'd', 'middle'), at: 5 },
      { ...exchange(4, 'e', 'early'), at: 9 },
      { ...exchange(0, 'a', 'early'), at: 1 },
    ]
    const order = ['id-0000', 'id-0001', 'id-0004', 'id-0002', 'id-0003']
    for (const given of [rows, rows.toReversed()]) {
      expect(ids(splitPopulation(given, { trainRows: 5, holdoutRows: 0 }).train)).toEqual(order)
      // a conversation that the sample begins within leaves training whole
      const { train, traffic } = splitPopulation(given, { trainRows: 2, holdoutRows: 3 })
      expect([ids(train), ids(traffic)]).toEqual([[], order.slice(2)])
    }
  })

  it('keeps questions that came once from training where traffic has few new ones', () => {
    const rows = [
      ...many(300).map((row, i) => (i % 3 === 0 ? row : frequent(i))),
      ...Array.from({ length: 50 }, (_, i) => frequent(300 + i)),
    ]
    const { train, traffic, unseen } = splitPopulation(rows, { trainRows: 60, holdoutRows: 50 })
    expect(traffic.every(({ query }) => query.startsWith('frequent'))).toBe(true)
    expect(unseen).toHaveLength(45)
    expect(unseen.every(({ query }) => query.startsWith('question'))).toBe(true)
    // traffic is what the lora is for, so its frequent questions are learned
    expect(new Set(train.filter(({ query }) => query.startsWith('frequent'))).size).toBe(5)
    expect(train).toHaveLength(60)
  })

  it('keeps no question from training that training needs', () => {
    const rows = [
      ...many(60).map((row, i) => (i % 5 === 0 ? row : frequent(i))),
      ...Array.from({ length: 20 }, (_, i) => frequent(60 + i)),
    ]
    // 12 questions that came once and 5 frequent ones, for 12 rows of training
    const { train, unseen } = splitPopulation(rows, { trainRows: 12, holdoutRows: 20 })
    expect([train.length, unseen.length]).toEqual([12, 5])
  })

  it('holds second turns out although they all begin with one greeting', () => {
    const rows = Array.from({ length: 100 }, (_, i) => [
      exchange(2 * i, 'hello', `chat-${i}`),
      exchange(2 * i + 1, `hello\nquestion ${i}`, `chat-${i}`),
    ]).flat()
    const { train, traffic, unseen } = splitPopulation(rows, { trainRows: 60, holdoutRows: 40 })
    expect(traffic.filter(({ query }) => query !== 'hello')).toHaveLength(20)
    expect(unseen.length).toBeGreaterThanOrEqual(20)
    const trained = new Set(train.map(({ conversation }) => conversation))
    expect(traffic.filter(({ conversation }) => trained.has(conversation))).toEqual([])
  })

  it.each([
    [50, 150, 50, 37, 12],
    [50, 30, 20, 30, 20],
    [1, 1, 0, 1, 0],
    [0, 5, 5, 0, 0],
    [3, 0, 0, 0, 0],
  ])('of %d exchanges, wanted %d and %d, trains %d and holds %d out', (rows, ...sizes) => {
    const [trainRows, holdoutRows, ...expected] = sizes as [number, number, number, number]
    const { train, traffic } = splitPopulation(many(rows), { trainRows, holdoutRows })
    expect([train.length, traffic.length]).toEqual(expected)
  })

  it('never shares a conversation between the parts, and never tests a trained question as unseen', () => {
    const row = fc.record({ at: fc.nat(60), conversation: fc.nat(25), query: fc.nat(40) })
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 80 }),
        fc.nat(30),
        fc.nat(20),
        (rows, trainRows, holdoutRows) => {
          const exchanges = rows.map((one, i) => ({
            id: `id-${i}`,
            at: one.at,
            conversation: `c${one.conversation}`,
            query: `Query ${one.query}`,
          }))
          const split = splitPopulation(exchanges, { trainRows, holdoutRows })
          const { train, traffic, unseen } = split
          expect(train.length).toBeLessThanOrEqual(trainRows)
          expect(traffic.length).toBeLessThanOrEqual(holdoutRows)
          expect(unseen.length).toBeLessThanOrEqual(holdoutRows)
          const trained = new Set(train.map(({ query }) => normalizeQuery(query)))
          expect(trained.size).toBe(train.length)
          expect(unseen.filter(({ query }) => trained.has(normalizeQuery(query)))).toEqual([])
          const talked = new Set(train.map(({ conversation }) => conversation))
          const heldOut = [...traffic, ...unseen]
          expect(heldOut.filter(({ conversation }) => talked.has(conversation))).toEqual([])
        }
      ),
      { numRuns: 100 }
    )
  })
})

const isSame = (a: { answer: string }, b: { answer: string }) => a.answer === b.answer

it('counts repeated questions and those whose answers changed, the most frequent first', () => {
  const answers = {
    'hours?': ['nine', 'nine'],
    'price?': ['ten', 'ten', 'twelve'],
    'open?': ['yes', 'no', 'yes', 'no'],
    'once?': ['a'],
  }
  const rows = Object.entries(answers).flatMap(([query, all], place) =>
    all.map((answer, i) => ({ ...exchange(10 * place + i, query), answer }))
  )
  expect(repeatsOf(rows.toReversed(), isSame)).toEqual({
    questions: 3,
    changed: 2,
    changedShare: 0.7,
    examples: ['id-0023', 'id-0012'],
  })
  const often = Array.from({ length: 24 }, (_, i) => ({
    ...exchange(i, `q${i % 12}`),
    answer: `${i}`,
  }))
  expect(repeatsOf(often, isSame)).toMatchObject({ changed: 12, examples: { length: 10 } })
  expect(repeatsOf([], isSame)).toMatchObject({ questions: 0, changedShare: 0 })
})

it('folds case, width, blanks and punctuation of a query', () => {
  expect(normalizeQuery('  Where’s my ＣＡＲＤ?\n')).toBe('where s my card')
})

it('trains with the logged answer, byte for byte, whatever the stage', () => {
  const answer = ' {"b": 1,\t"a": 2}\n'
  const last = { role: 'assistant', content: answer }
  const user = { role: 'user', content: 'requested: people\nplan: \nfour' }
  const match = matchOf({ requested: 'people', date: 'today' })
  expect(trainingRow(match, EMPTY_PROMPT, answer).messages).toEqual([user, last])
  const full = trainingRow(match, { ...EMPTY_PROMPT, template: 'Rules.' }, answer)
  expect(full.messages).toEqual([{ role: 'system', content: 'Rules.' }, user, last])
})
