import { describe, expect, it } from 'vitest'
import { costFigures, costTable, taskCalls, type TaskCalls } from '../task/costs.ts'
import { withPriceList } from '../../src/core/cost/price-list.ts'
import type { Price } from '../../src/core/cost/prices.ts'

const upstream: Price = {
  model: 'gpt-4o-mini',
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 0.2,
  output: 10,
}
const calls: TaskCalls = {
  fullTokens: 1100,
  answeredTokens: 100,
  outputTokens: 10,
  answered: 0.5,
  discarded: 0.25,
  engineSeconds: 0.036,
}
const priced = { model: 'gpt-4o-mini', usdPerHour: 2 }
const valuesOf = (prices: Price[]): Record<string, number | string> =>
  Object.fromEntries(
    Object.entries(costFigures(calls, { ...priced, prices })).map(([name, { value }]) => [
      name,
      value,
    ])
  )

describe('what a million requests of a task save', () => {
  it('by hand: the answers and the engine apart, with the cache and without', () => {
    const figures = valuesOf([upstream])
    // a call now: 1,000 × 0.2 + 100 × 2 + 10 × 10 = 500, without the cache 2,300
    expect(figures['usd_per_million']).toBeCloseTo(500, 6)
    expect(figures['saved_usd_per_million']).toBeCloseTo(250, 6)
    expect(figures['saved_usd_per_million_no_cache']).toBeCloseTo(1150, 6)
    expect(figures['engine_usd_per_million']).toBeCloseTo(20, 6)
    expect(figures['net_usd_per_million']).toBeCloseTo(250 - 20, 6)
    expect(figures['price_as_of']).toBe('2026-11-01')
  })

  it('has no figures without a price of the model', () => {
    expect(costFigures(calls, { ...priced, prices: [] })).toEqual({})
    expect(costTable({})).toEqual([])
  })

  it('closes with a row a figure, with and without the cache', () => {
    const table = costTable(costFigures(calls, { ...priced, prices: [upstream] }))
    expect(table[0]).toEqual(['now', '500.00', '2300.00'])
    expect(table).toContainEqual(['net', '230.00', '1130.00'])
  })

  it('counts nothing as removed where nothing was answered', () => {
    const outcome = {
      answer: 'a',
      route: 'upstream',
      reason: null,
      promptTokens: 0,
      answerTokens: 0,
      firstTokenMs: 1,
      lastTokenMs: 2,
    }
    const rows = [{ query: 'q', answer: 'abcdefgh', meta: { id: '1' } }]
    const test = { rows, requests: [], promptTokens: [100] }
    const product = { lanes: 8, fullTokens: 100, answeredTokens: 0 }
    expect(taskCalls(test, [outcome], product)).toMatchObject({
      answeredTokens: 100,
      outputTokens: 2,
      answered: 0,
      engineSeconds: 0,
    })
  })

  it('has the prices that ship with the project where --prices names none', () => {
    const prices = withPriceList([])
    expect(costFigures(calls, { ...priced, prices })).toHaveProperty('net_usd_per_million')
  })
})
