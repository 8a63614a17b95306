/** Prices by length and service tier: which one counts, and what a price file may say of them. */
import { describe, expect, it } from 'vitest'
import { boundUsd } from '../../src/core/cost/cost-bound.ts'
import { PRICE_LIST } from '../../src/core/cost/price-list.ts'
import { priceAt, findPrice, requestCost, type Price } from '../../src/core/cost/prices.ts'
import { parsePrices } from '../../src/config/price-file.ts'

const AMOUNTS = { input: 2, cachedInput: 1, output: 10 }
const BASE = { model: 'm', asOf: '2026-11-20', ...AMOUNTS }
const LONG = { aboveTokens: 1000, input: 4, cachedInput: 2, output: 15 }
const TIERED: Price = {
  ...BASE,
  cacheWrite: 2.5,
  longContext: LONG,
  serviceTiers: {
    flex: { input: 1, cachedInput: 0.5, output: 5, longContext: { ...LONG, input: 2 } },
    priority: { input: 4, cachedInput: 2, output: 20 },
  },
}

const amounts = (tokens: number, tier: string | null) => {
  const { input, cachedInput, cacheWrite, output } = priceAt(TIERED, tokens, tier)
  return [input, cachedInput, cacheWrite, output]
}

describe('the price of a request', () => {
  it('is the row itself where no tier counts, so that nothing is made for it', () => {
    expect(priceAt(BASE, 1e6, 'flex')).toBe(BASE)
    expect(priceAt(TIERED, 1000, null)).toBe(TIERED)
  })

  it('is that of its tier and length', () => {
    expect(amounts(1001, null)).toEqual([4, 2, 4, 15])
    expect(amounts(10, 'flex')).toEqual([1, 0.5, 1, 5])
    expect(amounts(1001, 'flex')).toEqual([2, 2, 2, 15])
    expect(amounts(1001, 'priority')).toEqual([4, 2, 4, 20])
    expect(amounts(10, 'scale')).toEqual([2, 1, 2.5, 10])
    expect(amounts(10, '__proto__')).toEqual([2, 1, 2.5, 10])
  })

  it('is bounded for a budget by the dearest price that its length may have', () => {
    const usage = { prompt_tokens: 1001, completion_tokens: 10, total_tokens: 1011 }
    const bound = boundUsd(TIERED, { promptTokens: 1001, completionTokens: 10 })
    expect(bound).toBeGreaterThanOrEqual(requestCost(TIERED, usage)!)
    expect(1e6 * bound).toBeCloseTo(1001 * 4 + 10 * 15, 6)
  })
})

describe('the tiers that ship', () => {
  it('are those of the list', () => {
    expect(findPrice(PRICE_LIST, 'gpt-5.4')).toMatchObject({
      longContext: { aboveTokens: 272_000, input: 5, cachedInput: 0.5, output: 22.5 },
      serviceTiers: {
        flex: { input: 1.25, longContext: { aboveTokens: 272_000, input: 2.5 } },
        priority: { input: 5, output: 30 },
        batch: { input: 1.25, output: 7.5 },
      },
    })
    expect(findPrice(PRICE_LIST, 'gpt-4')).not.toHaveProperty('longContext')
    expect(findPrice(PRICE_LIST, 'deepseek-chat')).not.toHaveProperty('serviceTiers')
  })

  it('never ask more for cached input than for input, nor less for longer requests', () => {
    for (const price of PRICE_LIST)
      for (const tier of [price, ...Object.values(price.serviceTiers ?? {})]) {
        const { longContext = { ...tier, aboveTokens: 1 } } = tier
        expect(tier.cachedInput, price.model).toBeLessThanOrEqual(tier.input)
        expect(longContext.input, price.model).toBeGreaterThanOrEqual(tier.input)
        expect(longContext.aboveTokens).toBeGreaterThan(0)
      }
  })
})

describe('a price file with tiers', () => {
  it('is read', () => {
    expect(parsePrices(JSON.stringify([TIERED]))).toEqual([TIERED])
    expect(parsePrices(JSON.stringify([{ ...BASE, input: 0, cachedInput: 0 }]))).toHaveLength(1)
  })

  it.each<[string, object[], string]>([
    ['no limit', [{ ...BASE, longContext: AMOUNTS }], 'entry 0.longContext.aboveTokens: '],
    [
      'a limit of 0',
      [{ ...BASE, longContext: { ...LONG, aboveTokens: 0 } }],
      'entry 0.longContext.aboveTokens: ',
    ],
    [
      'a negative price',
      [{ ...BASE, longContext: { ...LONG, input: -1 } }],
      'entry 0.longContext.input: ',
    ],
    [
      'euros in a tier',
      [{ ...BASE, serviceTiers: { flex: { ...AMOUNTS, output: '5 €' } } }],
      'serviceTiers.flex.output: ',
    ],
    ['euros', [{ ...BASE, currency: 'EUR' }], '"currency"'],
    [
      'a tier without a price',
      [{ ...BASE, serviceTiers: { flex: { input: 1, cachedInput: 1 } } }],
      'serviceTiers.flex.output: ',
    ],
    [
      'a factor in place of prices',
      [{ ...BASE, serviceTiers: { flex: 0.5 } }],
      'serviceTiers.flex: ',
    ],
    [
      'a tier that no answer names',
      [{ ...BASE, serviceTiers: { default: AMOUNTS } }],
      'serviceTiers.default: ',
    ],
    ['a list of tiers', [{ ...BASE, serviceTiers: [AMOUNTS] }], 'serviceTiers: '],
    [
      'a limit of a tier that is none',
      [{ ...BASE, serviceTiers: { flex: { ...AMOUNTS, longContext: { input: 1 } } } }],
      'serviceTiers.flex.longContext.aboveTokens: ',
    ],
    ['another name of a limit', [{ ...BASE, longContext: { ...LONG, above: 1 } }], '"above"'],
    ['two prices of one day', [BASE, { ...BASE, input: 3 }], 'entry 1: an earlier entry is m of'],
  ])('is refused for %s', (_what, entries, message) => {
    expect(() => parsePrices(JSON.stringify(entries))).toThrow(
      expect.objectContaining({
        code: 'invalid-config',
        message: expect.stringContaining(message) as string,
      })
    )
  })
})
