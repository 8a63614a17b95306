import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  callCosts,
  savingsOf,
  shareEngine,
  worthOf,
  type CallCosts,
  type Plan,
  type Verdict,
} from '../../src/core/cost/economics.ts'
import { findPrice, type Price } from '../../src/core/cost/prices.ts'
import { parsePrices } from '../../src/config/price-file.ts'
import { draftOf, type DraftInput } from '../../src/core/cost/template-economics.ts'
import { exampleApproved } from '../kit/records/examples.ts'

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
  onceUsd: 30,
}

describe('callCosts', () => {
  it('follows the formulas', () => {
    const costs = callCosts(call, large, small)
    // 2,050 prompt tokens: 1,845 read from the cache, the other 155 of the template written to it
    const now = (1845 * 0.5 + 155 * 2.5 + 50 * 2 + 10 * 8) / 1e6
    expect(costs.now).toBeCloseTo(now, 12)
    // another model reads the whole prompt
    expect(costs.ours).toBeCloseTo((1845 * 0.1 + 205 * 0.2 + 10 * 0.8) / 1e6, 12)
  })

  it.each([
    ['reports no write to its cache', { cacheHitShare: 0, cacheWriteShare: 0 }, 2050 * 2],
    ['reports more writes than are left', { cacheWriteShare: 1 }, 1845 * 0.5 + 205 * 2.5],
    ['never caches so short a prompt', { templateTokens: 973 }, 1023 * 2],
    ['caches a prompt of the least length', { templateTokens: 974, cacheHitShare: 1 }, 1024 * 0.5],
    ['reads all of it from its cache', { cacheHitShare: 1 }, 2050 * 0.5],
  ])('knows that the provider %s', (_, changes, promptUsd) => {
    const costs = callCosts({ ...call, ...changes }, large, null)
    expect(costs.now).toBeCloseTo((promptUsd + 10 * 8) / 1e6, 12)
    // the engine is paid by the hour
    expect(costs.ours).toBe(0)
  })
})

describe('another model of the upstreams', () => {
  const input: DraftInput = {
    template: { version: 'version-1', model: 'large' },
    traffic: {
      window: { calls: 100, from: 0, to: 86_400_000 },
      callsPerMonth: 3000,
      upstream: {
        calls: 100,
        isEstimated: false,
        promptTokens: 2050,
        outputTokens: 10,
        cacheHitShare: 0.9,
        cacheWriteShare: null,
        serviceTier: null,
      },
      removedShare: 2000 / 2050,
      isFreeText: false,
      asked: { answered: 0, discarded: 0, unfitShare: 0 },
    },
    internalizations: [],
    settings: {
      prices: [large, small],
      engineUsdPerHour: null,
      captureShare: 1,
      trafficShare: 0.97,
      trainSeconds: null,
      upstreamReplays: 0,
      arms: ['model:small'],
      proofUsd: 3,
    },
  }
  const model = { name: 'small', hasLogprobs: false, id: 'model:small:1' }
  const arm = { name: 'model:small' as const, model, stages: [], results: [] }

  it('reads the whole prompt, which is paid at its price', () => {
    const draft = draftOf(input)
    const expected = callCosts(call, large, small)
    expect(draft).toMatchObject({ otherModel: 'small', onceUsd: { evaluation: 3 } })
    expect(draft.perCallUsd!.now).toBeCloseTo(expected.now, 12)
    expect(draft.perCallUsd!.ours).toBeCloseTo(expected.ours, 12)
  })

  it('counts where it has won, and not where a lora competes or has', () => {
    const settings = { ...input.settings, arms: ['label-head', 'model:small'] as const }
    expect(draftOf({ ...input, settings }).otherModel).toBeNull()
    const row = exampleApproved('a', { templateVersion: 'version-1' })
    const arms = row.plan!.arms.with(row.verdict!.arm, arm)
    const won = { ...row, plan: { ...row.plan!, arms } }
    expect(draftOf({ ...input, settings, internalizations: [won] }).otherModel).toBe('small')
    expect(draftOf({ ...input, internalizations: [row] }).otherModel).toBeNull()
  })

  it('has no known costs without a price', () => {
    const settings = { ...input.settings, arms: ['model:unpriced'] as const }
    expect(draftOf({ ...input, settings }).perCallUsd).toBeNull()
  })
})

