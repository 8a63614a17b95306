import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  callCosts,
  forecast,
  internalizedCost,
  savingsOf,
  shareEngine,
  type Plan,
} from '../../src/core/cost/economics.ts'
import { findPrice, parsePrices, savedUsd, type Price } from '../../src/core/cost/prices.ts'
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
const call = {
  templateTokens: 2000,
  queryTokens: 50,
  outputTokens: 10,
  cacheHitShare: 0.9,
  cacheWriteShare: null,
}
const plan: Plan = {
  callsPerMonth: 1e6,
  coverage: { answered: 0.6, discarded: 0.4, source: 'proven' },
  engineUsd: 0,
  training: 20,
  evaluation: 10,
}
const share = fc.double({ min: 0, max: 1, noNaN: true })

const errorOf = (text: string): AppError => {
  try {
    parsePrices(text)
  } catch (error) {
    return error as AppError
  }
  throw new Error('accepted')
}

describe('callCosts', () => {
  it('follows the formulas', () => {
    const costs = callCosts(call, { upstream: large, adapted: small })
    // 2,050 prompt tokens: 1,845 read from the cache, the other 155 of the template written to it
    const now = (1845 * 0.5 + 155 * 2.5 + 50 * 2 + 10 * 8) / 1e6
    expect(costs.now).toBeCloseTo(now, 12)
    expect(costs.keep).toBeCloseTo((1845 * 0.1 + 205 * 0.2 + 10 * 0.8) / 1e6, 12)
    expect(costs.adapted).toBeCloseTo((50 * 0.2 + 10 * 0.8) / 1e6, 12)
  })

  it('takes what the provider says it wrote to its cache', () => {
    const told = { ...call, cacheHitShare: 0, cacheWriteShare: 0 }
    const { now } = callCosts(told, { upstream: large, adapted: null })
    expect(now).toBeCloseTo((2050 * 2 + 10 * 8) / 1e6, 12)
  })

  it('knows that a short prompt is never cached, nor written to the cache', () => {
    const short = { ...call, templateTokens: 900 }
    const { now } = callCosts(short, { upstream: large, adapted: small })
    expect(now).toBeCloseTo((900 * 2 + 50 * 2 + 10 * 8) / 1e6, 12)
  })

  it('has the whole prompt at the cached price when the cache serves all of it', () => {
    const { now } = callCosts({ ...call, cacheHitShare: 1 }, { upstream: large, adapted: null })
    expect(now).toBeCloseTo((2050 * 0.5 + 10 * 8) / 1e6, 12)
  })

  it('has no cost per token on hardware that is paid by the hour', () => {
    expect(callCosts(call, { upstream: large, adapted: null })).toMatchObject({
      keep: 0,
      adapted: 0,
    })
  })
})

describe('internalizedCost', () => {
  const costs = callCosts(call, { upstream: large, adapted: small })
  const costAt = (coverage: number) =>
    internalizedCost(costs, { answered: coverage, discarded: 1 - coverage })

  it('adds the discarded answers to what the upstream is paid', () => {
    const { now, adapted } = costs
    expect(costAt(0.6)).toBeCloseTo(0.6 * adapted + 0.4 * (now + adapted), 15)
    expect(costAt(0)).toBeGreaterThan(now)
  })

  it('never gets dearer with more coverage', () => {
    fc.assert(
      fc.property(share, share, (a, b) => {
        expect(costAt(Math.max(a, b))).toBeLessThanOrEqual(costAt(Math.min(a, b)) + 1e-15)
      })
    )
  })
})

describe('savingsOf', () => {
  it('by hand: a thousand answers, a hundred discarded', () => {
    const costs = { now: 0.004, keep: 0.0015, adapted: 0.0005 }
    const savings = savingsOf(
      costs,
      { answered: 1000, discarded: 100 },
      { engineUsd: 1, trainingUsd: 0.25 }
    )
    expect(savings.byModelUsd).toBeCloseTo(2.5, 12)
    expect(savings.byPromptUsd).toBeCloseTo(1, 12)
    expect(savings.grossUsd).toBeCloseTo(3.5, 12)
    expect(savings.discardedUsd).toBeCloseTo(0.05, 12)
    expect(savings.netUsd).toBeCloseTo(2.2, 12)
  })

  it('is the model and the prompt less what it costs, and V·(C_now − C_int) − fixed', () => {
    const amount = fc.double({ min: 0, max: 1e6, noNaN: true })
    const usd = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(
        fc.record({ now: usd, keep: usd, adapted: usd }),
        fc.record({ calls: amount, coverage: share }),
        fc.record({ engineUsd: amount, trainingUsd: amount }),
        (costs, { calls, coverage }, own) => {
          const rates = { answered: coverage, discarded: 1 - coverage }
          const volume = { answered: calls * coverage, discarded: calls * (1 - coverage) }
          const savings = savingsOf(costs, volume, own)
          const fixed = savings.discardedUsd + savings.engineUsd + savings.trainingUsd
          expect(savings.netUsd).toBeCloseTo(savings.byModelUsd + savings.byPromptUsd - fixed, 4)
          const saved = calls * (costs.now - internalizedCost(costs, rates))
          expect(savings.netUsd).toBeCloseTo(saved - own.engineUsd - own.trainingUsd, 4)
        }
      )
    )
  })
})

