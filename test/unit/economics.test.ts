import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assess, cacheHitShare, callCosts, type Plan } from '../../src/core/economics.ts'
import {
  findPrice,
  parsePrices,
  savedUsd,
  savingsOfRequest,
  type Price,
} from '../../src/core/prices.ts'
import { AppError } from '../../src/errors.ts'

const large: Price = {
  model: 'large',
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 0.5,
  cacheWrite: 2.5,
  output: 8,
  minCachedPrefixTokens: 1024,
}
const small: Price = {
  model: 'small',
  asOf: '2026-11-01',
  input: 0.2,
  cachedInput: 0.1,
  output: 0.8,
}
const call = { templateTokens: 2000, queryTokens: 50, outputTokens: 10, cacheHitShare: 0.9 }
const plan: Plan = {
  callsPerMonth: 1e6,
  coverage: 0.6,
  fixedPerMonth: 0,
  retrainingPerMonth: 0,
  training: 20,
  evaluation: 10,
  controlShare: 0.05,
  shadowShare: 0.01,
  lifeMonths: 6,
}

const errorOf = (text: string): AppError => {
  try {
    parsePrices(text)
  } catch (error) {
    return error as AppError
  }
  throw new Error('accepted')
}

const cost = (coverage: number) =>
  callCosts(call, { upstream: large, adapted: small }, coverage).internalized

const usage = (prompt: number, cached: number) => ({
  prompt_tokens: prompt,
  completion_tokens: 1,
  total_tokens: prompt + 1,
  prompt_tokens_details: { cached_tokens: cached },
})

describe('callCosts', () => {
  it('follows the formulas', () => {
    const costs = callCosts(call, { upstream: large, adapted: small }, 0.6)
    const now = (2000 * (0.9 * 0.5 + 0.1 * 2.5) + 50 * 2 + 10 * 8) / 1e6
    const adapted = (50 * 0.2 + 10 * 0.8) / 1e6
    expect(costs.now).toBeCloseTo(now, 12)
    expect(costs.keep).toBeCloseTo((2000 * (0.9 * 0.1 + 0.1 * 0.2) + 18) / 1e6, 12)
    expect(costs.internalized).toBeCloseTo(0.6 * adapted + 0.4 * (now + adapted), 12)
  })

  it('knows that a short prompt is never cached, nor written to the cache', () => {
    const short = { ...call, templateTokens: 1000 }
    const { now } = callCosts(short, { upstream: large, adapted: small }, 1)
    expect(now).toBeCloseTo((1000 * 2 + 50 * 2 + 10 * 8) / 1e6, 12)
  })

  it('costs more than today when nothing is answered', () => {
    const { now, internalized } = callCosts(call, { upstream: large, adapted: small }, 0)
    expect(internalized).toBeGreaterThan(now)
  })

  it('never gets dearer with more coverage', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(share, share, (a, b) => {
        expect(cost(Math.max(a, b))).toBeLessThanOrEqual(cost(Math.min(a, b)) + 1e-15)
      })
    )
  })
})

describe('assess', () => {
  it('advises to internalize when a long prompt weighs on much traffic', () => {
    const same = { ...small, model: 'adapted' }
    const longer = { ...call, templateTokens: 8000, cacheHitShare: 0.2 }
    const verdict = assess(longer, { upstream: small, adapted: same }, { ...plan, coverage: 0.9 })
    expect(verdict.advice).toBe('internalize')
    expect(verdict.reasons).toEqual([])
    expect(verdict.paybackDays).toBeLessThan(60)
  })

  it('keeps apart what the prompt and what the model earn', () => {
    const { costs, promptSavingsPerMonth, modelSavingsPerMonth } = assess(
      call,
      { upstream: large, adapted: small },
      plan
    )
    expect(promptSavingsPerMonth + modelSavingsPerMonth).toBeCloseTo(
      1e6 * (costs.now - costs.internalized),
      6
    )
  })

  it('advises to swap the model when the prompt is not what costs', () => {
    const verdict = assess(
      { ...call, templateTokens: 100 },
      { upstream: large, adapted: small },
      { ...plan, coverage: 1 }
    )
    expect(verdict.advice).toBe('swap-model')
    expect(verdict.reasons.join()).toContain('less than a fifth')
  })

  it('advises against it when traffic is thin', () => {
    const verdict = assess(
      call,
      { upstream: small, adapted: small },
      { ...plan, callsPerMonth: 50 }
    )
    expect(verdict.advice).toBe('do-not-internalize')
    expect(verdict.reasons.length).toBeGreaterThan(0)
  })

  it('says that on hourly hardware removing the prompt earns nothing by itself', () => {
    const hourly = { ...small, input: 0, cachedInput: 0, output: 0 }
    const verdict = assess(
      call,
      { upstream: large, adapted: hourly },
      { ...plan, fixedPerMonth: 100 }
    )
    expect(verdict.promptSavingsPerMonth).toBeLessThanOrEqual(0)
    expect(verdict.advice).toBe('swap-model')
  })

  it('never pays back what it does not save', () => {
    const verdict = assess(call, { upstream: small, adapted: large }, plan)
    expect(verdict.savingsPerMonth).toBeLessThan(0)
    expect(verdict).toMatchObject({ paybackDays: null, advice: 'do-not-internalize' })
  })
})

