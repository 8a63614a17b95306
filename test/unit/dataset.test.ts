import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalizeQuery, splitExchanges, trainingRow } from '../../src/core/dataset.ts'
import { EMPTY_PROMPT } from '../../src/core/prompt.ts'
import type { Match } from '../../src/core/template.ts'

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

const exchange = (i: number, query = `question number ${i}`, session = `session-${i}`) => ({
  id: `id-${String(i).padStart(4, '0')}`,
  at: 1000 + i,
  session,
  query,
})

const many = (count: number) => Array.from({ length: count }, (_, i) => exchange(i))

describe('splitExchanges', () => {
  it('holds the newest out and trains on the ones just before', () => {
    const { train, holdout } = splitExchanges(many(100), { trainRows: 30, holdoutRows: 20 })
    expect(train.map(({ id }) => id)).toEqual(
      many(100)
        .slice(50, 80)
        .map(({ id }) => id)
    )
    expect(holdout.map(({ id }) => id)).toEqual(
      many(100)
        .slice(80)
        .map(({ id }) => id)
    )
  })

  it('does not depend on the order in which the log is read', () => {
    const forward = splitExchanges(many(50), { trainRows: 30, holdoutRows: 20 })
    expect(splitExchanges(many(50).reverse(), { trainRows: 30, holdoutRows: 20 })).toEqual(forward)
  })

  it('counts a repeated query once, at its first time', () => {
    const rows = [...many(10), exchange(10, 'Question, number 3!'), exchange(11)]
    const { train, holdout } = splitExchanges(rows, { trainRows: 8, holdoutRows: 3 })
    expect(train).toHaveLength(8)
    expect(holdout.map(({ query }) => query)).not.toContain('Question, number 3!')
  })

  it('keeps the same query apart when a kept slot differs, on one side of the split', () => {
    const rows = [
      ...many(20),
      { ...exchange(20, 'four'), match: matchOf('four', 'people') },
      { ...exchange(21, 'four'), match: matchOf('four', 'time') },
      { ...exchange(22, 'four'), match: matchOf('four', 'time') },
      ...many(40).slice(23),
    ]
    const { train, holdout } = splitExchanges(rows, { trainRows: 21, holdoutRows: 10 })
    const fours = [...train, ...holdout].filter(({ query }) => query === 'four')
    expect(fours.length).toBeGreaterThanOrEqual(1)
    expect(fours.length).toBeLessThanOrEqual(2)
    expect(holdout).toHaveLength(10)
  })

  it('shrinks both parts alike when the log is short', () => {
    const { train, holdout } = splitExchanges(many(50), { trainRows: 150, holdoutRows: 50 })
    expect([train.length, holdout.length]).toEqual([37, 12])
  })

  it('gives empty parts for an empty log', () => {
    expect(splitExchanges([], { trainRows: 5, holdoutRows: 5 })).toEqual({ train: [], holdout: [] })
  })

  it('never shares a query or a session between the parts, and never gives more than asked', () => {
    const row = fc.record({ at: fc.nat(60), session: fc.nat(25), query: fc.nat(40) })
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 80 }),
        fc.nat(30),
        fc.nat(20),
        (rows, trainRows, holdoutRows) => {
          const exchanges = rows.map((one, i) => ({
            id: `id-${i}`,
            at: one.at,
            session: `s${one.session}`,
            query: `Query ${one.query}`,
          }))
          const { train, holdout } = splitExchanges(exchanges, { trainRows, holdoutRows })
          expect(train.length).toBeLessThanOrEqual(trainRows)
          expect(holdout.length).toBeLessThanOrEqual(holdoutRows)
          const overlap = (of: (exchange: (typeof exchanges)[number]) => string) => {
            const trained = new Set(train.map(of))
            return holdout.filter((one) => trained.has(of(one)))
          }
          expect(overlap(({ query }) => normalizeQuery(query))).toEqual([])
          expect(overlap(({ session }) => session)).toEqual([])
          expect(new Set([...train, ...holdout].map(({ query }) => query)).size).toBe(
            train.length + holdout.length
          )
        }
      ),
      { numRuns: 300 }
    )
  })

  it('fills both parts whenever single-exchange sessions suffice', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.nat(20), (trainRows, holdoutRows, spare) => {
        const split = splitExchanges(many(trainRows + holdoutRows + spare), {
          trainRows,
          holdoutRows,
        })
        expect(split.train).toHaveLength(trainRows)
        expect(split.holdout).toHaveLength(holdoutRows)
      })
    )
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