describe('shareEngine', () => {
  it('goes by what each saves, so that no net has another sign than the whole', () => {
    expect(shareEngine(100, [300, 100])).toEqual([75, 25])
    expect(shareEngine(100, [300, -5])).toEqual([100, 0])
    expect(shareEngine(100, [0, 0])).toEqual([50, 50])
    expect(shareEngine(100, [])).toEqual([])
  })

  it('adds up to the whole cost', () => {
    const saved = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 })
    fc.assert(
      fc.property(saved, (amounts) => {
        const sum = shareEngine(50, amounts).reduce((total, part) => total + part, 0)
        expect(sum).toBeCloseTo(50, 6)
      })
    )
  })
})

describe('forecast', () => {
  const costs = callCosts(call, { upstream: large, adapted: small })
  const hourly = callCosts(call, { upstream: large, adapted: null })

  it('pays where much traffic carries a long prompt', () => {
    const verdict = forecast(costs, plan)
    expect(verdict.verdict).toBe('pays')
    expect(verdict.reason).toMatch(/^it saves \d+\.\d\d USD a month$/)
    expect(verdict.monthly!.netUsd).toBeCloseTo(
      1e6 * (costs.now - internalizedCost(costs, plan.coverage)) - 30 / 6,
      6
    )
    expect(verdict.paybackDays).toBeLessThan(60)
    expect(verdict.isModelAlone).toBe(true)
  })

  it('sees that the prompt is what pays where the model does not change', () => {
    const same = callCosts(
      { ...call, templateTokens: 8000, cacheHitShare: 0.2 },
      { upstream: small, adapted: small }
    )
    const { verdict, isModelAlone, monthly } = forecast(same, plan)
    expect({ verdict, isModelAlone, byModel: monthly!.byModelUsd }).toEqual({
      verdict: 'pays',
      isModelAlone: false,
      byModel: 0,
    })
  })

  it('does not pay where the engine costs more than all of it saves', () => {
    const { verdict, reason, monthly, breakEvenCoverage } = forecast(hourly, {
      ...plan,
      callsPerMonth: 10_000,
      engineUsd: 730,
    })
    expect(verdict).toBe('does-not-pay')
    expect(reason).toContain('its share of the engine costs 730.00 USD')
    expect(monthly!.netUsd).toBeLessThan(-700)
    expect(breakEvenCoverage).toBeGreaterThan(1)
  })

  it('does not pay where traffic is too thin for training to come back', () => {
    const thin = forecast(costs, { ...plan, callsPerMonth: 5000 })
    expect(thin).toMatchObject({ verdict: 'does-not-pay' })
    expect(thin.reason).toContain('less than three times the 30.00 USD')
    const slow = forecast(costs, { ...plan, callsPerMonth: 20_000, training: 35, evaluation: 0 })
    expect(slow).toMatchObject({ verdict: 'does-not-pay' })
    expect(slow.reason).toMatch(/come back after \d+ days, more than 60/)
  })

  it('does not pay where the adapted model is the dearer one, whatever the traffic', () => {
    const dearer = callCosts({ ...call, templateTokens: 10 }, { upstream: small, adapted: large })
    expect(forecast(dearer, { ...plan, callsPerMonth: null })).toMatchObject({
      verdict: 'does-not-pay',
      monthly: null,
    })
  })

  it('says what discarded answers cost when there are too many of them', () => {
    const rare = { answered: 0.01, discarded: 0.99, source: 'proven' as const }
    const { verdict, reason } = forecast(costs, { ...plan, coverage: rare })
    expect(verdict).toBe('does-not-pay')
    expect(reason).toMatch(/^it would cost \d.* a month more than it saves$/)
  })

  it('does not know without traffic, or with less than a day of it', () => {
    expect(forecast(costs, { ...plan, callsPerMonth: 0 })).toMatchObject({ verdict: 'unknown' })
    const short = forecast(costs, { ...plan, callsPerMonth: null })
    expect(short.verdict).toBe('unknown')
    expect(short.reason).toContain('less than a day')
  })

  it('gives the least coverage for what is not trained yet', () => {
    const coverage = { answered: 1, discarded: 0, source: 'assumed' as const }
    const untrained = forecast(hourly, { ...plan, coverage, engineUsd: hourly.now * 1e6 * 0.25 })
    expect(untrained.breakEvenCoverage).toBeCloseTo(0.25, 9)
    expect(untrained.reason).toMatch(/^it saves at most .* and pays from a coverage of 25 % on$/)
  })
})

describe('savedUsd', () => {
  const read = { prompt_tokens: 60, completion_tokens: 10, total_tokens: 70 }

  it('peers 3.9: credits no more than the upstream with its own cache would have charged', () => {
    expect(savedUsd([large], 'large', 2000, read)).toBeCloseTo(
      (2000 * large.cachedInput + 60 * large.input + 10 * large.output) / 1e6,
      12
    )
  })

  it('counts a prompt at list price when it is too short to be cached', () => {
    expect(savedUsd([large], 'large', 500, read)).toBeCloseTo((500 * 2 + 60 * 2 + 10 * 8) / 1e6, 12)
  })

  it('is unknown without a price of the model, and the prompt alone without usage', () => {
    expect(savedUsd([large], 'other', 2000, null)).toBeNull()
    expect(savedUsd([large], 'large', 2000, null)).toBeCloseTo(0.001, 12)
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