describe('cacheHitShare', () => {
  it('weighs calls by their prompt tokens', () => {
    expect(cacheHitShare([usage(1000, 900), usage(1000, 0)])).toBeCloseTo(0.45)
    expect(cacheHitShare([])).toBe(0)
  })
})

describe('savingsOfRequest', () => {
  const request = { promptTokensSaved: 2000, promptTokens: 60, completionTokens: 10 }

  it('counts the removed prompt at the price of a warm cache', () => {
    const { totalUsd } = savingsOfRequest({ ...request, price: large, adaptedPrice: null })
    expect(totalUsd).toBeCloseTo((2000 * 0.5 + 60 * 2 + 10 * 8) / 1e6, 12)
  })

  it('counts it at list price when it is too short to be cached', () => {
    const short = { ...request, promptTokensSaved: 500 }
    const { totalUsd } = savingsOfRequest({ ...short, price: large, adaptedPrice: null })
    expect(totalUsd).toBeCloseTo((500 * 2 + 60 * 2 + 10 * 8) / 1e6, 12)
  })

  it('keeps apart the prompt and the smaller model', () => {
    const savings = savingsOfRequest({ ...request, price: large, adaptedPrice: small })
    expect(savings.promptUsd).toBeCloseTo((2000 * 0.1) / 1e6, 12)
    expect(savings.promptUsd + savings.modelUsd).toBeCloseTo(savings.totalUsd, 15)
  })

  it('is unknown without a price of the model', () => {
    expect(savedUsd([large], 'other', 2000, null)).toBeNull()
    expect(savedUsd([large], 'large', 2000, null)).toBeCloseTo(0.001, 12)
  })

  it('peers 3.9: credits no more than the upstream with its own cache would have charged', () => {
    const read = { prompt_tokens: 60, completion_tokens: 10, total_tokens: 70 }
    expect(savedUsd([large], 'large', 2000, read)).toBeCloseTo(
      (2000 * large.cachedInput + 60 * large.input + 10 * large.output) / 1e6,
      12
    )
  })
})

describe('parsePrices', () => {
  it('reads what the configuration document shows', () => {
    const text =
      '[{"model":"gpt-4o-mini","asOf":"2026-11-01","input":0.15,"cachedInput":0.075,"output":0.6}]'
    expect(parsePrices(text)).toEqual(JSON.parse(text))
  })

  it('reports every mistake at once', () => {
    const error = errorOf('[{"model":"","asOf":"soon","input":-1,"cachedInput":1,"out":2}, 5]')
    expect(error).toBeInstanceOf(AppError)
    expect(error.code).toBe('invalid-config')
    for (const name of ['model', 'asOf', 'input', 'output', 'out is not', 'entry 1'])
      expect(error.message).toContain(name)
  })

  it('refuses what is no list or no JSON', () => {
    expect(errorOf('{}').message).toContain('list')
    expect(errorOf('[').message).toContain('not JSON')
  })
})

describe('findPrice', () => {
  const old = { ...small, asOf: '2025-01-01', input: 9 }

  it('takes the newest price, also for a dated name of the model', () => {
    expect(findPrice([old, small], 'small')).toBe(small)
    expect(findPrice([small, old], 'small-2024-07-18')).toBe(small)
    expect(findPrice([small], 'smaller')).toBeNull()
  })
})
