/** Prices that ship with the project, and what an operator puts in their place. */
import { describe, expect, it } from 'vitest'
import {
  datedPrices,
  PRICE_LIST,
  pricesText,
  withPriceList,
} from '../../src/core/cost/price-list.ts'
import { parsePrices } from '../../src/config/price-file.ts'
import { findPrice } from '../../src/core/cost/prices.ts'

const OWN = { model: 'gpt-4o', asOf: '2020-01-01', input: 1, cachedInput: 0.5, output: 2 }

describe('the prices that ship with the project', () => {
  it('are prices, each model once, with the page that they are from', () => {
    expect(PRICE_LIST.length).toBeGreaterThan(50)
    expect(parsePrices(JSON.stringify(PRICE_LIST))).toEqual(PRICE_LIST)
    expect(new Set(PRICE_LIST.map(({ model }) => model)).size).toBe(PRICE_LIST.length)
    for (const { source, input, cachedInput, output } of PRICE_LIST) {
      expect(source).toMatch(/^https:/)
      expect(input).toBeGreaterThan(0)
      expect(cachedInput).toBeLessThanOrEqual(input)
      expect(output).toBeGreaterThanOrEqual(input)
    }
  })

  it('are found by the names that requests have', () => {
    expect(findPrice(PRICE_LIST, 'gpt-4o-mini-2024-07-18')).toMatchObject({ input: 0.15 })
    expect(findPrice(PRICE_LIST, 'claude-haiku-4-5-20251001')).toMatchObject({ output: 5 })
    expect(findPrice(PRICE_LIST, 'gpt-4o-min')).toBeNull()
  })

  it('are replaced row by row, whatever the day of the own row', () => {
    const prices = withPriceList([OWN])
    expect(findPrice(prices, 'gpt-4o')).toBe(OWN)
    expect(findPrice(prices, 'gpt-4o-mini')).not.toBeNull()
    expect(prices).toHaveLength(PRICE_LIST.length)
  })
})

const NOW = Date.parse('2026-12-01')
const at = (model: string, asOf: string) => ({ ...OWN, model, asOf })

describe('the day of prices', () => {
  it('is said, of those that are older as well', () => {
    expect(pricesText([at('a', '2026-11-20'), at('b', '2026-11-20')], NOW)).toBe(
      'prices of 2026-11-20'
    )
    expect(pricesText([at('a', '2026-11-20'), at('b', '2026-11-01')], NOW)).toBe(
      'prices: b of 2026-11-01, others of 2026-11-20'
    )
    expect(pricesText([], NOW)).toBeNull()
  })

  it('is said with its age where it is old', () => {
    expect(pricesText([at('a', '2026-07-04')], NOW)).toBe(
      'prices of 2026-07-04, 150 days old: PRICES_FILE takes the present ones'
    )
  })

  it('is that of the models in the log', () => {
    const prices = [at('a', '2026-11-20'), { ...at('b', '2026-11-01'), source: 'https://b' }]
    expect(datedPrices(prices, ['b', 'b-2026-01-01', 'unknown'])).toEqual([
      { model: 'b', asOf: '2026-11-01', source: 'https://b' },
    ])
  })
})
