import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  normalizeQuery,
  repeatsOf,
  splitPopulation,
  trainingRow,
} from '../../src/core/learn/dataset.ts'
import { EMPTY_PROMPT } from '../../src/core/template/prompt.ts'
import type { Match } from '../../src/core/template/template.ts'

const matchOf = (query: string, requested: string): Match => ({
  template: {
    tenant: 't',
    model: 'm',
    tools: '',
    responseFormat: '',
    version: 'v',
    maxTurnsAfter: 0,
    messages: [
      {
        role: 'system',
        segments: [
          { kind: 'anchor', text: 'Requested: ' },
          {
            kind: 'slot',
            name: 'requested',
            type: 'short',
            maxChars: 40,
            multiline: false,
            kept: true,
          },
        ],
      },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
  },
  slots: { requested },
  examples: {},
  query,
  turns: [],
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

  it('trains a repeated question once, with its newest answer', () => {
    const rows = [exchange(0, 'hours?'), exchange(1, 'Hours'), ...many(40).slice(2)]
    const { train } = splitPopulation(rows, { trainRows: 30, holdoutRows: 10 })
    expect(ids(train)).toContain('id-0001')
    expect(ids(train)).not.toContain('id-0000')
  })

  it('trains the same query with another kept slot as another question', () => {
    const rows = [
      { ...exchange(0, 'four'), match: matchOf('four', 'people') },
      { ...exchange(1, 'four'), match: matchOf('four', 'time') },
      { ...exchange(2, 'four'), match: matchOf('four', 'time') },
      ...many(40).slice(3),
    ]
    const { train } = splitPopulation(rows, { trainRows: 30, holdoutRows: 10 })
    expect(ids(train).filter((id) => id < 'id-0003')).toEqual(['id-0000', 'id-0002'])
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

  it('shrinks all parts alike when the log is short', () => {
    const { train, traffic } = splitPopulation(many(50), { trainRows: 150, holdoutRows: 50 })
    expect([train.length, traffic.length]).toEqual([37, 12])
  })

  it('gives empty parts for an empty log', () => {
    expect(splitPopulation([], { trainRows: 5, holdoutRows: 5 })).toEqual({
      train: [],
      traffic: [],
      unseen: [],
    })
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
      { numRuns: 300 }
    )
  })

  it('fills both parts whenever conversations of one exchange suffice', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.nat(20), (trainRows, holdoutRows, spare) => {
        const split = splitPopulation(many(trainRows + holdoutRows + spare), {
          trainRows,
          holdoutRows,
        })
        expect(split.train).toHaveLength(trainRows)
        expect(split.traffic).toHaveLength(holdoutRows)
      })
    )
  })
})

describe('repeatsOf', () => {
  it('counts repeated questions and those whose answers changed, the most frequent first', () => {
    const rows = [
      { ...exchange(0, 'hours?'), answer: 'nine' },
      { ...exchange(1, 'price?'), answer: 'ten' },
      { ...exchange(2, 'hours'), answer: 'nine' },
      { ...exchange(3, 'price'), answer: 'twelve' },
      { ...exchange(4, 'once'), answer: 'a' },
    ]
    const repeats = repeatsOf(rows, (a, b) => a.answer === b.answer)
    expect(repeats).toEqual({ questions: 2, changed: 1, changedShare: 0.4, examples: ['id-0003'] })
  })
})

describe('normalizeQuery', () => {
  it('folds case, width, blanks and punctuation', () => {
    expect(normalizeQuery('  Where’s my ＣＡＲＤ?\n')).toBe('where s my card')
  })
})

describe('trainingRow', () => {
  it('ends with the logged answer, byte for byte, whatever the stage', () => {
    const answer = ' {"b": 1,\t"a": 2}\n'
    const match = matchOf('four', 'people')
    const full = trainingRow(match, { ...EMPTY_PROMPT, template: 'Rules.' }, answer)
    const bare = trainingRow(match, EMPTY_PROMPT, answer)
    expect(full.messages.at(-1)).toEqual({ role: 'assistant', content: answer })
    expect(bare.messages.at(-1)).toEqual(full.messages.at(-1))
    expect(bare.messages[0]).toEqual({ role: 'user', content: 'requested: people\nfour' })
    expect(full.messages[0]).toEqual({ role: 'system', content: 'Rules.' })
  })
})