describe('savingsOf', () => {
  it('adds up by hand: a thousand answers, a hundred discarded', () => {
    const costs = { now: 0.004, ours: 0.0005 }
    const volume = { answered: 1000, discarded: 100 }
    const savings = savingsOf(costs, volume, { engineUsd: 1, trainingUsd: 0.25 })
    expect(savings.grossUsd).toBeCloseTo(3.5, 12)
    expect(savings.discardedUsd).toBeCloseTo(0.05, 12)
    expect(savings.netUsd).toBeCloseTo(2.2, 12)
  })

  it('is what the answers would have cost, less what all of ours cost', () => {
    const amount = fc.double({ min: 0, max: 1e6, noNaN: true })
    const usd = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(
        fc.record({ now: usd, ours: usd }),
        fc.record({ calls: amount, coverage: fc.double({ min: 0, max: 1, noNaN: true }) }),
        fc.record({ engineUsd: amount, trainingUsd: amount }),
        (costs, { calls, coverage }, own) => {
          const volume = { answered: calls * coverage, discarded: calls * (1 - coverage) }
          const paid = calls * costs.ours + own.engineUsd + own.trainingUsd
          const { netUsd } = savingsOf(costs, volume, own)
          expect(netUsd).toBeCloseTo(calls * coverage * costs.now - paid, 4)
        }
      )
    )
  })
})

describe('shareEngine', () => {
  it('divides in proportion to the savings, so that no net has another sign than the total', () => {
    expect(shareEngine(100, [300, 100])).toEqual([75, 25])
    expect(shareEngine(100, [300, -5])).toEqual([100, 0])
    expect(shareEngine(100, [0, 0])).toEqual([50, 50])
    expect(shareEngine(100, [])).toEqual([])
    expect(shareEngine(100, [-1, -5, 0.5, 0.5])).toEqual([0, 0, 50, 50])
  })
})

describe('whether it pays', () => {
  const costs = callCosts(call, large, small)
  const hourly = callCosts(call, large, null)

  it('does where much traffic carries a long prompt, by the savings of a month', () => {
    const { verdict, reason, monthly } = worthOf(costs, plan)
    expect(verdict).toBe('pays')
    expect(reason).toMatch(/^it saves \d+\.\d\d USD a month$/)
    const volume = { answered: 0.6e6, discarded: 0.4e6 }
    expect(monthly).toEqual(savingsOf(costs, volume, { engineUsd: 0, trainingUsd: 30 / 6 }))
  })

  const dearer = callCosts({ ...call, templateTokens: 10 }, small, large)
  const rare = { answered: 0.01, discarded: 0.99, source: 'proven' as const }

  it.each<[string, CallCosts, Partial<Plan>, Verdict, RegExp]>([
    [
      'low traffic',
      costs,
      { callsPerMonth: 5000 },
      'does-not-pay',
      /come back after \d+ days, more than 60/,
    ],
    [
      'a dearer model',
      dearer,
      { callsPerMonth: null },
      'does-not-pay',
      /^an answer of the other model/,
    ],
    [
      'discarded answers',
      costs,
      { coverage: rare },
      'does-not-pay',
      /^it would cost \d.* a month more/,
    ],
    ['no traffic', costs, { callsPerMonth: 0 }, 'unknown', /no calls/],
    ['traffic of hours', costs, { callsPerMonth: null }, 'unknown', /less than a day/],
  ])('gives its reason for %s', (_, usd, changes, verdict, reason) => {
    const found = worthOf(usd, { ...plan, ...changes })
    expect(found.verdict).toBe(verdict)
    expect(found.reason).toMatch(reason)
  })

  it('does not pay where the engine costs more than the template saves', () => {
    const found = worthOf(hourly, { ...plan, callsPerMonth: 10_000, engineUsd: 730 })
    expect(found.verdict).toBe('does-not-pay')
    expect(found.reason).toContain('its share of the engine costs 730.00 USD')
    expect(found.monthly!.netUsd).toBeLessThan(-700)
  })

  it('gives the least coverage of a template that is not trained yet', () => {
    const coverage = { answered: 1, discarded: 0, source: 'assumed' as const }
    const untrained = worthOf(hourly, { ...plan, coverage, engineUsd: hourly.now * 1e6 * 0.25 })
    expect(untrained.reason).toMatch(/^it saves at most .* and pays from a coverage of 25 % on$/)
  })
})

describe('parsePrices', () => {
  it('reads the example of the configuration document', () => {
    const text =
      '[{"model":"gpt-4o-mini","asOf":"2026-11-01","input":0.15,"cachedInput":0.075,"output":0.6}]'
    expect(parsePrices(text)).toEqual(JSON.parse(text))
  })

  it('reports all mistakes, as invalid-config', () => {
    const wrong = '[{"model":"","asOf":"soon","input":-1,"cachedInput":1,"out":2}, 5]'
    const names = ['model', 'asOf', 'input', 'output', '"out"', 'entry 1']
    for (const [text, mistakes] of [
      [wrong, names],
      ['{}', ['array']],
      ['[', ['not JSON']],
    ] as const)
      for (const mistake of mistakes)
        expect(() => parsePrices(text)).toThrow(
          expect.objectContaining({
            code: 'invalid-config',
            message: expect.stringContaining(mistake) as string,
          })
        )
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
