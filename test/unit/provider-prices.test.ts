/** Where a provider computes for the engine, tokens are paid in place of hours. */
import { describe, expect, it } from 'vitest'
import { callCosts } from '../../src/core/cost/economics.ts'
import {
  expectedTrainingTokens,
  priceOfProvider,
  trainedTokens,
  trainingTokensUsd,
  type ProviderPrices,
} from '../../src/core/cost/provider-prices.ts'
import { draftOf, economicsOf, type DraftInput } from '../../src/core/cost/template-economics.ts'
import { isGrave } from '../../src/core/engine-conditions.ts'
import { winningArm } from '../../src/core/internalization/internalization.ts'
import { readDeletionReceipts, readEngineState } from '../../src/openai/engine-state.ts'
import { exampleApproved } from '../kit/records/examples.ts'

const PROVIDER: ProviderPrices = {
  provider: 'Example',
  model: 'Qwen3-8B',
  asOf: '2026-12-01',
  input: 0.195,
  output: 0.55,
  training: 0.44,
}
const UPSTREAM = { model: 'large', asOf: '2026-11-01', input: 2, cachedInput: 1, output: 10 }

const input: DraftInput = {
  template: { version: 'version-1', model: 'large' },
  traffic: {
    window: { calls: 100, from: 0, to: 86_400_000 },
    callsPerMonth: 1e6,
    upstream: {
      calls: 100,
      isEstimated: false,
      promptTokens: 1133,
      outputTokens: 5,
      cacheHitShare: 0,
      cacheWriteShare: 0,
      serviceTier: null,
    },
    removedShare: 1111 / 1133,
    isFreeText: false,
    asked: { answered: 0, discarded: 0, unfitShare: 0 },
  },
  internalizations: [],
  adaptedPrice: priceOfProvider(PROVIDER),
  settings: {
    prices: [UPSTREAM],
    // that of a machine, which does not count
    engineUsdPerHour: 3,
    provider: PROVIDER,
    trainRows: 1500,
    captureShare: 1,
    trafficShare: 1,
    trainSeconds: 3600,
    upstreamReplays: 0,
    arms: ['label-head', 'query-only'],
    modelProofUsd: null,
  },
}

describe('the provider’s prices', () => {
  it('count 1,500 rows of 30 tokens in seven epochs as 0.14 USD', () => {
    const row = { queryTokens: 25, outputTokens: 5 }
    const tokens = expectedTrainingTokens(row, { trainRows: 1500, arms: ['query-only'] })
    expect(tokens).toBe(1500 * 30 * 7)
    expect(trainingTokensUsd(tokens, PROVIDER)).toBeCloseTo(0.14, 2)
  })

  it('count a million calls of 22 + 5 tokens as 7 USD, against 224 with the prompt', () => {
    const { queryTokens, templateTokens, outputTokens } = draftOf(input).call!
    expect([Math.round(queryTokens), Math.round(templateTokens), outputTokens]).toEqual([
      22, 1111, 5,
    ])
    const { perCallUsd } = draftOf(input)
    expect(1e6 * perCallUsd!.adapted).toBeCloseTo(7, 1)
    expect(1e6 * perCallUsd!.keep).toBeCloseTo(224, 0)
  })

  it('stand in place of the engine’s hours', () => {
    const draft = draftOf(input)
    const tokens = 1500 * 7 * 27
    expect(draft.onceUsd.training).toBeCloseTo((tokens * 0.44) / 1e6, 6)
    const { settings } = input
    const { monthly, remarks } = economicsOf(draft, {
      model: 'large',
      engineUsd: 0,
      mendedShare: 0,
      settings,
    })
    expect(monthly!.engineUsd).toBe(0)
    expect(remarks.join()).not.toMatch(/ENGINE_USD_PER_HOUR|paid by the hour/)
    const { provider: _, ...byHour } = settings
    expect(draftOf({ ...input, settings: byHour }).onceUsd.training).toBe(3)
  })

  it('count what was trained, and neither heads nor other models', () => {
    const row = exampleApproved('a', { templateVersion: 'version-1' })
    const metrics = { ...winningArm(row)!.results[0]!.metrics, seconds: 10, tokens_per_second: 50 }
    const results = (changes: object) => [{ ...winningArm(row)!.results[0]!, metrics, ...changes }]
    const arms = [
      { name: 'query-only' as const, stages: [], results: results({ trainedTokens: 3000 }) },
      { name: 'schedule' as const, stages: [], results: results({}) },
      { name: 'label-head' as const, encoder: 'e', stages: [], results: results({}) },
    ]
    expect(trainedTokens({ ...row, plan: { ...row.plan!, arms } })).toBe(3500)
  })

  it('that are not known make no model of the provider free', () => {
    const { provider: _, ...rest } = input.settings
    const settings = { ...rest, engineUsdPerHour: null, unpricedProvider: 'Example' }
    const given = { ...input, adaptedPrice: null, settings }
    const context = { model: 'large', engineUsd: 0, mendedShare: 0, settings }
    expect(economicsOf(draftOf(given), context)).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringMatching(/^Example computes .* prices are not known/),
    })
    const heads = { ...given, settings: { ...settings, arms: ['label-head'] as const } }
    expect(draftOf(heads).perCallUsd!.adapted).toBe(0)
  })

  it('do not count for a head, which answers on the engine’s own machine', () => {
    const settings = { ...input.settings, arms: ['label-head'] as const }
    const draft = draftOf({ ...input, settings })
    expect(draft).toMatchObject({ adaptedPrice: null, onceUsd: { training: 0 } })
    expect(draft.perCallUsd!.adapted).toBe(0)
  })

  it('name their source and day', () => {
    expect(priceOfProvider(PROVIDER)).toMatchObject({
      source: 'Example, as the engine says',
      asOf: '2026-12-01',
    })
    const call = draftOf(input).call!
    const warm = { ...call, cacheHitShare: 1 }
    const prices = { upstream: UPSTREAM, adapted: priceOfProvider(PROVIDER) }
    // no cache of the provider's is counted on
    expect(callCosts(warm, prices).keep).toBeCloseTo(callCosts(call, prices).keep, 12)
  })
})

describe('what an engine says of itself', () => {
  const state = { object: 'engine', provider: 'Example', prices: null, conditions: [] }

  it.each([
    ['nothing', {}],
    ['a page', '<html>'],
    ['a negative price', { ...state, prices: { input: -1, output: 1, training: 1 } }],
    ['an unknown condition', { ...state, conditions: [{ kind: 'sad', message: '', since: 1 }] }],
    ['a time that is none', { ...state, conditions: [{ kind: 'away', message: '', since: 1e20 }] }],
    [
      'more conditions than there are',
      {
        ...state,
        conditions: Array.from({ length: 7 }, () => ({ kind: 'away', message: '', since: 1 })),
      },
    ],
  ])('is not read from %s', (_, body) => {
    expect(readEngineState(body)).toBeNull()
  })

  it('is cut to a length that a page can show', () => {
    const conditions = [{ kind: 'unpaid', message: 'x'.repeat(9999), since: 1 }]
    expect(readEngineState({ ...state, conditions })!.conditions[0]!.message).toHaveLength(500)
    expect(readDeletionReceipts({ data: Array.from({ length: 1001 }, () => ({})) })).toBeNull()
  })

  it('is grave where no answer comes', () => {
    expect([isGrave('unpaid'), isGrave('throttled'), isGrave('not-deleted')]).toEqual([
      true,
      false,
      false,
    ])
  })
})
