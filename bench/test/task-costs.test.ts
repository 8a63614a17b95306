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
const base: Price = { ...upstream, model: 'base', input: 1, cachedInput: 0.1, output: 5 }
const calls: TaskCalls = {
  fullTokens: 1100,
  answeredTokens: 100,
  outputTokens: 10,
  answered: 0.5,
  discarded: 0.25,
  engineSeconds: 0.036,
}
const priced = { model: 'gpt-4o-mini', baseModel: 'base', usdPerHour: 2 }
const valuesOf = (prices: Price[]): Record<string, number | string> =>
  Object.fromEntries(
    Object.entries(costFigures(calls, { ...priced, prices })).map(([name, { value }]) => [
      name,
      value,
    ])
  )

describe('what a million requests of a task save', () => {
  it('by hand: the model, the prompt, discarded answers and the engine apart', () => {
    const figures = valuesOf([upstream, base])
    // a call now: 1,000 × 0.2 + 100 × 2 + 10 × 10 = 500; with the prompt on the base model 250, without 150
    expect(figures['usd_per_million']).toBeCloseTo(500, 6)
    expect(figures['saved_by_model_usd_per_million']).toBeCloseTo(125, 6)
    expect(figures['saved_by_prompt_usd_per_million']).toBeCloseTo(50, 6)
    expect(figures['discarded_usd_per_million']).toBeCloseTo(37.5, 6)
    expect(figures['engine_usd_per_million']).toBeCloseTo(20, 6)
    expect(figures['net_usd_per_million']).toBeCloseTo(125 + 50 - 37.5 - 20, 6)
    expect(figures['price_as_of']).toBe('2026-11-01')
  })

  it('shows that the removal of the prompt alone is small where the provider caches', () => {
    const figures = valuesOf([upstream, base])
    expect(figures['prompt_alone_usd_per_million']).toBeCloseTo(100, 6)
    expect(figures['prompt_alone_usd_per_million_no_cache']).toBeCloseTo(1000, 6)
  })

  it('has all of it from the change of model on hardware that is paid by the hour', () => {
    const figures = valuesOf([upstream])
    expect(figures['saved_by_prompt_usd_per_million']).toBe(0)
    expect(figures['saved_by_model_usd_per_million']).toBeCloseTo(250, 6)
  })

  it('has no figures without a price of the model', () => {
    expect(costFigures(calls, { ...priced, prices: [base] })).toEqual({})
    expect(costTable({})).toEqual([])
  })

  it('closes with a row a figure, with and without the cache', () => {
    const table = costTable(costFigures(calls, { ...priced, prices: [upstream, base] }))
    expect(table[0]).toEqual(['now', '500.00', '2300.00'])
    expect(table).toContainEqual(['prompt alone', '100.00', '1000.00'])
    expect(table).toContainEqual(['net', '117.50', '1017.50'])
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
