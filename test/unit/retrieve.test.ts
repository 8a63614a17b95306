import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createExampleIndex } from '../../src/core/learn/retrieve.ts'

const pool = [
  'my card has not arrived yet',
  'My card has not arrived yet!',
  'when will my new card arrive',
  'the card I ordered has still not arrived in the mail',
  'how do I change my PIN',
  'the atm swallowed my card',
  'transfer money to another bank',
].map((query, i) => ({ id: `row-${i}`, query, answer: `answer-${i}` }))

const idsFor = (query: string, k: number, excludeId: string) =>
  createExampleIndex(pool)
    .retrieve(query, { k, excludeId })
    .map(({ id }) => id)

describe('createExampleIndex', () => {
  it('finds similar exchanges, the most similar last', () => {
    const ids = idsFor('my card has not arrived', 3, 'none')
    expect(ids.at(-1)).toMatch(/row-[01]/)
    expect(ids).toContain('row-3')
    expect(ids).not.toContain('row-6')
  })

  it('leaves out the row itself and near-duplicates of it', () => {
    const ids = idsFor('my card has not arrived yet', 5, 'row-0')
    expect(ids).not.toContain('row-0')
    expect(ids).not.toContain('row-1')
    expect(ids.length).toBeGreaterThan(1)
  })

  it('prefers variety to a second example that says the same', () => {
    const ids = idsFor('has my card arrived yet or not', 2, 'none')
    expect(ids).not.toEqual(expect.arrayContaining(['row-0', 'row-1']))
  })

  it('gives nothing when nothing is wanted or nothing matches', () => {
    expect(idsFor('my card', 0, 'none')).toEqual([])
    expect(idsFor('zzz', 3, 'none')).toEqual([])
    expect(createExampleIndex([]).retrieve('my card', { k: 3, excludeId: 'x' })).toEqual([])
  })

  it('survives any query, gives each example once and never the row itself', () => {
    const index = createExampleIndex(pool)
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 10 }), (noise, k) => {
        const found = index.retrieve(`card ${noise} transfer`, { k, excludeId: 'row-6' })
        const ids = found.map(({ id }) => id)
        expect(ids.length).toBeLessThanOrEqual(k)
        expect(new Set(ids).size).toBe(ids.length)
        expect(ids).not.toContain('row-6')
        for (const example of found) expect(pool).toContainEqual(example)
      })
    )
  })
})
